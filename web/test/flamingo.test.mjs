// The public API over a fake Worker and fake pixels: what a page sees, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlamingoError } from '../errors.js';
import { clearCache, isCached, load, probe } from '../flamingo.js';
import { base, fresh, page, picture } from './page.mjs';

test('load, caption, dispose', async () => {
  const seen = [];
  const flamingo = await fresh({ device: 'cpu', onProgress: (p) => seen.push(p.phase) });
  assert.deepEqual(page.log, [`load ${base}nano/flamingo.json {"device":"cpu","cache":"indexeddb","offline":false}`]);
  assert.deepEqual(seen, ['fetch']);
  assert.deepEqual(flamingo.info, { name: 'fake', prompts: { caption: '<image>Output:' }, url: `${base}nano/flamingo.json`, worker: true });
  const { text, stats } = await flamingo.caption(picture());
  assert.equal(text, 'a b c');
  assert.deepEqual(page.asked, ['0.0 9 of 8']);
  assert.equal(typeof stats.imageMs, 'number');
  await flamingo.dispose();
  await flamingo.dispose();
  assert.equal(page.log.filter((line) => line === 'dispose 4').length, 1);
  await assert.rejects(flamingo.caption(picture()), { code: 'invalid-option', message: /disposed/ });
  await assert.rejects(flamingo.stats(), { code: 'invalid-option' });
});

test('captions run in the order asked; a bad or stopped one holds nobody up', async () => {
  const flamingo = await fresh();
  const first = flamingo.caption(picture(), { prompt: '1' });
  const bad = flamingo.caption(picture(), { beems: 2 });
  const worse = flamingo.caption(42);
  const controller = new AbortController();
  const queued = flamingo.caption(picture(), { prompt: '2', signal: controller.signal });
  const last = flamingo.caption(picture(), { prompt: '3' });
  controller.abort();
  await assert.rejects(bad, { code: 'invalid-option', message: /"beems"/ });
  await assert.rejects(worse, { code: 'invalid-option', message: /media: it is Number/ });
  await assert.rejects(queued, { code: 'aborted' });
  await Promise.all([first, last]);
  assert.deepEqual(page.log.slice(1), ['begin 1', 'end 1', 'begin 3', 'end 3']);
});

test('dispose stops what runs and waits for it', async () => {
  const flamingo = await fresh();
  const run = flamingo.caption(picture(), { prompt: '1' });
  let disposing;
  await assert.rejects(async () => { for await (const piece of run) disposing ??= piece.text && flamingo.dispose(); }, { code: 'aborted' });
  await disposing;
  assert.deepEqual(page.log.slice(1), ['begin 1', 'stop 1', 'dispose 4']);
});

test('bad options and an aborted signal reject before a worker exists', async () => {
  await assert.rejects(load('./nano', { dtype: 'q4' }), { code: 'invalid-option', message: /"dtype"/ });
  await assert.rejects(load('', {}), { code: 'invalid-option' });
  await assert.rejects(load('./nano', { signal: AbortSignal.abort() }), { code: 'aborted' });
  assert.equal(page.workers.length, 0);
});

test('aborting while the engine starts rejects at once', async () => {
  page.startUp = () => new Promise(() => {});
  const controller = new AbortController();
  const loading = fresh({ signal: controller.signal });
  controller.abort();
  await assert.rejects(loading, { code: 'aborted' });
});

test('a failed load says why, and the same engine loads again', async () => {
  const workerURL = `${base}w.js`;
  await assert.rejects(load('./missing', { workerURL }), { code: 'network', hint: 'check' });
  await load('./nano', { workerURL });
  assert.equal(page.workers.length, 1);
});

test('a crash rejects with internal, and the next load starts a fresh worker', async () => {
  const workerURL = `${base}crash.js`;
  const flamingo = await load('./nano', { workerURL });
  const run = flamingo.caption(picture());
  for await (const piece of run) if (piece) { page.workers[0].crash(new FlamingoError('internal', 'Go exited')); break; }
  await assert.rejects(run, { code: 'internal' });
  await assert.rejects(flamingo.caption(picture()), { code: 'internal' });
  assert.ok(!page.workers[0].alive);
  await flamingo.dispose();
  assert.equal((await (await load('./nano', { workerURL })).caption(picture())).text, 'a b c');
  assert.equal(page.workers.length, 2);
});

test('a callback that throws is reported and harms nothing', async () => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const flamingo = await fresh({ onProgress: () => { throw new Error('mine'); } });
  assert.deepEqual(reported, ['mine']);
  assert.equal(flamingo.info.name, 'fake');
});

test('probe and the cache calls share a worker', async () => {
  const options = { workerURL: `${base}shared.js` };
  assert.equal((await probe(options)).reason, 'webgpu-unavailable');
  assert.equal((await isCached('./nano', options)).total, `${base}nano/flamingo.json`.length);
  assert.deepEqual(await clearCache(undefined, options), { bytes: 9 });
  assert.deepEqual(await clearCache('./nano', options), { bytes: 1 });
  assert.equal(page.workers.length, 1);
});
