// openPicture: anything that shows a picture is read as straight RGBA on white, as large as it is; the model's own resize
// comes later and must see every pixel.
import { FlamingoError, throwIfAborted } from './errors.js';
import { checkPixels, mediaError, sizedSVG, sniff } from './sniff.js';

const deadlineMs = 10_000;
const maxFileBytes = 256 * 2 ** 20;
// Canvas area is limited (16 megapixels on older iPhones), so pixels are read in strips of at most this many.
const stripPixels = 16 * 2 ** 20;

export const is = (value, name) => typeof globalThis[name] === 'function' && value instanceof globalThis[name];

// openPicture gives {name, content, read}: what tells this picture from others, as words and bytes, and read(signal), which
// gives {data: Uint8ClampedArray RGBA, width, height, fresh} and may be called again; fresh data may be transferred.
// A file is decoded when it is read. What may change or be closed meanwhile is read at once, and held if hold is true.
export async function openPicture(media, { signal, hold = true } = {}) {
  throwIfAborted(signal);
  if (is(media, 'Blob')) return openFile(media, signal);
  if (typeof media === 'string' || media instanceof URL) return openFile(await fetchMedia(media, signal, (response) => response.blob()), signal);
  const { data, width, height } = await readShown(media);
  const held = hold ? { data, width, height } : undefined;
  return {
    name: `${width} x ${height}`, content: data,
    read: async () => held ?? { ...(await readShown(media)), fresh: true },
  };
}

async function readShown(media) {
  if (is(media, 'ImageBitmap')) return pixels(media, media.width, media.height);
  if (is(media, 'HTMLCanvasElement') || is(media, 'OffscreenCanvas')) return pixels(media, media.width, media.height);
  if (is(media, 'VideoFrame')) return pixels(media, media.displayWidth, media.displayHeight);
  if (is(media, 'HTMLImageElement')) return readImageElement(media);
  if (is(media, 'HTMLVideoElement')) return readVideoElement(media);
  if (is(media, 'ImageData')) {
    checkPixels(media.width, media.height);
    return closing(await createImageBitmap(media));
  }
  const got = media === null ? 'null' : media?.constructor?.name ?? typeof media;
  throw new FlamingoError('invalid-option', `media: it is ${got}, want a picture`, {
    hint: 'Pass a File or Blob, a URL, an <img>, <canvas> or <video>, an ImageBitmap, ImageData, VideoFrame or MediaStream; frames as {video: [frame, frame]}.',
  });
}

async function openFile(blob, signal) {
  if (blob.size > maxFileBytes) {
    throw mediaError(`the file is ${Math.round(blob.size / 2 ** 20)} MiB; at most ${maxFileBytes / 2 ** 20}`, 'Choose a smaller file.');
  }
  let bytes;
  try {
    bytes = new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw mediaError('the file could not be read', 'It may have been moved or changed since it was chosen: choose it again.', cause);
  }
  throwIfAborted(signal);
  const { type, width, height } = sniff(bytes);
  // The bytes that were looked at are those that are decoded, whatever becomes of the file.
  const kept = new Blob([bytes], { type });
  return { name: type, content: bytes, read: async () => ({ ...(await readFile(kept, width, height)), fresh: true }) };
}

async function readFile(blob, width, height) {
  if (blob.type === 'image/svg+xml') return readSVG(await blob.text(), width, height);
  try {
    return closing(await within(createImageBitmap(blob, { imageOrientation: 'from-image' })));
  } catch (cause) {
    throw refusal(cause, `the browser cannot decode this ${blob.type.slice(6).toUpperCase()} file`, 'It may be damaged: open it in a picture viewer and save it again.');
  }
}

// closing reads a bitmap's pixels and frees it at once, not when the collector gets to it.
function closing(bitmap) {
  try {
    return pixels(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

// An <svg> is drawn through <img>, which runs no script and loads nothing. The tag is edited as text: a parsed tree
// would have its inline styles refused, and reported, by the page's CSP.
async function readSVG(text, width, height) {
  if (typeof Image === 'undefined') throw mediaError('an SVG needs a page to be drawn', 'Call this on the window, not in a worker.');
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(sizedSVG(text, width, height))}`;
  try {
    await within(image.decode());
  } catch (cause) {
    throw refusal(cause, 'the browser cannot draw this SVG file', "It may not be well-formed XML, or the page's CSP lacks img-src data:.");
  }
  return pixels(image, width, height);
}

// What the user sees is what is captioned: no second fetch, and current frame or orientation as shown.
async function readImageElement(image) {
  if (!image.complete || image.naturalWidth === 0) {
    await within(image.decode()).catch((cause) => {
      throw refusal(cause, `the <img> ${show(image)} shows no picture`, 'Check its src, and wait for its load event.');
    });
  }
  return pixels(image, image.naturalWidth || image.width, image.naturalHeight || image.height);
}

async function readVideoElement(video) {
  if (video.networkState === 0 || video.networkState === 3) {
    throw mediaError(`the <video> ${show(video)} has nothing to play`, 'Check its src.');
  }
  if (video.readyState < 2) {
    await within(new Promise((resolve, reject) => {
      video.addEventListener('loadeddata', resolve, { once: true });
      video.addEventListener('error', () => reject(video.error), { once: true });
    })).catch((cause) => {
      throw refusal(cause, `the <video> ${show(video)} has no frame yet`, 'Wait for its loadeddata event.');
    });
  }
  return pixels(video, video.videoWidth, video.videoHeight);
}

export const show = (element) => element.currentSrc?.slice(0, 100) || element.id || 'without src';

export function urlOf(address) {
  try {
    return new URL(address, globalThis.document?.baseURI ?? globalThis.location?.href);
  } catch {
    throw new FlamingoError('invalid-option', `media: "${String(address).slice(0, 100)}" is not a URL`, { hint: 'Pass the URL of a picture or video.' });
  }
}

// fetchMedia gives what use makes of the response, which is a good one.
export async function fetchMedia(address, signal, use, options) {
  const url = urlOf(address);
  let response;
  try {
    response = await fetch(url, { ...options, signal });
    if (response.ok) return await use(response);
  } catch (cause) {
    throwIfAborted(signal);
    const foreign = /^https?:$/.test(url.protocol) && url.origin !== globalThis.location?.origin;
    if (globalThis.navigator?.onLine === false) {
      throw new FlamingoError('offline', `media: ${url.href.slice(0, 200)} cannot be fetched offline`, { hint: 'Use a file from this device.', cause });
    }
    if (foreign) {
      throw new FlamingoError('cors', `media: the site ${url.host} does not let this page read it`, {
        hint: 'Download it and choose the file instead.', cause,
      });
    }
    throw new FlamingoError('network', `media: ${url.href.slice(0, 200)} could not be fetched`, { hint: 'Check the address and the connection.', cause });
  }
  throw new FlamingoError('network', `media: ${url.href.slice(0, 200)} answered ${response.status}, want 200`, { hint: 'Check the address.' });
}

// pixels draws source on white, strip by strip.
export function pixels(source, width, height) {
  if (width === 0 || height === 0) throw mediaError('the picture is 0 pixels wide or high', 'It may be closed, detached or not loaded yet.');
  checkPixels(width, height);
  const rows = Math.max(1, Math.min(height, Math.floor(stripPixels / width)));
  const canvas = typeof OffscreenCanvas === 'function' ? new OffscreenCanvas(width, rows) : document.createElement('canvas');
  canvas.width = width;
  canvas.height = rows;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const data = new Uint8ClampedArray(width * height * 4);
  try {
    for (let top = 0; top < height; top += rows) {
      context.fillStyle = '#fff';
      context.fillRect(0, 0, width, rows);
      context.drawImage(source, 0, -top, width, height);
      const strip = Math.min(rows, height - top);
      data.set(context.getImageData(0, 0, width, strip).data, top * width * 4);
    }
  } catch (cause) {
    if (cause?.name === 'SecurityError') {
      throw new FlamingoError('cors', 'media: the picture comes from another site, which does not let this page read it', {
        hint: 'Serve it with CORS headers and set crossorigin="anonymous", or use a file from this device.', cause,
      });
    }
    throw refusal(cause, `the pixels cannot be read (${width} x ${height})`, 'Scale the picture down and try again.');
  }
  return { data, width, height };
}

function within(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(mediaError(`decoding took longer than ${deadlineMs / 1000} s`, 'Scale the picture down and try again.')), deadlineMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// refusal keeps an error that already says what happened, and gives any other the words for it.
function refusal(cause, what, hint) {
  return cause instanceof FlamingoError ? cause : mediaError(what, hint, cause);
}
