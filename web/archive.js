// The file of examples: "flamingo-examples/1\n", the length of an index as 4 bytes, little endian, the index as JSON, and
// for each of its entries {text, question?, type, bytes, model, length} the vector, `length` 32-bit floats, and the picture.
import { refuse, show } from './options.js';
import { sniff } from './sniff.js';

const magic = 'flamingo-examples/1\n';
const headBytes = magic.length + 4;
const maxIndexBytes = 2 ** 26;
const maxPictureBytes = 2 ** 24;
const maxSide = 4096;

const words = (value) => typeof value === 'string' && value.trim() !== '';
const upTo = (most) => (value) => Number.isInteger(value) && value >= 1 && value <= most;
const fields = {
  text: [words, 'words'],
  question: [(value) => value === undefined || words(value), 'words, or nothing'],
  type: [(value) => value === 'image/png' || value === 'image/jpeg', '"image/png" or "image/jpeg"'],
  bytes: [upTo(maxPictureBytes), `a whole number from 1 to ${maxPictureBytes}`],
  model: [(value) => typeof value === 'string' && value.length <= 256, 'at most 256 characters'],
  length: [upTo(2 ** 16), `a whole number from 1 to ${2 ** 16}`],
};

const wrong = (what) => refuse(`examples.import: ${what}`, 'Choose a file that examples.export() made; it may be damaged or cut off.');

// writeArchive is the file, a Blob, of {text, question, image, model, vector}. Pictures are read when the file is.
export function writeArchive(examples) {
  const index = new TextEncoder().encode(JSON.stringify(examples.map(({ text, question, image, model, vector }) =>
    ({ text, question, type: image.type, bytes: image.size, model, length: vector.length }))));
  const head = new DataView(new ArrayBuffer(4));
  head.setUint32(0, index.length, true);
  return new Blob([magic, head, index, ...examples.flatMap(({ vector, image }) => [vector, image])], { type: 'application/octet-stream' });
}

// readArchive yields what a file holds, example by example. That all of the file is as it should be is known at its end.
export async function* readArchive(file) {
  if (!(file instanceof Blob)) throw refuse(`examples.import: the file is ${show(file)}, want a File or Blob`, 'Pass what examples.export() gave.');
  const piece = async (from, to) => {
    try {
      return await file.slice(from, to).arrayBuffer();
    } catch (cause) {
      throw wrong(`the file could not be read: ${cause.message}`);
    }
  };
  const head = await piece(0, headBytes);
  if (head.byteLength < headBytes || new TextDecoder().decode(head.slice(0, magic.length)) !== magic) throw wrong('this is no file of examples');
  const end = headBytes + new DataView(head).getUint32(magic.length, true);
  if (end > Math.min(file.size, headBytes + maxIndexBytes)) throw wrong('its index is longer than the file, or than 64 MiB');
  const index = parse(await piece(headBytes, end));
  const size = index.reduce((sum, { length, bytes }) => sum + 4 * length + bytes, end);
  if (size !== file.size) throw wrong(`the file has ${file.size} bytes, want ${size}`);
  let at = end;
  for (const [i, { length, bytes, type, text, question, model }] of index.entries()) {
    const data = await piece(at, (at += 4 * length + bytes));
    const vector = new Float32Array(data, 0, length).slice();
    // A longer one would be nearer than all others to everything.
    if (!(Math.hypot(...chunked(vector)) <= 1.001)) throw wrong(`example ${i + 1}: its vector is longer than 1, or not of numbers`);
    const picture = new Uint8Array(data, 4 * length);
    yield { text, question, model, vector, image: check(i, picture, type) };
  }
}

// chunked are the lengths of pieces of a vector, since a call takes only so many arguments.
function* chunked(vector) {
  for (let at = 0; at < vector.length; at += 1024) yield Math.hypot(...vector.subarray(at, at + 1024));
}

function parse(bytes) {
  let index;
  try {
    index = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw wrong(`its index is not JSON: ${cause.message}`);
  }
  if (!Array.isArray(index)) throw wrong(`its index is ${show(index)}, want a list`);
  for (const [i, entry] of index.entries()) {
    const where = `example ${i + 1}`;
    if (typeof entry !== 'object' || entry === null) throw wrong(`${where} is ${show(entry)}, want an object`);
    const unknown = Object.keys(entry).find((key) => !Object.hasOwn(fields, key));
    if (unknown !== undefined) throw wrong(`${where}: unknown key ${show(unknown)}`);
    for (const [key, [test, want]] of Object.entries(fields)) {
      if (!test(entry[key])) throw wrong(`${where}: ${key} is ${show(entry[key])}, want ${want}`);
    }
  }
  return index;
}

function check(i, bytes, want) {
  let seen;
  try {
    seen = sniff(bytes);
  } catch (error) {
    throw wrong(`example ${i + 1}: ${error.message}`);
  }
  const { type, width, height } = seen;
  if (type !== want) throw wrong(`example ${i + 1}: its picture is ${type}, want ${want}`);
  if (Math.max(width, height) > maxSide) throw wrong(`example ${i + 1}: its picture has ${width} x ${height} pixels, want at most ${maxSide} a side`);
  return new Blob([bytes], { type });
}
