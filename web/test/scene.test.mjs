// The sticker board's scene: what lies where, and what was before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawScene } from '../demo-grounds.js';
import { Past, aboutOne, change, groundWords, kept, landscapes, numbers, opening, patterns, place, put, remove, roomiest, sizes } from '../demo-scene.js';

const empty = { ground: opening.ground, stickers: [] };

test('stickers stay inside the picture, at sizes that the model knows', () => {
  const { x, y, size } = kept({ x: 1.4, y: -2, size: 9 });
  assert.equal(size, sizes.most);
  assert.ok(x + size / 2 < 1 && y - size / 2 > 0);
  assert.equal(kept({ x: 0.5, y: 0.5, size: 0 }).size, sizes.least);
});

test('a sticker is laid where there is room: first in the middle, then apart', () => {
  assert.deepEqual(roomiest(empty, 0.3), [0.5, 0.5]);
  let scene = empty;
  for (let i = 0; i < 5; i++) scene = put(scene, { name: 'dog', style: 0 });
  const gaps = scene.stickers.flatMap((a, i) => scene.stickers.slice(i + 1).map((b) => Math.hypot(a.x - b.x, a.y - b.y)));
  assert.ok(Math.min(...gaps) >= 0.28, `stickers are ${Math.min(...gaps)} apart`);
  assert.deepEqual(scene.stickers.map(({ id }) => id), [1, 2, 3, 4, 5]);
});

test('changing and removing leave the scene before as it was', () => {
  const moved = change(opening, 1, { x: 0.9 });
  assert.ok(moved.stickers[0].x > 0.7 && opening.stickers[0].x < 0.3);
  assert.deepEqual(remove(moved, 1).stickers.map(({ name }) => name), ['balloon']);
  assert.equal(put(remove(opening, 1), { name: 'owl' }).stickers.at(-1).id, 3);
});

test('places have the words of captions', () => {
  const said = [[0.1, 0.1], [0.5, 0.1], [0.9, 0.5], [0.5, 0.5], [0.1, 0.9], [0.5, 0.9], [0.35, 0.5], [0.36, 0.64]].map(([x, y]) => place({ x, y }));
  assert.deepEqual(said, ['in the top left', 'at the top', 'on the right', 'in the middle', 'in the bottom left', 'at the bottom', 'on the left', 'at the bottom']);
  assert.equal(groundWords(opening.ground), 'on a plain yellow background');
  assert.equal(groundWords({ kind: 'on a beach', colour: 'red' }), 'on a beach');
});

test('a gesture is one step back, and so is a change without one', () => {
  const past = new Past(opening);
  for (const x of [0.3, 0.4, 0.5]) past.become(change(past.now, 1, { x }), 7);
  past.become(remove(past.now, 2));
  past.undo();
  assert.equal(past.now.stickers.length, 2);
  assert.equal(past.now.stickers[0].x, 0.5);
  past.undo();
  assert.equal(past.now, opening);
  assert.equal(past.undoable, false);
  past.undo();
  assert.equal(past.now, opening);
});

test('a scene about one thing is repeatable, and varies', () => {
  const make = (seed) => aboutOne('owl', 2, ['red', 'blue'], numbers(seed));
  assert.deepEqual(make(3), make(3));
  const many = Array.from({ length: 60 }, (_, i) => make(i));
  assert.ok(new Set(many.map(({ ground }) => ground.kind)).size > 6);
  for (const { stickers: [one] } of many) assert.deepEqual(kept(one), one);
  const all = Array.from({ length: 1000 }, numbers(5));
  assert.ok(all.every((value) => value >= 0 && value < 1) && Math.abs(all.reduce((a, b) => a + b) / 1000 - 0.5) < 0.05);
});

// A context that takes down what is drawn.
function paper() {
  const done = [];
  const note = (name) => (...values) => void done.push([name, ...values]);
  const shade = { addColorStop: note('stop') };
  const context = { done, createLinearGradient: () => shade, createImageData: (width, height) => ({ data: new Uint8ClampedArray(4 * width * height) }) };
  for (const name of ['putImageData', 'fillRect', 'beginPath', 'lineTo', 'fill', 'arc', 'ellipse', 'stroke', 'save', 'restore', 'translate', 'rotate', 'drawImage']) context[name] = note(name);
  return context;
}

test('every ground can be drawn, with numbers all through', () => {
  for (const kind of [...patterns, ...landscapes]) {
    const context = paper();
    drawScene(context, { ground: { kind, colour: 'blue', seed: 2 }, stickers: [] }, 32, () => 'none');
    assert.ok(context.done.length, kind);
    for (const [, ...values] of context.done) for (const value of values) if (typeof value === 'number') assert.ok(Number.isFinite(value), `${kind}: ${value}`);
  }
});

test('patterns have the colour that they are called by, and a second tone', () => {
  for (const kind of patterns) {
    const context = paper();
    drawScene(context, { ground: { kind, colour: 'yellow', seed: 2 }, stickers: [] }, 64, () => 'none');
    const { data } = context.done[0][1];
    const reds = Array.from({ length: 64 * 64 }, (_, i) => data[4 * i]);
    assert.ok(Math.abs(Math.max(...reds) - 245) < 3, kind);
    assert.equal(Math.min(...reds) < 220, kind !== 'plain', kind);
  }
});

test('stickers are drawn at their place, turned, in proportion to the picture', () => {
  const context = paper();
  drawScene(context, { ...opening, stickers: [{ ...opening.stickers[0], turn: 0.2 }] }, 100, ({ name }) => name);
  assert.deepEqual(context.done.filter(([name]) => ['translate', 'rotate', 'drawImage'].includes(name)),
    [['translate', 28.000000000000004, 52], ['rotate', 0.2], ['drawImage', 'dog', -17, -17, 34, 34]]);
});
