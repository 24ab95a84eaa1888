// Following a board that changes: never two questions at a time, and the latest wins.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { follower } from '../demo-follow.js';

// A model that answers when it is told to, and a clock that is told the time.
function scenario(t) {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const questions = [];
  const { changed, leave } = follower(() => new Promise((answer) => questions.push(answer)), 100);
  const answer = async () => {
    questions.at(-1)();
    await new Promise(setImmediate);
  };
  return { questions, changed, leave, answer, pass: (ms) => mock.timers.tick(ms) };
}

test('one question for many changes', (t) => {
  const { questions, changed, pass } = scenario(t);
  for (let i = 0; i < 9; i++) {
    changed(true);
    pass(50);
  }
  assert.equal(questions.length, 0);
  pass(50);
  assert.equal(questions.length, 1);
});

test('what moves is asked about now and then, the next time when there is an answer', async (t) => {
  const { questions, changed, pass, answer } = scenario(t);
  for (let i = 0; i < 50; i++) {
    changed(false);
    pass(16);
  }
  assert.equal(questions.length, 1);
  await answer();
  assert.equal(questions.length, 2);
  await answer();
  assert.equal(questions.length, 2, 'nothing has changed since');
});

test('what has come to rest waits for no answer', async (t) => {
  const { questions, changed, pass, answer } = scenario(t);
  changed(false);
  pass(100);
  changed(false);
  changed(true);
  pass(100);
  assert.equal(questions.length, 2);
  questions[0]();
  await new Promise(setImmediate);
  assert.equal(questions.length, 2, 'the first is forgotten');
  await answer();
  pass(1000);
  assert.equal(questions.length, 2);
});

test('an answer that comes while a change waits makes no question too many', async (t) => {
  const { questions, changed, pass, answer } = scenario(t);
  changed(true);
  pass(100);
  changed(true);
  await answer();
  pass(500);
  assert.equal(questions.length, 2);
});

test('leaving forgets what was going to be asked', async (t) => {
  const { questions, changed, leave, pass, answer } = scenario(t);
  changed(true);
  leave();
  pass(500);
  assert.equal(questions.length, 0);
  changed(true);
  pass(100);
  changed(false);
  leave();
  await answer();
  pass(500);
  assert.equal(questions.length, 1);
});
