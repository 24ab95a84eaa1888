// Conversations: what the engine is told of them, and what is undone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fresh, page, picture, refused } from './page.mjs';

const said = () => page.requests.map(({ parts }) => parts);
const answer = (n, ended = true) => ({ ids: [1, 2, n], ended });

test('a conversation grows by what is added, asked and answered', async () => {
  const session = (await fresh({}, './asks')).session({ maxTokens: 9 });
  await session.add({ image: picture(1) });
  await session.ask('what is it?');
  await session.add('More', { image: picture(2) }, ':');
  const pieces = [];
  for await (const { text } of session.continue({ maxTokens: 3 })) pieces.push(text);
  await session.continue();
  const ask = 'Question: what is it? Answer:';
  assert.deepEqual(pieces, ['a', ' b', ' c']);
  assert.deepEqual(said(), [
    [{ media: 0 }, ask],
    [{ media: 0 }, ask, answer(1), 'More', { media: 1 }, ':'],
    [{ media: 0 }, ask, answer(1), 'More', { media: 1 }, ':', answer(2, false)],
  ]);
  assert.deepEqual(page.requests.map(({ maxTokens, media }) => [maxTokens, media.length]), [[9, 1], [3, 2], [9, 2]]);
  assert.equal(page.asked.length, 2, 'each picture was asked for once');
});

test('calls in a row need no waiting', async () => {
  const session = (await fresh()).session();
  const added = session.add('1');
  const first = session.continue();
  const more = session.add('2');
  const second = session.continue();
  await Promise.all([added, first, more, second]);
  assert.deepEqual(said(), [['1'], ['1', answer(1), '2']]);
});

test('a fork goes its own way, with the answer that was under way', async () => {
  const session = (await fresh()).session({ maxTokens: 3 });
  await session.add('1');
  const run = session.continue();
  const fork = session.fork();
  await session.add('2');
  await fork.add('3');
  await Promise.all([run, session.continue(), fork.continue()]);
  assert.deepEqual(said(), [['1'], ['1', answer(1, false), '2'], ['1', answer(1, false), '3']]);
  assert.equal(page.requests[2].maxTokens, 3, 'a fork keeps the options');
  session.reset();
  await refused(session.continue(), 'session.continue: the session is empty');
  await fork.continue();
  assert.equal(said().at(-1).length, 4);
});

test('what was stopped or refused is undone', async () => {
  const session = (await fresh({}, './asks')).session();
  await session.add('1');
  const controller = new AbortController();
  const stopped = session.ask('never mind', { signal: controller.signal });
  const next = session.continue();
  for await (const piece of stopped) if (piece) break;
  await assert.rejects(stopped, { code: 'aborted' });
  await next;
  const early = session.ask('nor this', { signal: AbortSignal.abort() });
  await assert.rejects(early, { code: 'aborted' });
  await refused(session.ask('what?', { beems: 1 }), 'session.ask', '"beems"');
  await assert.rejects(session.add('2', { image: 42 }), { code: 'invalid-option', message: /it is Number/ });
  await session.continue();
  assert.deepEqual(said().slice(1), [['1'], ['1', answer(2)]]);
});

test('a picture that cannot be read fails the runs that were to see it, and no later ones', async () => {
  const session = (await fresh()).session();
  await session.add('1');
  const added = session.add({ image: 42 });
  const run = session.continue();
  await assert.rejects(added, { code: 'invalid-option' });
  await assert.rejects(run, { code: 'invalid-option' });
  await session.continue();
  assert.deepEqual(said(), [['1']]);
});

test('dispose stops what runs; nothing works afterwards', async () => {
  const flamingo = await fresh();
  const session = flamingo.session();
  await session.add('1');
  const run = session.continue();
  run.catch(() => {});
  for await (const piece of run) if (piece) { await session.dispose(); break; }
  await assert.rejects(run, { code: 'aborted' });
  for (const call of ['add', 'ask', 'continue', 'fork', 'reset']) await refused(() => session[call]('x'), 'this session was disposed');
  assert.equal((await flamingo.caption(picture())).text, 'a b c');
});

test('a session is refused what makes no sense', async () => {
  const flamingo = await fresh();
  const session = flamingo.session();
  for (const [attempt, ...parts] of [
    [() => flamingo.session({ shots: [] }), 'session', 'unknown option "shots"'],
    [() => flamingo.session({ signal: new AbortController().signal }), 'unknown option "signal"'],
    [() => flamingo.session({ n: 2 }), 'session: "n" without "beams"'],
    [() => session.add(), 'session.add: there are no parts'],
    [() => session.add(picture()), 'session.add: part 1', '{image}'],
    [() => session.ask(''), 'session.ask: there is no question'],
    [() => session.ask('what?'), 'no prompt template for questions'],
    [() => session.continue(), 'the session is empty'],
    [() => flamingo.session({ temperature: 1 }).continue({ beams: 3 }), 'session.continue: "beams" and "temperature" together'],
  ]) await refused(attempt, ...parts);
  await flamingo.dispose();
  await refused(() => flamingo.session(), 'disposed');
});
