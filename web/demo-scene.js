// The scene on the sticker board: which stickers lie where on which ground. Facts alone, and what can be done with them.
// Lengths are fractions of the picture's side, y grows downwards, turns are radians; as in train/stickers/scenes.py.

export const patterns = ['plain', 'shaded', 'striped', 'dotted', 'checked'];
export const landscapes = [
  'in a meadow', 'on a beach', 'in a desert', 'in the snow', 'under a night sky', 'on the sea', 'in the mountains', 'on a road',
];
export const sizes = { least: 0.2, usual: 0.3, most: 0.6 };
export const known = 5; // as many stickers as the model has seen in a picture

const margin = 0.01;
const singles = [[0.22, 0.3], [0.44, 0.58]]; // small and large
const bands = [[0.13, 0.26], [0.46, 0.54], [0.74, 0.87]];

export const opening = {
  ground: { kind: 'plain', colour: 'yellow', seed: 1 },
  stickers: [
    { id: 1, name: 'dog', style: 0, x: 0.28, y: 0.52, size: 0.34, turn: 0 },
    { id: 2, name: 'balloon', style: 0, x: 0.72, y: 0.5, size: 0.34, turn: 0 },
  ],
};

// numbers gives random numbers from 0 to 1, the same ones for the same seed.
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const between = (random, [low, high]) => low + (high - low) * random();
export const oneOf = (random, list) => list[Math.floor(random() * list.length)];

// kept is a sticker of a size that the model knows, wholly inside the picture.
export function kept(sticker) {
  const size = clamp(sticker.size, sizes.least, sizes.most);
  const edge = size / 2 + margin;
  return { ...sticker, size, x: clamp(sticker.x, edge, 1 - edge), y: clamp(sticker.y, edge, 1 - edge) };
}

// roomiest is where a sticker of a size has the most room, nearest to the middle among equals.
export function roomiest({ stickers }, size) {
  const edge = size / 2 + margin;
  const steps = [0.5, 0.25, 0.75, 0, 1].map((share) => edge + share * (1 - 2 * edge));
  const room = ([x, y]) => Math.min(1, ...stickers.map((other) => Math.hypot(x - other.x, y - other.y) - other.size / 2));
  const spots = steps.flatMap((y) => steps.map((x) => [x, y]));
  return spots.reduce((best, spot) => (room(spot) > room(best) + 1e-9 ? spot : best));
}

// put lays a sticker on top, where there is room unless it says where.
export function put(scene, sticker) {
  const size = sticker.size ?? sizes.usual;
  const [x, y] = roomiest(scene, size);
  const id = Math.max(0, ...scene.stickers.map((other) => other.id)) + 1;
  return { ...scene, stickers: [...scene.stickers, kept({ x, y, turn: 0, ...sticker, size, id })] };
}

export const change = (scene, id, now) => ({
  ...scene, stickers: scene.stickers.map((sticker) => (sticker.id === id ? kept({ ...sticker, ...now }) : sticker)),
});

export const remove = (scene, id) => ({ ...scene, stickers: scene.stickers.filter((sticker) => sticker.id !== id) });

// aboutOne is a scene of one sticker, all else drawn by chance as in training.
export function aboutOne(name, styles, colours, random) {
  const ground = { kind: oneOf(random, random() < 1 / 6 ? landscapes : patterns), colour: oneOf(random, colours), seed: Math.floor(random() * 1e9) };
  const sticker = {
    name, style: Math.floor(random() * styles), size: between(random, oneOf(random, singles)),
    x: between(random, oneOf(random, bands)), y: between(random, oneOf(random, bands)), turn: between(random, [-0.3, 0.3]),
  };
  return put({ ground, stickers: [] }, sticker);
}

// groundWords says what is behind the stickers: "on a striped blue background", "on a beach".
export const groundWords = ({ kind, colour }) => (landscapes.includes(kind) ? kind : `on a ${kind} ${colour} background`);

// place says where a sticker is: "in the top left", "in the middle".
export function place({ x, y }) {
  const third = (value) => (value < 0.36 ? 0 : value < 0.64 ? 1 : 2);
  const row = ['top', '', 'bottom'][third(y)];
  const column = ['left', '', 'right'][third(x)];
  if (!row && !column) return 'in the middle';
  if (!column) return `at the ${row}`;
  return row ? `in the ${row} ${column}` : `on the ${column}`;
}

// Past keeps the scenes before this one.
export class Past {
  #before = [];

  constructor(now) {
    this.now = now;
  }

  get undoable() {
    return this.#before.length > 0;
  }

  // become makes a scene the present one. What belongs to the gesture that made the present one replaces it.
  become(scene, gesture) {
    if (!gesture || gesture !== this.gesture) this.#before.push(this.now);
    if (this.#before.length > 100) this.#before.shift();
    this.gesture = gesture;
    this.now = scene;
  }

  undo() {
    this.now = this.#before.pop() ?? this.now;
    this.gesture = undefined;
  }
}
