import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizedSVG, sniff } from '../sniff.js';

const bytes = (...parts) => new Uint8Array(parts.flatMap((part) =>
  typeof part === 'string' ? [...part].map((c) => c.charCodeAt(0)) : typeof part === 'number' ? [part] : [...part]));
const be16 = (n) => [n >> 8 & 255, n & 255];
const be32 = (n) => [n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255];
const le16 = (n) => be16(n).reverse();
const le24 = (n) => be32(n).reverse().slice(0, 3);
const le32 = (n) => be32(n).reverse();
const zeros = (n) => new Array(n).fill(0);

const png = (w, h, end = [...be32(0), ...bytes('IEND'), 1, 2, 3, 4]) =>
  bytes(0x89, 'PNG\r\n', 0x1a, '\n', be32(13), 'IHDR', be32(w), be32(h), 8, 6, 0, 0, 0, be32(0), be32(2), 'IDAT', 1, 2, be32(0), end);
const jpegHead = (w, h) => bytes(0xff, 0xd8, 0xff, 0xe1, be16(6), 0xff, 0xd9, 0, 0, 0xff, 0xff, 0xc2, be16(8), 8, be16(h), be16(w), 1);
const jpeg = (w, h, tail = [0xff, 0xda, ...be16(2), 1, 0xff, 0, 2, 0xff, 0xd9]) => bytes(jpegHead(w, h), tail);
const gif = (w, h, fw = w, fh = h) =>
  bytes('GIF89a', le16(w), le16(h), 0x80, 0, 0, zeros(6), 0x21, 0xf9, 4, zeros(4), 0, 0x2c, le16(0), le16(0), le16(fw), le16(fh), 0, 2, 2, 0x4c, 1, 0, 0x3b);
const webp = (kind, ...body) => bytes('RIFF', le32(12 + bytes(...body).length), 'WEBP', kind, le32(bytes(...body).length), ...body);
const bmp = (w, h, data = Math.ceil(w * 24 / 32) * 4 * Math.abs(h)) =>
  bytes('BM', le32(0), le32(0), le32(54), le32(40), le32(w), le32(h), le16(1), le16(24), zeros(24), zeros(data));
const box = (type, ...body) => bytes(be32(8 + bytes(...body).length), type, ...body);
const ispe = (w, h) => box('ispe', be32(0), be32(w), be32(h));
const avif = (...sizes) => bytes(box('ftyp', 'avif', be32(0), 'mif1'),
  box('meta', be32(0), box('hdlr', zeros(4)), box('iprp', box('ipco', ...sizes.map(([w, h]) => ispe(w, h))))), box('mdat', zeros(20)));

const size = (data) => {
  const { type, width, height } = sniff(data);
  return `${type.slice(6)} ${width}x${height}`;
};
const refused = (data, pattern, message) =>
  assert.throws(() => sniff(data), (error) => error.code === 'media-decode' && error.hint !== '' && pattern.test(error.message) || assert.fail(`${message}: ${error.message}`));

const files = {
  'png 3x5': png(3, 5),
  'jpeg 640x480': jpeg(640, 480),
  'gif 7x9': gif(7, 9),
  'webp 300x200': webp('VP8 ', zeros(3), 0x9d, 1, 0x2a, le16(300), le16(200 | 0x4000)),
  'webp 33x65': webp('VP8L', 0x2f, le32(32 | 64 << 14)),
  'webp 4000x2000': webp('VP8X', zeros(4), le24(3999), le24(1999)),
  'bmp 5x4': bmp(5, -4),
  'avif 120x80': avif([64, 64], [120, 80]),
  'svg+xml 20x10': bytes('<?xml version="1.0"?><!-- a --><svg width="20" height="10"></svg><!-- b -->'),
};

test('kind and size of every format', () => {
  for (const [want, data] of Object.entries(files)) assert.equal(size(data), want);
});

test('no prefix and no flipped byte gives anything but a size within bounds or a media-decode error', () => {
  const tame = (data) => {
    try {
      const { width, height } = sniff(data);
      assert.ok(width > 0 && height > 0 && width * height <= 64e6);
      return true;
    } catch (error) {
      assert.equal(error.code, 'media-decode', error.stack);
      return false;
    }
  };
  for (const data of Object.values(files)) {
    for (let n = 0; n < data.length; n++) tame(data.subarray(0, n));
    for (let at = 0; at < data.length; at++) for (const value of [0, 1, 0x7f, 0xff]) {
      const hostile = data.slice();
      hostile[at] = value;
      tame(hostile);
    }
  }
});

test('a truncated file is called truncated', () => {
  refused(png(3, 5).subarray(0, 45), /PNG file is truncated/, 'png in IDAT');
  refused(png(3, 5, []), /PNG file is truncated/, 'png without IEND');
  refused(jpeg(3, 5, [0xff, 0xda, 0, 2, 1, 2, 3]), /JPEG file is truncated/, 'jpeg without end, though a thumbnail has one');
  refused(jpegHead(3, 5), /JPEG file is truncated/, 'jpeg before its scan');
  refused(gif(3, 5).subarray(0, -3), /GIF file is truncated/, 'gif in its first frame');
  refused(files['webp 300x200'].subarray(0, -2), /WebP file is truncated/, 'webp');
  refused(bmp(5, 4, 10), /BMP file is truncated/, 'bmp');
  refused(bytes('<svg width="2" height="2"><g/></sv'), /SVG file is truncated/, 'svg');
  refused(avif([4, 4]).subarray(0, -3), /AVIF file is truncated/, 'avif');
});

test('a size no decoder should see is refused with its figures', () => {
  const huge = [png(12000, 9000), jpeg(12000, 9000), gif(12000, 9000), gif(1, 1, 12000, 9000), webp('VP8X', zeros(4), le24(11999), le24(8999)), bmp(12000, 9000, 0),
    avif([12000, 9000]), bytes('<svg width="12000" height="9000"/>')];
  for (const data of huge) refused(data, /12000 x 9000 is 108 megapixels; at most 64/, size.name);
  refused(png(0x7fffffff, 0x7fffffff), /megapixels/, 'png of 2^31');
  refused(png(0, 10), /0 x 10 pixels/, 'png of no width');
  assert.equal(size(png(8000, 8000)), 'png 8000x8000');
});

test('an SVG without a size gets one', () => {
  const rows = [
    ['<svg>', '512x512'],
    ['<svg viewBox="0 0 200 100">', '512x256'],
    ['<svg viewBox="0,0 1 4" width="100%">', '128x512'],
    ['<svg width="1in" viewBox="0 0 2 1">', '96x48'],
    ["\uFEFF<!DOCTYPE svg PUBLIC 'x' 'y'>\n<svg height='10mm' width='20mm'>", '76x38'],
    ['<svg data-width="9" stroke-width="7" width="30" height="0">', '30x30'],
  ];
  for (const [text, want] of rows) assert.equal(size(new TextEncoder().encode(`${text}<g/></svg>\n`)), `svg+xml ${want}`, text);
});

test('what is not a picture is called by its name', () => {
  refused(bytes(), /empty \(0 bytes\)/, 'empty');
  const rows = [
    ['<!doctype html><svg>', /web page/], ['%PDF-1.7', /PDF/], ['PK\x03\x04', /ZIP/], ['II*\0', /TIFF/], ['MM\0*', /TIFF/],
    ['\0\0\0\x18ftypheic\0\0\0\0', /HEIC/], ['\0\0\0\x18ftypisom', /video/], ['\x1aE\xdf\xa3', /video/], ['8BPS', /Photoshop/],
    ['\xff\x0a', /JPEG XL/], ['\0\0\x01\0\x01', /icon/], ['hello', /not a picture \(5 bytes/], ['\0', /not a picture/],
  ];
  for (const [text, pattern] of rows) refused(bytes(text), pattern, JSON.stringify(text));
});

test('the size of an SVG is written into its root and nowhere else', () => {
  const rows = [
    ['<svg viewBox="0 0 2 1"><rect width="1"/></svg>', '<svg width="8" height="4" viewBox="0 0 2 1"><rect width="1"/></svg>'],
    [`<svg id="a>b" width='2in' height="1in" stroke-width="3">`, '<svg width="8" height="4" viewBox="0 0 8 4" id="a>b" stroke-width="3">'],
    ['<!-- x --><svg/>', '<!-- x --><svg width="8" height="4"/>'],
  ];
  for (const [text, want] of rows) assert.equal(sizedSVG(text, 8, 4), want);
});
