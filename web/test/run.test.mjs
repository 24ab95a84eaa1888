import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { FlamingoError } from '../errors.js';
import { Rate } from '../rate.js';
import { Run } from '../run.js';

const tick = () => new Promise((resolve) => setImmediate(resolve));
const isAbort = (error) => error instanceof FlamingoError && error.code === 'aborted' && error.name === 'AbortError';

// work that speaks the words, one a tick, and stops when aborted
const speak = (words, seen = {}) => async ({ signal, onPiece }) => {
  seen.signal = signal;
  for (const [id, text] of words.entries()) {
    await tick();
    if (signal.aborted) throw new FlamingoError('aborted', 'aborted');
    onPiece({ id, text });
  }
  return { text: words.join('') };
};

const collect = async (iterable) => {
  const all = [];
  for await (const piece of iterable) all.push(piece.text ?? piece);
  return all;
};

test('a run can be awaited, iterated and streamed at once', async () => {
  const run = new Run(speak(['a', ' red', ' circle']));
  const [result, first, second, stream] = await Promise.all([run, collect(run), collect(run), collect(run.stream)]);
  assert.deepEqual(result, { text: 'a red circle' });
  for (const pieces of [first, second, stream]) assert.deepEqual(pieces, ['a', ' red', ' circle']);
  assert.deepEqual(await collect(run), ['a', ' red', ' circle'], 'a late loop starts at the first piece');
});

test('break aborts the work and waits for it to stop', async () => {
  const seen = {};
  const run = new Run(speak(['a', 'b', 'c', 'd'], seen));
  for await (const piece of run) if (piece.text === 'b') break;
  assert.ok(seen.signal.aborted);
  await assert.rejects(run, isAbort);
});

test('break on the last piece of a finished run aborts nothing', async () => {
  const seen = {};
  const run = new Run(speak(['a'], seen));
  await run;
  for await (const piece of run) if (piece) break;
  assert.ok(!seen.signal.aborted);
});

test('the caller signal aborts, before or during the run, and is let go after it', async () => {
  let started = false;
  await assert.rejects(new Run(async () => (started = true), AbortSignal.abort('why')), (error) => isAbort(error) && error.cause === 'why');
  assert.ok(!started, 'nothing runs when the signal was aborted already');

  const controller = new AbortController();
  const run = new Run(speak(['a', 'b', 'c']), controller.signal);
  await tick();
  controller.abort();
  await assert.rejects(collect(run), isAbort);

  const seen = {};
  const free = new AbortController();
  await new Run(speak(['a'], seen), free.signal);
  assert.equal(getEventListeners(free.signal, 'abort').length, 0);
  free.abort();
  assert.ok(!seen.signal.aborted);
});

test('cancelling the stream aborts', async () => {
  const run = new Run(speak(['a', 'b', 'c', 'd']));
  const reader = run.stream.getReader();
  assert.equal((await reader.read()).value, 'a');
  await reader.cancel();
  await assert.rejects(run, isAbort);
});

test('an error reaches whoever listens, as a FlamingoError, after the pieces', async () => {
  const fail = async ({ onPiece }) => {
    onPiece({ id: 1, text: 'half' });
    throw Object.assign(new Error('gone'), { code: 'device-lost', hint: 'reload' });
  };
  const run = new Run(fail);
  const got = [];
  await assert.rejects(async () => { for await (const piece of run) got.push(piece.text); }, { code: 'device-lost', hint: 'reload' });
  assert.deepEqual(got, ['half']);
  await assert.rejects(run, FlamingoError);
  assert.equal(await run.catch((error) => error.code), 'device-lost');
});

test('a run that nobody reads is not an unhandled rejection', async () => {
  const seen = [];
  const note = (reason) => seen.push(reason);
  process.on('unhandledRejection', note);
  new Run(async () => { throw new Error('unread'); });
  await tick();
  await tick();
  process.off('unhandledRejection', note);
  assert.deepEqual(seen, []);
});

test('Rate measures over the last seconds and starts again with each phase', () => {
  const rate = new Rate();
  const at = (ms, loaded, phase = 'fetch') => rate.update({ phase, loaded, total: 10_000 }, ms);
  assert.deepEqual(at(0, 0), {});
  assert.deepEqual(at(100, 100), {}, 'too early to say');
  assert.deepEqual(at(1000, 1000), { bytesPerSecond: 1000, etaSeconds: 9 });
  at(4000, 1000);
  assert.deepEqual(at(5000, 3000), { bytesPerSecond: 500, etaSeconds: 14 }, 'the first second is forgotten');
  assert.deepEqual(at(5100, 0, 'upload'), {});
});
