// A page without a browser: a Worker, pictures and a place, all of them fake, for tests of the public API.
import { afterEach, beforeEach } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { FlamingoError } from '../errors.js';
import { load } from '../flamingo.js';
import { serve } from '../protocol.js';

export const base = 'https://site.test/app/';

// page is what happened since the test began; startUp may be replaced before the first load.
export const page = { workers: [], log: [], requests: [], asked: [], startUp: undefined };

globalThis.location = new URL(base);
globalThis.ImageBitmap = class {
  constructor(shade, width = 2) {
    Object.assign(this, { shade, width, height: 1 });
  }
};
globalThis.OffscreenCanvas = class {
  getContext() {
    let shade;
    return {
      fillRect() {}, drawImage: (source) => (shade = source.shade),
      getImageData: (x, y, w, h) => ({ data: new Uint8ClampedArray(w * h * 4).fill(shade) }),
    };
  }
};

// picture is a bitmap of one shade, which is its content.
export const picture = (shade = 9, width = 2) => new ImageBitmap(shade, width);

const tick = () => new Promise((resolve) => setTimeout(resolve, 2));

// see asks for the frames of media that were not seen before, as the engine does.
async function see(seen, media, { onFrame }) {
  let encoded = 0;
  for (const [i, { key, frames }] of media.entries()) {
    if (seen.has(key)) continue;
    for (let frame = 0; frame < frames; frame++) {
      const { data } = await onFrame({ media: i, frame });
      page.asked.push(`${i}.${frame} ${data[0]} of ${data.length}`);
    }
    seen.add(key);
    encoded++;
  }
  return encoded;
}

function fakeEngine() {
  const seen = new Set();
  return {
    probe: async () => ({ webgpu: false, reason: 'webgpu-unavailable' }),
    load: async (url, options, { onProgress }) => {
      page.log.push(`load ${url} ${JSON.stringify(options)}`);
      onProgress({ phase: 'fetch', loaded: 1, total: 2, fromCache: 0 });
      if (url.includes('missing')) throw new FlamingoError('network', 'loader: 404', { hint: 'check' });
      const prompts = { caption: '<image>Output:', ...(url.includes('asks') && { ask: '<image>Question: {question} Answer:' }) };
      return { handle: 4, info: { name: 'fake', prompts } };
    },
    generate: async (handle, request, hooks) => {
      const name = request.prompt ?? request.parts?.findLast((part) => typeof part === 'string') ?? '';
      page.log.push(`begin ${name}`);
      page.requests.push(request);
      const encoded = await see(seen, request.media, hooks);
      for (const text of ['a', ' b', ' c']) {
        await tick();
        if (hooks.signal.aborted) {
          page.log.push(`stop ${name}`);
          throw new FlamingoError('aborted', 'stopped');
        }
        hooks.onPiece({ id: 1, text });
      }
      page.log.push(`end ${name}`);
      const finish = request.maxTokens === 3 ? 'length' : 'stop';
      return { text: 'a b c', ids: [1, 2, page.requests.length], finish, stats: { tokens: 3, encoded } };
    },
    batch: async (handle, request, hooks) => {
      page.log.push(`begin batch of ${request.queries.length}`);
      page.requests.push(request);
      const encoded = await see(seen, request.media, hooks);
      await tick();
      if (hooks.signal.aborted) throw new FlamingoError('aborted', 'stopped');
      page.log.push(`end batch of ${request.queries.length}`);
      return request.queries.map((query) => ({ text: `of ${query}`, ids: [query], finish: 'stop', stats: { tokens: 1, encoded } }));
    },
    score: async (handle, request, hooks) => {
      page.requests.push(request);
      await see(seen, request.media, hooks);
      return request.texts.map((text) => ({ text, logProb: -text.length, perToken: -1 / text.length, tokens: [] }));
    },
    embed: async (handle, { media }, hooks) => {
      page.log.push('embed');
      const { data } = await hooks.onFrame({ media: 0, frame: 0 });
      if (hooks.signal.aborted) throw new FlamingoError('aborted', 'stopped');
      return { vector: [data[0] / 10, 1 / 3], encoded: media.length };
    },
    count: async (handle, request) => {
      page.requests.push(request);
      return request.media.length;
    },
    dispose: async (handle) => void page.log.push(`dispose ${handle}`),
    isCached: async (url) => ({ cached: false, bytes: 0, total: url.length }),
    clearCache: async (url) => ({ bytes: url === undefined ? 9 : 1 }),
    stats: async () => ({ gpuBuffers: 0 }),
  };
}

beforeEach(() => {
  Object.assign(page, { workers: [], log: [], requests: [], asked: [] });
  page.startUp = async (crash) => ({ engine: fakeEngine(), exited: crash });
  globalThis.Worker = class {
    constructor(url) {
      const { port1, port2 } = new MessageChannel();
      const exited = new Promise((resolve) => (this.crash = resolve));
      Object.assign(this, { url: String(url), port: port1, alive: true });
      port1.on('message', (data) => this.onmessage({ data }));
      serve(port2, () => page.startUp(exited));
      page.workers.push(this);
    }
    postMessage(message, transfer) { this.port.postMessage(message, transfer); }
    terminate() { this.alive = false; this.port.close(); }
  };
});
afterEach(() => page.workers.forEach((worker) => worker.alive && worker.crash(new FlamingoError('internal', 'test over'))));

// fresh loads a model in a worker of its own.
export const fresh = (options, model = './nano') => load(model, { workerURL: `${base}w${Math.random()}.js`, ...options });

// refused tells that a promise or a function ended with invalid-option and a message that has all parts.
export async function refused(attempt, ...parts) {
  const error = await (async () => (typeof attempt === 'function' ? attempt() : attempt))().then(
    () => { throw new Error(`nothing was refused, want ${parts.join(', ')}`); }, (reason) => reason);
  const missing = parts.filter((part) => !error.message.includes(part));
  if (error.code !== 'invalid-option' || !error.hint || missing.length) {
    throw new Error(`${error.code}: ${error.message} (${error.hint}), want invalid-option, a hint and ${parts.join(', ')}`);
  }
}
