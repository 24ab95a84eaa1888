// Source: a picture or a video on its way to the engine. Its key names its content, so that the engine asks for the
// pixels of what it has not seen yet, frame by frame, and for no others.
import { openPicture } from './media.js';

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

let unnamed = 0;

// Outside of secure contexts nothing hashes: there each picture counts as a new one.
async function keyOf(name, content) {
  const digest = await globalThis.crypto?.subtle?.digest('SHA-256', content);
  return digest ? `${name} ${hex(digest)}` : `unnamed ${++unnamed}`;
}

export class Source {
  #opened;
  #ms = 0;

  // frames are one picture, or those of a video. Reading begins at once.
  constructor({ frames, video }, signal) {
    this.#opened = this.#timed(() => open(frames, video, signal));
    // Whoever describes the source meets the error.
    this.#opened.catch(() => {});
  }

  // describe gives {key, frames}, as the engine wants it.
  async describe() {
    const { key, pictures } = await this.#opened;
    return { key, frames: pictures.length };
  }

  // frame gives the pixels of frame i.
  async frame(i) {
    const { pictures } = await this.#opened;
    return this.#timed(() => pictures[i].read());
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

async function open(frames, video, signal) {
  const pictures = [];
  const keys = [];
  for (const frame of frames) {
    // All frames of a video at once may be gigabytes: they are read again when it is their turn.
    const { name, content, read } = await openPicture(frame, { signal, hold: !video });
    keys.push(await keyOf(name, content));
    pictures.push({ read });
  }
  if (!video) return { key: keys[0], pictures };
  return { key: await keyOf(`video ${frames.length}`, new TextEncoder().encode(keys.join('\n'))), pictures };
}
