// Examples: a store of pictures with what is to be said of them, and the search for those that are like a new picture.
import { readArchive, writeArchive } from './archive.js';
import { FlamingoError, asFlamingoError, throwIfAborted } from './errors.js';
import { openPicture } from './media.js';
import { checkOptions, refuse, show } from './options.js';
import { pack, rank } from './rank.js';
import { shotOf } from './request.js';
import * as shelf from './shelf.js';

// Drawings and small pictures stay as they are, photographs become JPEG.
const maxPNGBytes = 48 * 1024;
const minSide = 256;

// How many vectors are stored at once when all are made anew: what an abort loses.
const step = 16;

const within = (where, thrown) => {
  const { code, message, hint } = asFlamingoError(thrown);
  return new FlamingoError(code, code === 'aborted' ? message : `${where}: ${message}`, { hint, cause: thrown });
};

// search(examples, see, n, {asking, embed, signal}) is nearest() for a picture that see() gives the vector of.
export let search;
export let nameOf;

export class Examples {
  #name;
  #model;
  #side;
  #length;
  #embed;
  #held; // {token, packed}: what the last search read

  static {
    search = (examples, ...rest) => examples.#search(...rest);
    nameOf = (examples) => examples.#name;
  }

  // embed(picture, signal) gives a vector of `length` numbers of the model `revision`, whose pictures have imageSize a side.
  constructor(name, { revision = '', embedding, imageSize = 0 }, embed) {
    this.#name = name;
    this.#model = revision;
    this.#length = embedding;
    this.#side = Math.max(minSide, imageSize);
    this.#embed = embed;
  }

  async add(shots, options) {
    const { signal } = checkOptions('examples.add', options);
    const list = (Array.isArray(shots) ? shots : [shots]).map((shot, i) => shotOf(`examples.add: shot ${i + 1}`, shot));
    const ids = [];
    for (const [i, { image, text, question }] of list.entries()) {
      try {
        const picture = await thumbnail(image, this.#side, signal);
        const hash = await hashOf(picture, text, question);
        let id = await shelf.known(this.#name, hash);
        if (id === undefined) {
          const vector = await this.#embed(picture, signal);
          throwIfAborted(signal);
          [id] = (await shelf.put(this.#name, [{ hash, text, question, image: picture, model: this.#model, vector }])).ids;
        }
        ids.push(id);
      } catch (error) {
        throw within(`examples.add: shot ${i + 1}`, error);
      }
    }
    return ids;
  }

  list() {
    return shelf.list(this.#name);
  }

  size() {
    return shelf.size(this.#name);
  }

  async remove(...ids) {
    const bad = ids.find((id) => !Number.isInteger(id));
    if (bad !== undefined) throw refuse(`examples.remove: an id is ${show(bad)}, want a whole number`, 'Pass ids that add() or list() gave.');
    await shelf.remove(this.#name, ids);
  }

  async clear() {
    await shelf.remove(this.#name);
  }

  async nearest(media, n, options) {
    const { signal } = checkOptions('examples.nearest', options);
    if (!(Number.isInteger(n) && n >= 1)) throw refuse(`examples.nearest: n is ${show(n)}, want a whole number from 1 up`, 'Say how many: nearest(file, 4).');
    return this.#search(() => this.#embed(media, signal), n, { embed: this.#embed, signal });
  }

  async export() {
    return writeArchive(await shelf.everything(this.#name));
  }

  async import(file, options) {
    const { signal } = checkOptions('examples.import', options);
    const list = [];
    for await (const example of readArchive(file)) {
      throwIfAborted(signal);
      try {
        // Found out later it would spoil every prompt that it is near to.
        (await createImageBitmap(example.image)).close();
      } catch (cause) {
        throw refuse(`examples.import: example ${list.length + 1}: the browser cannot decode its picture: ${cause.message}`, 'Export the examples again.');
      }
      list.push({ ...example, hash: await hashOf(example.image, example.text, example.question) });
    }
    throwIfAborted(signal);
    return (await shelf.put(this.#name, list)).added;
  }

  async #search(see, n, { asking, embed, signal }) {
    // A picture that is embedded last need not be encoded again by the prompt about it, so the others come first.
    const packed = await this.#current(embed, signal);
    const vector = await see();
    throwIfAborted(signal);
    const near = rank(packed, vector, n, asking);
    const found = await shelf.take(this.#name, near.map(({ id }) => id));
    return found.map((example) => ({ ...example, similarity: near.find(({ id }) => id === example.id).similarity }));
  }

  // #current gives all vectors, of this model: those of another are made anew, some at a time.
  async #current(embed, signal) {
    const token = await shelf.token(this.#name);
    if (token !== undefined && token === this.#held?.token) return this.#held.packed;
    const read = await shelf.rows(this.#name);
    const old = read.rows.filter(({ model, vector }) => model !== this.#model || vector.length !== this.#length);
    for (let at = 0; at < old.length; at += step) {
      const some = old.slice(at, at + step);
      for (const row of some) {
        throwIfAborted(signal);
        const [example] = await shelf.take(this.#name, [row.id]);
        try {
          if (example) Object.assign(row, { model: this.#model, vector: await embed(example.image, signal) });
        } catch (error) {
          throw within(`examples: example ${row.id}`, error);
        }
      }
      await shelf.update(this.#name, some);
    }
    const packed = pack(read.rows.filter(({ model }) => model === this.#model), this.#length);
    this.#held = { token: read.token, packed };
    return packed;
  }
}

// thumbnail is the picture as the store keeps it: straight, on white, without what a camera wrote into the file, and no
// side longer than `side`.
async function thumbnail(media, side, signal) {
  const { read } = await openPicture(media, { signal });
  const { data, width, height } = await read(signal);
  const scale = side / Math.max(width, height);
  const [w, h] = [width, height].map((n) => (scale < 1 ? Math.max(1, Math.round(n * scale)) : n));
  const bitmap = await createImageBitmap(new ImageData(data, width, height),
    scale < 1 ? { resizeWidth: w, resizeHeight: h, resizeQuality: 'high' } : {});
  const canvas = new OffscreenCanvas(w, h);
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
  const png = await canvas.convertToBlob({ type: 'image/png' });
  return png.size <= maxPNGBytes ? png : canvas.convertToBlob({ type: 'image/jpeg', quality: 0.92 });
}

// Outside of secure contexts nothing hashes: there each example counts as a new one.
async function hashOf(image, text, question) {
  const content = await new Blob([image, JSON.stringify([text, question])]).arrayBuffer();
  return globalThis.crypto?.subtle?.digest('SHA-256', content) ?? crypto.getRandomValues(new Uint8Array(32)).buffer;
}
