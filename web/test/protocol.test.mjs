import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { FlamingoError } from '../errors.js';
import { calls, crashed, guard } from '../guard.js';
import { connect, serve } from '../protocol.js';

const never = new Promise(() => {});
const image = () => ({ data: new Uint8ClampedArray(4), width: 1, height: 1 });

// A pair of ends with a fake worker between them; the port pair behaves as a Worker does.
async function open(t, engine, exited = never) {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const started = [];
  const exits = [];
  serve(port2, async (wasmURL) => (started.push(wasmURL), { engine, exited }));
  const page = connect(port1, (error) => (exits.push(error), page.fail(error)));
  await page.start('https://site.test/flamingo.wasm');
  assert.deepEqual(started, ['https://site.test/flamingo.wasm']);
  return { ...page, exits };
}

test('a call crosses with its arguments, events come before the answer', async (t) => {
  const { engine } = await open(t, {
    load: async (url, options, hooks) => {
      for (const loaded of [1, 2]) hooks.onProgress({ phase: 'fetch', loaded, total: 2 });
      return { handle: 7, info: { url, options } };
    },
  });
  const seen = [];
  const answer = await engine.load('u', { device: 'cpu' }, { onProgress: (p) => seen.push(p.loaded) });
  assert.deepEqual(answer, { handle: 7, info: { url: 'u', options: { device: 'cpu' } } });
  assert.deepEqual(seen, [1, 2]);
});

test('frames are asked for and transferred when they may be, pieces arrive', async (t) => {
  const { engine } = await open(t, {
    generate: async (handle, request, hooks) => {
      const frames = [await hooks.onFrame({ media: 0, frame: 1 }), await hooks.onFrame({ media: 0, frame: 2 })];
      hooks.onPiece({ id: 3, text: ' red' });
      return { text: ` red ${handle} ${frames.map(({ data }) => data.length)} ${request.maxTokens}` };
    },
  });
  const pictures = { 1: { ...image(), fresh: true }, 2: image() };
  const asked = [];
  const pieces = [];
  const { text } = await engine.generate(1, { maxTokens: 9 }, {
    onPiece: (p) => pieces.push(p),
    onFrame: async (which) => (asked.push(which), pictures[which.frame]),
  });
  assert.equal(text, ' red 1 4,4 9');
  assert.deepEqual(pieces, [{ id: 3, text: ' red' }]);
  assert.deepEqual(asked, [{ media: 0, frame: 1 }, { media: 0, frame: 2 }]);
  assert.equal(pictures[1].data.length, 0, 'the fresh buffer has moved');
  assert.equal(pictures[2].data.length, 4, 'the other is still here');
});

test('a frame that cannot be had rejects where it was asked for, with its code', async (t) => {
  const seen = [];
  const { engine } = await open(t, {
    score: (handle, request, hooks) => hooks.onFrame({ media: 0, frame: 0 }).catch((error) => {
      seen.push(error);
      throw error;
    }),
  });
  const hooks = { onFrame: async () => { throw new FlamingoError('media-decode', 'no picture', { hint: 'save it again' }); } };
  await assert.rejects(engine.score(1, {}, hooks), { code: 'media-decode', message: 'no picture', hint: 'save it again' });
  assert.ok(seen[0] instanceof FlamingoError);
  await assert.rejects(engine.score(1, {}, {}), { code: 'internal' });
});

test('an abort crosses and stops that call only, even one that waits for a frame', async (t) => {
  const wait = (hooks) => new Promise((resolve, reject) => {
    const stop = () => reject(new FlamingoError('aborted', 'stopped'));
    if (hooks.signal.aborted) stop();
    hooks.signal.addEventListener('abort', stop);
    hooks.onFrame({ media: 0, frame: 0 }).then(() => resolve({ text: 'done' }), reject);
  });
  const { engine } = await open(t, { generate: (handle, request, hooks) => wait(hooks) });
  const controller = new AbortController();
  let give;
  const late = new Promise((resolve) => (give = resolve));
  const stopped = engine.generate(1, {}, { signal: controller.signal, onFrame: () => never });
  const other = engine.generate(1, {}, { onFrame: () => late });
  controller.abort();
  await assert.rejects(stopped, { code: 'aborted', name: 'AbortError' });
  give(image());
  assert.equal((await other).text, 'done');
  await assert.rejects(engine.generate(1, {}, { signal: AbortSignal.abort(), onFrame: () => never }), { code: 'aborted' });
});

test('errors are rebuilt with code and hint; one bad call does not harm the next', async (t) => {
  const { engine } = await open(t, {
    isCached: async (url) => {
      if (url === 'bad') throw Object.assign(new Error('loader: chunk 3'), { code: 'integrity', hint: 'again' });
      if (url === 'odd') throw new TypeError('x is undefined');
      return { cached: true };
    },
  });
  await assert.rejects(engine.isCached('bad'), (e) => e instanceof FlamingoError && e.code === 'integrity' && e.hint === 'again' && e.message === 'loader: chunk 3');
  await assert.rejects(engine.isCached('odd'), { code: 'internal' });
  assert.deepEqual(await engine.isCached('good'), { cached: true });
  await assert.rejects(engine.isCached(() => {}), { name: 'DataCloneError' });
});

test('when the engine goes, pending and later calls reject with internal', async (t) => {
  let exit;
  const exited = new Promise((resolve) => (exit = resolve));
  const { engine, exits } = await open(t, { stats: () => never }, exited);
  const pending = engine.stats();
  exit(crashed('Go exited with status 2'));
  await assert.rejects(pending, { code: 'internal', message: /status 2/ });
  await assert.rejects(engine.stats(), { code: 'internal' });
  assert.equal(exits.length, 1);
});

test('a start that fails rejects, and nothing but the known calls is served', async (t) => {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  serve(port2, async () => { throw new FlamingoError('network', 'no wasm', { hint: 'make' }); });
  const page = connect(port1);
  await assert.rejects(page.start('x'), { code: 'network', hint: 'make' });
  await assert.rejects(page.engine.stats(), { code: 'internal', message: /want start first/ });
});

test('guard settles what Go cannot', async () => {
  const hang = guard({ probe: () => never, stats: () => undefined });
  const pending = hang.engine.probe();
  hang.fail(crashed('gone'));
  await assert.rejects(pending, { code: 'internal', message: /gone/ });
  await assert.rejects(hang.engine.probe(), { code: 'internal' });

  await assert.rejects(guard({ stats: () => undefined }).engine.stats(), { code: 'internal', message: /did not answer/ });
  await assert.rejects(guard({ stats: () => { throw new Error('Go program has already exited'); } }).engine.stats(), { code: 'internal', message: /already exited/ });
  await assert.rejects(guard({ stats: async () => { throw Object.assign(new Error('m'), { code: 'quota-exceeded' }); } }).engine.stats(), { code: 'quota-exceeded' });
  assert.equal(await guard({ stats: async () => 5 }).engine.stats(), 5);
  assert.deepEqual(Object.keys(guard({}).engine), calls);
});
