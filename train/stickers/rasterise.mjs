// Draws every sticker of every set once: node rasterise.mjs FOLDER
//
// FOLDER has the packages of package.json installed. Writes atlas.rgba into it, side x side RGBA pixels (not
// premultiplied) of each sticker, sets in order, concepts in order; and atlas.json, which says so. A
// drawing fills its box but for a margin of one pixel, so that a turned sticker keeps its edge.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SIDE, find, trimmed } from './drawing.mjs';

// The last is never trained on. Those with `some` lack concepts; a missing one is all zeros.
const SETS = [
  { name: 'noto' }, { name: 'twemoji' }, { name: 'fluent-emoji' }, { name: 'fluent-emoji-flat' }, { name: 'emojione' },
  { name: 'noto-v1', some: true }, { name: 'fluent-emoji-high-contrast', some: true },
  { name: 'emojione-monotone', some: true }, { name: 'openmoji' },
];

const folder = resolve(process.argv[2]);
const require = createRequire(join(folder, 'package.json'));
const sharp = require('sharp');
sharp.concurrency(1);

const icons = readFileSync(new URL('concepts.txt', import.meta.url), 'utf8').split('\n')
  .filter((line) => line && !line.startsWith('#')).map((line) => line.split('\t')[0]);

async function raster(icon) {
  const { data } = await trimmed(sharp, icon);
  return sharp(data).resize(SIDE - 2, SIDE - 2, { fit: 'contain', background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .extend({ top: 1, bottom: 1, left: 1, right: 1, background: { r: 0, g: 0, b: 0, alpha: 0 } }).raw().toBuffer();
}

const atlas = Buffer.alloc(SETS.length * icons.length * SIDE * SIDE * 4);
for (const [s, { name, some }] of SETS.entries()) {
  const set = require(`@iconify-json/${name}/icons.json`);
  let missing = 0;
  for (const [i, icon] of icons.entries()) {
    const found = find(set, icon);
    if (!found && !some) throw new Error(`rasterise: ${name} has no ${icon}: take it out of concepts.txt`);
    if (!found) { missing++; continue; }
    (await raster(found)).copy(atlas, (s * icons.length + i) * SIDE * SIDE * 4);
  }
  console.log(`${name}: ${icons.length - missing} of ${icons.length}`);
}
writeFileSync(join(folder, 'atlas.rgba'), atlas);
writeFileSync(join(folder, 'atlas.json'), JSON.stringify({ side: SIDE, sets: SETS.map((s) => s.name), icons }));
