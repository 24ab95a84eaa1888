// sniff reads what a picture file says about itself, before any decoder sees it: kind, size in pixels, and whether the
// file is complete. A decoder given a 55 KB file that claims 16384 x 16384 pixels takes seconds and a gigabyte.
import { FlamingoError } from './errors.js';

export const maxPixels = 64_000_000;

export const mediaError = (what, hint, cause) => new FlamingoError('media-decode', `media: ${what}`, { hint, cause });

const convert = 'Save the picture as PNG, JPEG or WebP and try again.';
const again = 'The file was cut short: save or download it again.';

// checkPixels refuses a size that no decoder should be asked for.
export function checkPixels(width, height) {
  if (!(width > 0 && height > 0)) throw mediaError(`the picture is ${width} x ${height} pixels, want at least 1 x 1`, convert);
  if (width * height > maxPixels) {
    const megapixels = Math.round((width * height) / 1e6).toLocaleString('en-US');
    throw mediaError(`${width} x ${height} is ${megapixels} megapixels; at most ${maxPixels / 1e6}`, 'Scale the picture down and try again.');
  }
}

const ascii = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

// reader gives bounds-checked numbers: a header that ends early is a truncated file, never an exception of DataView.
function reader(bytes, kind) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (at, n) => {
    if (at < 0 || at + n > bytes.length) throw truncated(kind);
  };
  return {
    u8: (at) => (need(at, 1), view.getUint8(at)),
    u16: (at) => (need(at, 2), view.getUint16(at)),
    u16le: (at) => (need(at, 2), view.getUint16(at, true)),
    u24le: (at) => (need(at, 3), view.getUint16(at, true) | (view.getUint8(at + 2) << 16)),
    u32: (at) => (need(at, 4), view.getUint32(at)),
    u32le: (at) => (need(at, 4), view.getUint32(at, true)),
    i32le: (at) => (need(at, 4), view.getInt32(at, true)),
    type: (at) => (need(at, 4), ascii(bytes, at, at + 4)),
  };
}

const truncated = (kind) => mediaError(`the ${kind} file is truncated`, again);

function png(bytes) {
  const r = reader(bytes, 'PNG');
  if (r.type(12) !== 'IHDR') throw mediaError('the PNG file does not begin with its header', convert);
  const size = { width: r.u32(16), height: r.u32(20) };
  checkPixels(size.width, size.height);
  for (let at = 8; ; at += 12 + r.u32(at)) if (r.type(at + 4) === 'IEND') return size;
}

function jpeg(bytes) {
  const r = reader(bytes, 'JPEG');
  let size;
  for (let at = 2; ; ) {
    if (r.u8(at) !== 0xff) throw mediaError('the JPEG file is damaged', again);
    const marker = r.u8(at + 1);
    if (marker === 0xff) { at += 1; continue; } // fill byte
    if (marker === 0xd9) throw mediaError('the JPEG file holds no picture', convert);
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { at += 2; continue; } // no length
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame) {
      size = { height: r.u16(at + 5), width: r.u16(at + 7) };
      checkPixels(size.width, size.height);
    }
    if (marker === 0xda) {
      if (!size) throw mediaError('the JPEG file is damaged: its scan comes before its frame', again);
      // Inside a scan every 0xff is escaped, so these two bytes after one can only be the end of the picture.
      for (let end = at; (end = bytes.indexOf(0xff, end)) >= 0; end++) if (bytes[end + 1] === 0xd9) return size;
      throw truncated('JPEG');
    }
    at += 2 + r.u16(at + 2);
  }
}

function gif(bytes) {
  const r = reader(bytes, 'GIF');
  const skipBlocks = (at) => {
    for (let n; (n = r.u8(at)) > 0; ) at += n + 1;
    return at + 1;
  };
  const table = (flags) => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  const screen = { width: r.u16le(6), height: r.u16le(8) };
  let at = 13 + table(r.u8(10));
  for (;;) {
    const block = r.u8(at);
    if (block === 0x21) { at = skipBlocks(at + 2); continue; }
    if (block !== 0x2c) throw mediaError('the GIF file holds no picture', convert);
    // Some files say 0 x 0 for the screen, or less than their first frame; decoders then use the frame.
    const width = Math.max(screen.width, r.u16le(at + 1) + r.u16le(at + 5));
    const height = Math.max(screen.height, r.u16le(at + 3) + r.u16le(at + 7));
    checkPixels(width, height);
    skipBlocks(at + 11 + table(r.u8(at + 9)));
    return { width, height };
  }
}

function webp(bytes) {
  const r = reader(bytes, 'WebP');
  const size = () => {
    switch (r.type(12)) {
      case 'VP8 ': return { width: r.u16le(26) & 0x3fff, height: r.u16le(28) & 0x3fff };
      case 'VP8L': return { width: (r.u32le(21) & 0x3fff) + 1, height: ((r.u32le(21) >>> 14) & 0x3fff) + 1 };
      case 'VP8X': return { width: r.u24le(24) + 1, height: r.u24le(27) + 1 };
      default: throw mediaError(`the WebP file begins with a chunk "${r.type(12)}"`, convert);
    }
  };
  const { width, height } = size();
  checkPixels(width, height);
  if (r.u32le(4) + 8 > bytes.length) throw truncated('WebP');
  return { width, height };
}

function bmp(bytes) {
  const r = reader(bytes, 'BMP');
  const core = r.u32le(14) === 12;
  const width = core ? r.u16le(18) : r.i32le(18);
  const height = core ? r.u16le(20) : Math.abs(r.i32le(22)); // negative: rows from the top
  checkPixels(width, height);
  const compression = core ? 0 : r.u32le(30);
  const bits = r.u16le(core ? 24 : 28);
  const packed = compression === 1 || compression === 2; // run lengths: the size follows from the data only
  if (!packed && r.u32le(10) + Math.ceil((width * bits) / 32) * 4 * height > bytes.length) throw truncated('BMP');
  return { width, height };
}

// Boxes of the ISO media format: 32-bit size, type, payload; size 1 means a 64-bit size follows, 0 means to the end.
function* boxes(r, from, to) {
  for (let at = from; at + 8 <= to; ) {
    let size = r.u32(at);
    let head = 8;
    if (size === 1) {
      size = r.u32(at + 8) * 2 ** 32 + r.u32(at + 12);
      head = 16;
    } else if (size === 0) size = to - at;
    if (size < head || at + size > to) throw truncated('AVIF');
    yield { type: r.type(at + 4), from: at + head, to: at + size };
    at += size;
  }
}

function avif(bytes) {
  const r = reader(bytes, 'AVIF');
  const find = (from, to, type) => {
    for (const box of boxes(r, from, to)) if (box.type === type) return box;
    throw mediaError(`the AVIF file has no "${type}" box`, convert);
  };
  const size = { width: 0, height: 0 };
  const meta = find(0, bytes.length, 'meta');
  const properties = find(meta.from + 4, meta.to, 'iprp');
  const container = find(properties.from, properties.to, 'ipco');
  // Thumbnails, tiles and alpha have sizes of their own: the largest is the picture.
  for (const box of boxes(r, container.from, container.to)) {
    if (box.type !== 'ispe') continue;
    const width = r.u32(box.from + 4);
    const height = r.u32(box.from + 8);
    if (width * height > size.width * size.height) Object.assign(size, { width, height });
  }
  checkPixels(size.width, size.height);
  for (const box of boxes(r, 0, bytes.length)) void box; // throws where the file ends inside a box
  return size;
}

const svgRoot = /<svg\b(?:[^>"']|"[^"]*"|'[^']*')*>/i;

// sizedSVG gives the text with its size written into the root, because browsers disagree on the size of an <svg> without.
export function sizedSVG(text, width, height) {
  return text.replace(svgRoot, (root) => {
    const box = /\sviewBox\s*=/.test(root) || !/\s(?:width|height)\s*=/.test(root) ? '' : ` viewBox="0 0 ${width} ${height}"`;
    return root.replace(/\s(?:width|height)\s*=\s*(?:"[^"]*"|'[^']*')/g, '').replace(/^<svg/i, `<svg width="${width}" height="${height}"${box}`);
  });
}

function svg(text) {
  const root = svgRoot.exec(text)?.[0];
  const closed = /<\/svg\s*>\s*(?:<!--[^]*?-->\s*)*$/i.test(text.slice(-4096));
  if (!root || !(closed || root.endsWith('/>'))) throw truncated('SVG');
  const attribute = (name) => new RegExp(`\\s${name}\\s*=\\s*["']([^"']*)["']`).exec(root)?.[1].trim() ?? '';
  const units = { '': 1, px: 1, pt: 4 / 3, pc: 16, in: 96, cm: 96 / 2.54, mm: 96 / 25.4, em: 16, rem: 16, ex: 8 };
  const length = (value) => {
    const [, number, unit] = /^\+?(\d*\.?\d+(?:e[+-]?\d+)?)([a-z]*)$/i.exec(value) ?? [];
    return number * units[unit?.toLowerCase()] || undefined;
  };
  const box = attribute('viewBox').split(/[\s,]+/).map(Number);
  const ratio = box.length === 4 && box[2] > 0 && box[3] > 0 ? box[2] / box[3] : undefined;
  let width = length(attribute('width'));
  let height = length(attribute('height'));
  if (!width && !height) {
    width = 512 * Math.min(1, ratio ?? 1);
    height = 512 / Math.max(1, ratio ?? 1);
  }
  width ??= height * (ratio ?? 1);
  height ??= width / (ratio ?? 1);
  const size = { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)) };
  checkPixels(size.width, size.height);
  return size;
}

const isSVG = /^\uFEFF?\s*(?:<\?xml[^>]*>\s*|<!--[^]*?-->\s*|<!DOCTYPE\s+svg[^[>]*(?:\[[^\]]*\]\s*)?>\s*)*<svg[\s>]/i;

// Containers of sound and pictures that move, by how they begin.
const containers = [
  [(b) => ascii(b, 4, 12) === 'ftypqt  ', 'QuickTime'],
  [(b) => ascii(b, 4, 8) === 'ftyp' && !/^(hei[cxms]|hev[cx]|mif1|msf1|avi[fs])/.test(ascii(b, 8, 12)), 'MP4'],
  [(b) => ascii(b, 0, 4) === '\x1aE\xdf\xa3', 'WebM or Matroska'],
  [(b) => ascii(b, 0, 4) === 'OggS', 'Ogg'],
  [(b) => ascii(b, 0, 4) === 'RIFF' && ascii(b, 8, 12) === 'AVI ', 'AVI'],
  [(b) => ascii(b, 0, 4) === '\0\0\x01\xba', 'MPEG'],
  [(b) => ascii(b, 0, 4) === 'FLV\x01', 'FLV'],
];

// containerOf names the container that a file's first 12 bytes tell of; undefined is any other file.
export function containerOf(bytes) {
  return containers.find(([test]) => test(bytes))?.[1];
}

// What people drop most often that is not a picture a browser decodes, so that the error can say so.
const others = [
  [(b) => ascii(b, 4, 8) === 'ftyp' && /^(hei[cxms]|hev[cx]|mif1|msf1)/.test(ascii(b, 8, 12)), 'a HEIC picture, which most browsers cannot decode'],
  [(b) => ascii(b, 0, 4) === 'II*\0' || ascii(b, 0, 4) === 'MM\0*', 'a TIFF picture (or camera raw), which browsers cannot decode'],
  [(b) => (b[0] === 0xff && b[1] === 0x0a) || ascii(b, 4, 8) === 'JXL ', 'a JPEG XL picture, which most browsers cannot decode'],
  [(b) => ascii(b, 0, 4) === '8BPS', 'a Photoshop document'],
  [(b) => ascii(b, 0, 4) === '\0\0\x01\0', 'an icon file'],
  [(b) => ascii(b, 0, 4) === '%PDF', 'a PDF document'],
  [(b) => ascii(b, 0, 4) === 'PK\x03\x04', 'a ZIP archive or an office document'],
  [containerOf, 'a video: pass {video: file}'],
  [(b) => /^\s*<(!doctype html|html)/i.test(ascii(b, 0, 256)), 'a web page'],
];

const isAVIF = (b) => {
  if (ascii(b, 4, 8) !== 'ftyp') return false;
  const end = Math.min(b.length, new DataView(b.buffer, b.byteOffset).getUint32(0), 256);
  for (let at = 8; at + 4 <= end; at += 4) if (/^avi[fs]$/.test(ascii(b, at, at + 4))) return true;
  return false;
};

// sniff(bytes of the whole file) gives {type, width, height} (before EXIF rotation), or throws media-decode with the reason.
export function sniff(bytes) {
  if (bytes.length === 0) throw mediaError('the file is empty (0 bytes)', 'Choose another file, or download this one again.');
  const start = ascii(bytes, 0, 12);
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return { type: 'image/png', ...png(bytes) };
  if (start.startsWith('\xff\xd8\xff')) return { type: 'image/jpeg', ...jpeg(bytes) };
  if (/^GIF8[79]a/.test(start)) return { type: 'image/gif', ...gif(bytes) };
  if (start.startsWith('RIFF') && start.endsWith('WEBP')) return { type: 'image/webp', ...webp(bytes) };
  if (bytes.length >= 12 && isAVIF(bytes)) return { type: 'image/avif', ...avif(bytes) };
  for (const [test, name] of others) if (test(bytes)) throw mediaError(`the file is ${name}`, convert);
  if (start.startsWith('BM')) return { type: 'image/bmp', ...bmp(bytes) };
  if (isSVG.test(new TextDecoder().decode(bytes.subarray(0, 65536)))) {
    return { type: 'image/svg+xml', ...svg(new TextDecoder().decode(bytes)) };
  }
  throw mediaError(`the file is not a picture (${bytes.length} bytes, no known signature)`, convert);
}
