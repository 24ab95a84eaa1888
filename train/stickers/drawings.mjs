// Writes the drawings that the page's sticker board has: node drawings.mjs FOLDER FILE
//
// FOLDER is that of rasterise.mjs. Each drawing is an SVG whose view is what rasterise.mjs fills a sticker's box with, so
// that a sticker on the board has the size of one in training. Only sets whose licence lets the page have them.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SIDE, find, svg, trimmed } from './drawing.mjs';

const SETS = [
  { name: 'noto', by: 'Noto Emoji', licence: 'Apache-2.0' },
  { name: 'fluent-emoji-flat', by: 'Fluent Emoji', licence: 'MIT' },
];
const SHOWN = `dog cat rabbit fox lion bear panda monkey elephant horse cow ox pig penguin owl duck frog turtle octopus crab
  fish whale snail butterfly honeybee cactus palm-tree evergreen-tree sunflower mushroom red-apple banana strawberry
  avocado carrot pizza doughnut soft-ice-cream birthday-cake hot-beverage balloon wrapped-gift umbrella crown key guitar
  soccer-ball house rocket automobile bicycle sailboat airplane anchor ghost snowman`.split(/\s+/);

const [folder, file] = process.argv.slice(2).map((path) => resolve(path));
const require = createRequire(join(folder, 'package.json'));
const sharp = require('sharp');
sharp.concurrency(1);

const words = new Map(readFileSync(new URL('concepts.txt', import.meta.url), 'utf8').split('\n')
  .filter((line) => line && !line.startsWith('#')).map((line) => line.split('\t')).map(([icon, ...said]) => [icon, said]));
const sets = SETS.map(({ name }) => require(`@iconify-json/${name}/icons.json`));

/** The whole drawing as an SVG whose view is the tight square, with the margin of one pixel of SIDE. */
async function drawing(icon) {
  const { x, y, side } = icon.square;
  const { info } = await trimmed(sharp, icon);
  const scale = side / 256, box = Math.max(info.width, info.height) * scale * (SIDE / (SIDE - 2));
  const middle = (offset, length, from) => from + (-offset + length / 2) * scale;
  const left = middle(info.trimOffsetLeft, info.width, x) - box / 2, top = middle(info.trimOffsetTop, info.height, y) - box / 2;
  return svg(icon, [left, top, box, box].map((v) => Number(v.toFixed(2))).join(' '), 128);
}

const stickers = [];
for (const name of SHOWN) {
  if (!words.has(name)) throw new Error(`drawings: ${name} is no concept of concepts.txt`);
  const [one, several] = words.get(name);
  stickers.push({ name, one, several, drawings: await Promise.all(sets.map((set) => drawing(find(set, name)))) });
}
const rows = stickers.map((sticker) => JSON.stringify(sticker)).join(',\n');
writeFileSync(file, `{"sets": ${JSON.stringify(SETS.map(({ by, licence }) => ({ by, licence })))},\n"stickers": [\n${rows}\n]}\n`);
