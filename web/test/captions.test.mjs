import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fresh, page, picture, refused } from './page.mjs';

const gather = async (list) => {
  const all = [];
  for await (const one of list) all.push(one);
  return all;
};

test('pictures share passes, in their order, and the next are read meanwhile', async () => {
  const model = await fresh();
  let taken = 0;
  async function* pictures() {
    for (let i = 0; i < 5; i++) {
      taken++;
      yield picture(i);
    }
  }
  const shots = [{ image: picture(99), text: 'a' }];
  const takenAt = [];
  const seen = [];
  for await (const one of model.captions(pictures(), { batch: 2, shots, maxTokens: 7 })) {
    seen.push(one);
    takenAt.push(taken);
  }
  assert.deepEqual(seen.map(({ index, media, result }) => [index, media.shade, result.text]), [
    [0, 0, 'of 1'], [1, 1, 'of 2'], [2, 2, 'of 1'], [3, 3, 'of 2'], [4, 4, 'of 1'],
  ]);
  assert.deepEqual(page.requests.map(({ queries, shots, task, maxTokens }) => [queries, shots.length, task, maxTokens]), [
    [[1, 2], 1, 'caption', 7], [[1, 2], 1, 'caption', 7], [[1], 1, 'caption', 7],
  ]);
  assert.ok(takenAt[0] >= 3, 'the second group is begun before the first is told');
  assert.equal(typeof seen[0].result.stats.imageMs, 'number');
  await model.dispose();
});

test('a picture that cannot be read stops no other', async () => {
  const model = await fresh();
  const torn = new Blob([new Uint8Array(9)], { type: 'image/png' });
  const all = await gather(model.captions([picture(1), torn, picture(2)]));
  assert.deepEqual(all.map(({ index, result, error }) => [index, result?.text ?? error.code]), [[0, 'of 0'], [1, 'media-decode'], [2, 'of 0']]);
  await model.dispose();
});

test('leaving the loop and aborting stop the work', async () => {
  const model = await fresh();
  let returned = false;
  function* endless() {
    try {
      for (;;) yield picture(3);
    } finally {
      returned = true;
    }
  }
  for await (const { index } of model.captions(endless(), { batch: 2 })) if (index === 1) break;
  assert.ok(returned);
  const controller = new AbortController();
  const aborted = gather(model.captions(endless(), { signal: controller.signal }));
  controller.abort();
  await assert.rejects(aborted, { code: 'aborted' });
  const { text } = await model.caption(picture(1));
  assert.equal(text, 'a b c');
  await model.dispose();
});

test('what makes no sense is refused', async () => {
  const model = await fresh();
  await refused(() => model.captions([picture()], { beams: 3 }).next(), 'captions', 'unknown option "beams"');
  await refused(() => model.captions([picture()], { batch: 65 }).next(), '"batch" is 65', '1 to 64');
  await refused(() => model.captions([picture()], { question: 'what?' }).next(), 'captions: this model has no prompt template');
  await refused(() => model.captions('a.png').next(), 'pictures are "a.png"');
  await refused(() => model.captions(picture()).next(), 'pictures are an object');
  await refused(() => model.captions([{ image: picture(), x: 1 }]).next(), 'unknown key "x"');
  assert.deepEqual(await gather(model.captions([])), []);
  assert.equal(page.requests.length, 0);
  await model.dispose();
});
