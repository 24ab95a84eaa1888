// Examples and their likeness: all of it that needs no database. e2e has the rest.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readArchive, writeArchive } from '../archive.js';
import { pack, permutations, rank } from '../rank.js';
import { behind } from '../request.js';
import { fresh, page, picture, refused } from './page.mjs';

const png = readFileSync(new URL('../../testdata/pictures/plain.png', import.meta.url));
const jpeg = readFileSync(new URL('../../testdata/pictures/exif6.jpg', import.meta.url));

test('the nearest come most similar last, those without a question only where none is needed', () => {
  const rows = [[1, 0], [0.8, 0.6], [0, 1], [-1, 0], [0.8, 0.6]].map((vector, i) => ({ id: 10 + i, asks: i % 2 === 0, vector }));
  const packed = pack(rows, 2);
  const near = (n, asking) => rank(packed, new Float32Array([1, 0]), n, asking).map(({ id }) => id);
  assert.deepEqual(near(3), [11, 14, 10], 'of equals the older comes first');
  assert.deepEqual(near(9), [13, 12, 11, 14, 10], 'fewer than n are all');
  assert.deepEqual(near(2, true), [14, 10]);
  assert.ok(Math.abs(rank(packed, new Float32Array([1, 0]), 2)[0].similarity - 0.8) < 1e-6);
  assert.deepEqual(rank(pack([], 2), new Float32Array([1, 0]), 4), []);
});

test('orders are all different, the given one first, and those of a seed are the same each time', () => {
  for (const [n, k, want] of [[0, 6, 1], [1, 6, 1], [2, 6, 2], [3, 6, 6], [3, 1000, 6], [5, 120, 120], [8, 6, 6], [32, 6, 6]]) {
    const list = permutations(n, k, 7);
    assert.equal(list.length, want, `${k} of ${n}`);
    assert.deepEqual(list[0], Array.from({ length: n }, (_, i) => i));
    assert.equal(new Set(list.map(String)).size, want);
    for (const order of list) assert.deepEqual([...order].sort((a, b) => a - b), list[0]);
  }
  assert.deepEqual(permutations(8, 6, 7), permutations(8, 6, 7));
  assert.notDeepEqual(permutations(8, 6, 7), permutations(8, 6, 8));
  assert.deepEqual(permutations(8, 6), permutations(8, 6, 0));
});

test('found examples come before those that are given', () => {
  const request = { task: 'ask', question: 'what?', query: 1, shots: [{ media: 0, text: 'given', question: 'q' }] };
  const found = [{ id: 1, text: 'far', question: 'a' }, { id: 2, text: 'near', question: 'b', similarity: 1 }];
  assert.deepEqual(behind(found, request), {
    task: 'ask', question: 'what?', query: 3,
    shots: [{ media: 0, text: 'far', question: 'a' }, { media: 1, text: 'near', question: 'b' }, { media: 2, text: 'given', question: 'q' }],
  });
  const { shots } = behind(found, { task: 'caption', query: 0, shots: [] });
  assert.deepEqual(shots, [{ media: 0, text: 'far' }, { media: 1, text: 'near' }], 'a caption has no place for questions');
});

test('embed gives a vector of its own, and looks at a picture once', async () => {
  const flamingo = await fresh();
  const first = await flamingo.embed(picture(5));
  assert.deepEqual(first, new Float32Array([0.5, 1 / 3]));
  first[0] = 9;
  assert.deepEqual(await flamingo.embed({ image: picture(5) }), new Float32Array([0.5, 1 / 3]));
  await flamingo.embed(picture(6));
  assert.equal(page.log.filter((line) => line === 'embed').length, 2);
  await assert.rejects(flamingo.embed(picture(7), { signal: AbortSignal.abort() }), { code: 'aborted' });
  await refused(flamingo.embed(picture(5), { n: 3 }), 'embed: unknown option "n"');
  await refused(flamingo.embed({ video: [] }), 'embed: media');
});

test('scores over orders of the examples are means', async () => {
  const flamingo = await fresh();
  const shots = [1, 2, 3].map((n) => ({ image: picture(n), text: `${n}` }));
  const plain = await flamingo.score(picture(9), ['aa', 'b'], { shots });
  assert.equal(page.requests.length, 1);
  const mean = await flamingo.score(picture(9), ['aa', 'b'], { shots, orders: 4, seed: 3 });
  assert.deepEqual(mean, plain, 'the fake scores by the texts alone');
  const orders = page.requests.slice(1).map((request) => request.shots.map(({ media, text }) => `${media}${text}`).join());
  assert.equal(orders[0], '01,12,23');
  assert.equal(new Set(orders).size, 4);
  assert.ok(page.requests.every((request) => !('orders' in request) && !('seed' in request)));
  await flamingo.classify(picture(9), ['aa', 'b'], { shots: shots.slice(0, 2), orders: 6 });
  assert.equal(page.requests.length, 1 + 4 + 2, 'two examples have two orders');
});

test('a mean is one of log-probabilities', async () => {
  const scores = [[-1, -2], [-3, -6]];
  let turn = 0;
  const { averaged } = await import('../rank.js');
  const got = await averaged({ shots: ['a', 'b'] }, { most: 2 }, async ({ shots }) => {
    const of = scores[turn++];
    return [{ text: shots.join(''), logProb: of[0] + of[1], perToken: (of[0] + of[1]) / 2, tokens: of.map((logProb, id) => ({ id, logProb })) }];
  });
  assert.deepEqual(got, [{ text: 'ab', logProb: -6, perToken: -3, tokens: [{ id: 0, logProb: -2 }, { id: 1, logProb: -4 }] }]);
});

test('what cannot be retrieved or put in order is refused before anything runs', async () => {
  const flamingo = await fresh({}, './asks');
  const shots = [{ image: picture(1), text: 'a' }];
  const from = flamingo.examples('birds');
  const rows = [
    [() => flamingo.caption(picture(), { retrieve: 4 }), 'caption: option "retrieve" is 4', '{from, n}'],
    [() => flamingo.caption(picture(), { retrieve: { from: 'store' } }), '"retrieve"', 'from 1 to 32'],
    [() => flamingo.caption(picture(), { retrieve: { from: 'store', n: 33 } }), '"retrieve"'],
    [() => flamingo.caption(picture(), { retrieve: { from: {}, n: 3 } }), '"retrieve"'],
    [() => flamingo.ask(picture(), 'what?', { retrieve: { from, n: 3, most: 2 } }), '"retrieve"'],
    [() => flamingo.prompt(['a'], { retrieve: { from, n: 3 } }), 'prompt: unknown option "retrieve"'],
    [() => flamingo.score([{ image: picture() }], ['a'], { retrieve: { from, n: 3 } }), 'score: "retrieve" with parts'],
    [() => flamingo.score(picture(), ['a'], { orders: 6 }), 'score: "orders" without "shots"'],
    [() => flamingo.classify(picture(), ['a'], { shots, seed: 6 }), 'classify: "seed" without "orders"'],
    [() => flamingo.classify(picture(), ['a'], { shots, orders: 0 }), '"orders" is 0', 'from 1'],
    [() => flamingo.caption(picture(), { shots, orders: 2 }), 'caption: unknown option "orders"'],
    [() => flamingo.examples(''), 'examples: the name is ""'],
    [() => from.add({ image: picture() }), 'examples.add: shot 1: text is undefined'],
    [() => from.add([shots[0], { video: [picture()], text: 'a' }]), 'examples.add: shot 2: a video'],
    [() => from.add(shots[0], { name: 'x' }), 'examples.add: unknown option "name"'],
    [() => from.add('a'), 'examples.add: shot 1 is "a"'],
    [() => from.nearest(picture(), 0), 'examples.nearest: n is 0'],
    [() => from.remove('a'), 'examples.remove: an id is "a"'],
    [() => from.import('a'), 'examples.import: the file is "a"'],
  ];
  for (const [attempt, ...parts] of rows) await refused(attempt, ...parts);
  assert.deepEqual(page.requests, []);
  assert.equal(flamingo.examples('store'), flamingo.examples());
  assert.equal(flamingo.examples('birds'), from);
});

const blob = (bytes, type) => new Blob([bytes], { type });
const kept = () => [
  { text: 'plain', image: blob(png, 'image/png'), model: 'm', vector: new Float32Array([0.6, 0.8]) },
  { text: '', question: 'what ✓?', image: blob(jpeg, 'image/jpeg'), model: 'other', vector: new Float32Array([1]) },
].map((one) => ({ ...one, text: one.text || 'a "line"\n' }));
const all = async (file) => {
  const list = [];
  for await (const one of readArchive(file)) list.push(one);
  return list;
};

test('what a file of examples holds is what was written', async () => {
  assert.deepEqual(await all(writeArchive([])), []);
  const list = await all(writeArchive(kept()));
  for (const [i, want] of kept().entries()) {
    const { image, ...rest } = list[i];
    const { image: shown, ...said } = want;
    assert.deepEqual({ question: undefined, ...rest }, { question: undefined, ...said });
    assert.equal(image.type, shown.type);
    assert.deepEqual(await image.arrayBuffer(), await shown.arrayBuffer());
  }
});

test('a file of examples is believed in nothing', async () => {
  const file = new Uint8Array(await writeArchive(kept()).arrayBuffer());
  const made = (change) => {
    const list = kept();
    change(list[1]);
    return writeArchive(list);
  };
  const index = (change) => {
    const text = new TextEncoder().encode(change);
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, text.length, true);
    return new Blob(['flamingo-examples/1\n', head, text]);
  };
  const entry = { text: 'a', type: 'image/png', bytes: 1, model: '', length: 1 };
  const one = (more) => index(JSON.stringify([{ ...entry, ...more }]));
  const rows = [
    [new Blob([]), 'no file of examples'],
    [blob(png), 'no file of examples'],
    [new Blob(['flamingo-examples/2\n', new Uint8Array(9)]), 'no file of examples'],
    [new Blob(['flamingo-examples/1\n', new Uint8Array(4).fill(255)]), 'index is longer'],
    [index('{'), 'index is not JSON'],
    [new Blob(['flamingo-examples/1\n', new Uint8Array([1, 0, 0, 0, 255])]), 'index is not JSON'],
    [index('{"length":3}'), 'want a list'],
    [index('[null]'), 'example 1 is null'],
    [one({ __proto__: null, toString: 1 }), 'unknown key "toString"'],
    [one({ text: ' ' }), 'text is " "'],
    [one({ question: 3 }), 'question is 3'],
    [one({ type: 'image/svg+xml' }), 'type is "image/svg+xml"'],
    [one({ bytes: -1 }), 'bytes is -1'],
    [one({ bytes: 2 ** 24 + 1 }), 'bytes is 16777217'],
    [one({ length: 1e9 }), 'length is 1000000000'],
    [one({ length: 0.5 }), 'length is 0.5'],
    [one({ model: 7 }), 'model is 7'],
    [one({}), 'want'],
    [new Blob([file, 'x']), `has ${file.length + 1} bytes, want ${file.length}`],
    [new Blob([file.subarray(0, file.length - 1)]), 'bytes, want'],
    [made((x) => (x.vector = new Float32Array([NaN]))), 'example 2: its vector'],
    [made((x) => (x.vector = new Float32Array([1, 0.1]))), 'example 2: its vector is longer than 1'],
    [made((x) => (x.image = blob('not a picture at all', 'image/png'))), 'example 2: media: the file is not a picture'],
    [made((x) => (x.image = blob(png, 'image/jpeg'))), 'its picture is image/png, want image/jpeg'],
  ];
  for (const [file, want] of rows) await refused(all(file), 'examples.import', want);
  for (let length = 0; length < file.length; length += 97) await refused(all(new Blob([file.subarray(0, length)])), 'examples.import');
});
