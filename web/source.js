// Source: a picture or a video on its way to the engine. Its key names its content, so that the engine asks for the
// pixels of what it has not seen yet, frame by frame, and for no others.
import { throwIfAborted } from './errors.js';
import { fetchMedia, is, openPicture } from './media.js';
import { containerOf } from './sniff.js';
import { openVideo, originOf, urlAnswer } from './video.js';

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

let unnamed = 0;

// Outside of secure contexts nothing hashes: there each picture counts as a new one, as streams do everywhere.
async function keyOf(name, content) {
  const digest = content && (await globalThis.crypto?.subtle?.digest('SHA-256', content));
  return digest ? `${name} ${hex(digest)}` : `unnamed ${++unnamed}`;
}

export class Source {
  #found;
  #opened;
  #signal;
  #takes;
  #reader;
  #ahead;
  #ms = 0;

  // media is {image}, {video, fps, ...}, or {media} that may be either. Reading begins at once, but videos are opened when
  // they are described: browsers have few players. info is the model's.
  constructor(media, signal, info) {
    this.#signal = signal;
    this.#takes = info?.maxFrames;
    this.#found = this.#timed(() => find(media, signal));
    // Whoever describes the source meets the error.
    this.#found.catch(() => {});
  }

  // describe gives {key, frames}, as the engine wants it.
  async describe() {
    this.#opened ??= this.#found.then((found) => (found.origin ? this.#timed(() => this.#open(found)) : found));
    const { key, frames } = await this.#opened;
    return { key, frames };
  }

  async #open({ origin, options }) {
    const { name, content, count, reader } = await openVideo(origin, options, this.#signal, this.#takes);
    return { key: await keyOf(name, content), frames: count, reader };
  }

  // frame gives the pixels of frame i. The one after it is decoded while the engine is at work on this one.
  async frame(i, signal) {
    const { frames, pictures, reader: open } = await this.#opened;
    if (pictures) return this.#timed(() => pictures[i].read());
    const reader = (this.#reader ??= open(signal));
    const frame = await this.#timed(() => (this.#ahead?.i === i ? this.#ahead.frame : reader.read(i)));
    if (reader !== this.#reader) return frame;
    if (i + 1 === frames) {
      this.release();
      return frame;
    }
    this.#ahead = { i: i + 1, frame: reader.read(i + 1) };
    // Met where the frame is asked for.
    this.#ahead.frame.catch(() => {});
    return frame;
  }

  // release lets go of a video's player; the next frame that is asked for begins anew.
  release() {
    this.#reader?.close();
    this.#reader = this.#ahead = undefined;
  }

  // takeMs gives the milliseconds spent reading and decoding since it was asked before.
  takeMs() {
    const ms = this.#ms;
    this.#ms = 0;
    return ms;
  }

  async #timed(work) {
    const began = performance.now();
    try {
      return await work();
    } finally {
      this.#ms += performance.now() - began;
    }
  }
}

// find gives {key, frames, pictures} of pictures, and {origin, options} of a video that is yet to be opened.
async function find({ image, video, media = image, ...options }, signal) {
  throwIfAborted(signal);
  if (Array.isArray(video)) return findFrames(video, signal);
  if (video !== undefined) return { origin: originOf(video), options };
  if (image === undefined) {
    if (is(media, 'MediaStream') || is(media, 'HTMLVideoElement')) return { origin: originOf(media), options };
    if (typeof media === 'string' || media instanceof URL) {
      const isVideo = ({ headers }) => headers.get('Content-Type')?.startsWith('video/');
      media = await fetchMedia(media, signal, (response) => (isVideo(response) ? urlAnswer(response) : response.blob()));
      if (media.url) return { origin: media, options };
    }
    if (is(media, 'Blob') && (await holdsVideo(media))) return { origin: originOf(media), options };
  }
  const { name, content, read } = await openPicture(media, { signal });
  return { key: await keyOf(name, content), frames: 1, pictures: [{ read }] };
}

async function findFrames(frames, signal) {
  const pictures = [];
  const keys = [];
  for (const frame of frames) {
    // All frames of a video at once may be gigabytes: they are read again when it is their turn.
    const { name, content, read } = await openPicture(frame, { signal, hold: false });
    keys.push(await keyOf(name, content));
    pictures.push({ read });
  }
  return { key: await keyOf(`video ${frames.length}`, new TextEncoder().encode(keys.join('\n'))), frames: frames.length, pictures };
}

async function holdsVideo(file) {
  if (file.type.startsWith('video/')) return true;
  // A file that cannot be read is told of by who reads it whole.
  const head = await file.slice(0, 16).arrayBuffer().catch(() => new ArrayBuffer(0));
  return containerOf(new Uint8Array(head)) !== undefined;
}
