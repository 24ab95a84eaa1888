// What a page says of pictures, videos, examples and parts, and what the engine gets to see of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fresh, page, picture, refused } from './page.mjs';

const last = () => page.requests.at(-1);
const shades = (request) => request.media.map(({ key, frames }) => `${key.length} ${frames}`);

test('examples come before the question, each with its picture', async () => {
  const flamingo = await fresh({}, './asks');
  const shots = [
    { image: picture(1), text: 'a cat', question: 'what is this?' },
    { video: [picture(2), picture(3)], fps: 1, text: 'a dog', question: 'and this?' },
  ];
  await flamingo.ask(picture(4), 'and now?', { shots, maxTokens: 5 });
  const { media, ...said } = last();
  assert.deepEqual(said, {
    maxTokens: 5, task: 'ask', query: 2, question: 'and now?',
    shots: [{ media: 0, text: 'a cat', question: 'what is this?' }, { media: 1, text: 'a dog', question: 'and this?' }],
  });
  assert.deepEqual(media.map(({ frames }) => frames), [1, 2, 1]);
  assert.equal(new Set(media.map(({ key }) => key)).size, 3);
  assert.deepEqual(page.asked, ['0.0 1 of 8', '1.0 2 of 8', '1.1 3 of 8', '2.0 4 of 8']);
});

test('examples may be words alone', async () => {
  const flamingo = await fresh({}, './asks');
  await flamingo.caption(picture(4), { shots: [{ text: 'a cat' }, { text: 'a dog' }] });
  assert.deepEqual([last().shots, last().query, last().media.length], [[{ text: 'a cat' }, { text: 'a dog' }], 0, 1]);
  await refused(() => flamingo.caption(picture(), { shots: [{ image: undefined, text: 'a' }] }), 'shot 1 has neither image nor video');
  await refused(() => flamingo.caption(picture(), { shots: [{ imgae: picture(), text: 'a' }] }), 'shot 1: unknown key "imgae"', 'image, video, text');
  await refused(() => flamingo.ask(picture(), 'what?', { shots: [{ text: 'a' }] }), 'shot 1: question is undefined');
});

test('32 examples and more are no special case', async () => {
  const flamingo = await fresh();
  const shots = Array.from({ length: 40 }, (_, i) => ({ image: picture(i), text: `picture ${i}` }));
  const { stats } = await flamingo.caption(picture(99), { shots });
  assert.equal(stats.encoded, 41);
  assert.equal(last().query, 40);
});

test('parts keep their order, and words that spell a tag are words', async () => {
  const flamingo = await fresh();
  await flamingo.prompt(['<image> is', { image: picture(1) }, { video: [picture(1), picture(1)] }, ''], { stop: ['.'] });
  const { media, ...said } = last();
  assert.deepEqual(said, { stop: ['.'], parts: ['<image> is', { media: 0 }, { media: 1 }, ''] });
  assert.deepEqual(media.map(({ frames }) => frames), [1, 2]);
});

test('a picture is known by its content, a video by its frames', async () => {
  const flamingo = await fresh();
  const encoded = async (media) => (await flamingo.caption(media)).stats.encoded;
  assert.equal(await encoded(picture(1)), 1);
  assert.equal(await encoded({ image: picture(1) }), 0, 'another bitmap of the same pixels');
  assert.equal(await encoded(picture(2)), 1);
  assert.equal(await encoded(picture(1, 4)), 1, 'the same shade, wider');
  assert.equal(await encoded({ video: [picture(1), picture(2)] }), 1);
  assert.equal(await encoded({ video: [picture(2), picture(1)] }), 1, 'another order');
  assert.equal(await encoded({ video: [picture(1), picture(2)] }), 0);
  assert.equal(await encoded({ video: [picture(1)] }), 1, 'a video of one frame is no picture');
  assert.ok(shades(last()).every((text) => text === `${'video 1 '.length + 64} 1`), shades(last()));
});

test('a file is decoded when the engine asks for it, and no other time', async (t) => {
  let decoded = 0;
  globalThis.createImageBitmap = async () => {
    decoded++;
    return Object.assign(picture(7), { close() {} });
  };
  t.after(() => delete globalThis.createImageBitmap);
  const flamingo = await fresh();
  const bytes = readFileSync(new URL('../../testdata/pictures/plain.png', import.meta.url));
  const run = () => flamingo.caption(new Blob([bytes]));
  assert.equal((await run()).stats.encoded, 1);
  assert.equal((await run()).stats.encoded, 0);
  assert.equal(decoded, 1);
  assert.deepEqual(page.asked, ['0.0 7 of 8']);
  await assert.rejects(flamingo.caption(new Blob([bytes.subarray(0, 900)])), { code: 'media-decode', message: /truncated/ });
  globalThis.createImageBitmap = async () => { throw new Error('no'); };
  const other = Buffer.concat([bytes, Buffer.from([0])]);
  await assert.rejects(flamingo.caption(new Blob([other])), { code: 'media-decode', message: /cannot decode this PNG/ });
  assert.equal((await run()).text, 'a b c', 'a known picture needs no decoder');
});

test('the frames of a video are read again when it is their turn, a picture is what it was', async () => {
  const flamingo = await fresh();
  const frames = [picture(1), picture(2)];
  const before = flamingo.caption(picture(9));
  const run = flamingo.prompt([{ video: frames }, { image: frames[0] }]);
  frames[0].width = 4; // as if it had been closed and were another now
  await before;
  await run;
  assert.deepEqual(page.asked.slice(1).map((line) => line.split(' of ')[1]), ['16', '8', '8']);
});

test('where nothing hashes each picture counts as new', async (t) => {
  const subtle = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true });
  t.after(() => Object.defineProperty(globalThis, 'crypto', subtle));
  const flamingo = await fresh();
  for (const encoded of [1, 1]) assert.equal((await flamingo.caption(picture(1))).stats.encoded, encoded);
});

test('scores come in the order asked, labels best first, with probabilities that add up', async () => {
  const flamingo = await fresh();
  const texts = ['aaa', 'a', 'aa'];
  assert.deepEqual((await flamingo.score(picture(), texts)).map(({ text, logProb }) => [text, logProb]), [['aaa', -3], ['a', -1], ['aa', -2]]);
  assert.deepEqual([last().task, last().texts], ['caption', texts]);
  for (const [normalise, of] of [['sum', ({ logProb }) => logProb], ['mean', ({ perToken }) => perToken]]) {
    const scores = await flamingo.score(picture(), texts, { normalise });
    const total = scores.reduce((sum, score) => sum + Math.exp(of(score)), 0);
    for (const score of scores) assert.ok(Math.abs(score.probability - Math.exp(of(score)) / total) < 1e-12);
  }
  const mean = await flamingo.classify(picture(), texts, { shots: [{ image: picture(1), text: 'a' }] });
  assert.deepEqual(mean.map(({ label }) => label), ['aaa', 'aa', 'a'], 'per token the longest is the likeliest here');
  assert.deepEqual([last().task, last().query, last().shots], ['classify', 1, [{ media: 0, text: 'a' }]]);
  const sum = await flamingo.classify(picture(), texts, { normalise: 'sum' });
  assert.deepEqual(sum.map(({ label }) => label), ['a', 'aa', 'aaa']);
  assert.deepEqual(Object.keys(sum[0]), ['label', 'logProb', 'probability']);
  await flamingo.score(['This is', { image: picture() }], ['a']);
  assert.deepEqual(last().parts, ['This is', { media: 0 }]);
});

test('a prompt is counted without a look at its pictures', async () => {
  const flamingo = await fresh({}, './asks');
  const shots = [{ image: './never-read.png', text: 'a cat', question: 'what is this?' }, { video: [picture(), picture()], text: 'a dog', question: 'and this?' }];
  assert.equal(await flamingo.count('ask', { question: 'and now?', shots }), 3);
  const { media, ...said } = last();
  assert.deepEqual(said, { task: 'ask', query: 2, question: 'and now?', shots: shots.map(({ text, question }, i) => ({ media: i, text, question })) });
  assert.deepEqual(media, [0, 1, 2].map((i) => ({ key: `${i}`, frames: 1 })));
  assert.equal(await flamingo.count(['See ', { image: picture() }]), 1);
  assert.deepEqual(last().parts, ['See ', { media: 0 }]);
  assert.equal(await flamingo.count('caption', { prompt: 'a photo of' }), 1);
  assert.deepEqual([last().prompt, page.asked.length], ['a photo of', 0]);
  await refused(() => flamingo.count('ask'), 'count: question', 'words');
});

test('what is wrong is refused before anything runs', async () => {
  const flamingo = await fresh({}, './asks');
  const good = { image: picture(), text: 'a cat' };
  const one = (...shots) => ({ shots });
  const rows = [
    [() => flamingo.caption({ image: picture(), video: [picture()] }), 'caption: media', 'an image and a video'],
    [() => flamingo.caption({ video: [] }), 'caption: media', 'without frames'],
    [() => flamingo.caption({ video: picture() }), 'video is an object', 'list'],
    [() => flamingo.caption({ video: [picture()], fps: 0 }), 'fps is 0', 'above 0'],
    [() => flamingo.caption({ image: picture(), fps: 2 }), 'unknown key "fps"', 'allowed: image'],
    [() => flamingo.caption(picture(), { shots: good }), '"shots"', 'a list of examples'],
    [() => flamingo.caption(picture(), one(good, {})), 'caption: shot 2', 'neither image nor video'],
    [() => flamingo.caption(picture(), one({ image: picture() })), 'shot 1: text is undefined', 'words'],
    [() => flamingo.caption(picture(), one({ ...good, text: ' ' })), 'shot 1: text is " "'],
    [() => flamingo.caption(picture(), one({ ...good, txet: 'x' })), 'shot 1', 'unknown key "txet"', 'image, text'],
    [() => flamingo.caption(picture(), one({ ...good, question: 'x' })), 'unknown key "question"'],
    [() => flamingo.ask(picture()), 'ask: question is ""'],
    [() => flamingo.ask(picture(), 4), 'ask: question is 4'],
    [() => flamingo.ask(picture(), 'what?', one(good)), 'ask: shot 1: question is undefined'],
    [() => flamingo.ask(picture(), 'what?', { prompt: 'x' }), 'ask', 'unknown option "prompt"'],
    [() => flamingo.prompt('words'), 'prompt: parts are "words"', 'list'],
    [() => flamingo.prompt([]), 'prompt: there are no parts'],
    [() => flamingo.prompt(['a', picture()]), 'prompt: part 2 is an object', '{image}'],
    [() => flamingo.prompt(['a', { image: picture(), text: 'b' }]), 'prompt: part 2', 'unknown key "text"'],
    [() => flamingo.prompt(['a'], { shots: [good] }), 'unknown option "shots"'],
    [() => flamingo.score(picture(), []), 'score: texts are', 'one or more'],
    [() => flamingo.score(picture(), ['a', '']), 'score: texts are'],
    [() => flamingo.classify(picture(), 'cat'), 'classify: labels are "cat"'],
    [() => flamingo.classify(picture(), ['a'], { normalise: 'max' }), '"normalise"', '"mean", "sum"'],
    [() => flamingo.score(['a'], ['a'], { shots: [good] }), 'score: "shots" with parts'],
    [() => flamingo.caption(picture(), { beams: 3, temperature: 1 }), '"beams" and "temperature" together'],
    [() => flamingo.caption(picture(), { beams: 3, repetitionPenalty: 1.2 }), '"beams" and "repetitionPenalty" together'],
    [() => flamingo.caption(picture(), { n: 2 }), '"n" without "beams"'],
    [() => flamingo.caption(picture(), { lengthPenalty: 1 }), '"lengthPenalty" without "beams"'],
    [() => flamingo.caption(picture(), { beams: 2, n: 3 }), '"n" is 3', '1 to as many as beams, 2'],
    [() => flamingo.prompt(['a'], { minTokens: 5, maxTokens: 4 }), 'prompt: "minTokens" is 5'],
  ];
  for (const [attempt, ...parts] of rows) await refused(attempt, ...parts);
  await refused((await fresh()).ask(picture(), 'what?'), 'no prompt template for questions');
  assert.deepEqual(page.requests, []);
  await flamingo.caption(picture(), { beams: 2, temperature: 0, topP: 1, repetitionPenalty: 1, seed: 0, n: 2, lengthPenalty: -1 });
});
