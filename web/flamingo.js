// The public API. flamingo.d.ts is its documentation.
import { acquire } from './connection.js';
import { FlamingoError, aborted, asFlamingoError, throwIfAborted } from './errors.js';
import { readMedia } from './media.js';
import { checkOptions, manifestURL } from './options.js';
import { Rate } from './rate.js';
import { Run } from './run.js';

export { FlamingoError, Run };

const pageURL = () => globalThis.document?.baseURI ?? globalThis.location?.href;

// A callback that throws must not take the engine down with it: in one realm with Go it would be a Go panic.
const safely = (callback) => (value) => {
  try {
    callback(value);
  } catch (error) {
    globalThis.reportError(error);
  }
};

// until waits for promise, or rejects as soon as signal is aborted; the promise itself runs on.
function until(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(aborted(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
  });
}

// withEngine runs one call on a connection and gives the connection back.
async function withEngine(options, use) {
  const connection = await acquire(options);
  try {
    return await use(connection.engine);
  } catch (error) {
    throw asFlamingoError(error);
  } finally {
    connection.release();
  }
}

export async function load(model, options) {
  const { signal, onProgress, worker, wasmURL, workerURL, revision, ...settings } = checkOptions('load', options);
  const url = manifestURL('load', model, { revision }, pageURL());
  throwIfAborted(signal);

  const opening = acquire({ worker, wasmURL, workerURL });
  let connection;
  try {
    connection = await until(opening, signal);
  } catch (error) {
    // Aborted while the engine was starting: it is still coming, and is to be given back when it arrives.
    opening.then((late) => late.release(), () => {});
    throw asFlamingoError(error);
  }

  const rate = new Rate();
  const report = onProgress && safely((progress) => onProgress({ ...progress, ...rate.update(progress, performance.now()) }));
  try {
    const { handle, info } = await connection.engine.load(
      url,
      { device: 'auto', cache: 'indexeddb', offline: false, ...settings },
      { signal, onProgress: report ?? (() => {}) },
    );
    return new Flamingo(connection, handle, { ...info, url, worker: connection.worker });
  } catch (error) {
    connection.release();
    throw asFlamingoError(error);
  }
}

export async function probe(options) {
  return withEngine(checkOptions('probe', options), (engine) => engine.probe());
}

export async function isCached(model, options) {
  const checked = checkOptions('isCached', options);
  const url = manifestURL('isCached', model, checked, pageURL());
  return withEngine(checked, (engine) => engine.isCached(url));
}

export async function clearCache(model, options) {
  const checked = checkOptions('clearCache', options);
  const url = model === undefined ? undefined : manifestURL('clearCache', model, checked, pageURL());
  return withEngine(checked, (engine) => engine.clearCache(url));
}

export class Flamingo {
  #connection;
  #handle;
  #disposed;
  #runs = new Set();
  #turn = Promise.resolve();

  constructor(connection, handle, info) {
    this.#connection = connection;
    this.#handle = handle;
    this.info = Object.freeze(info);
  }

  caption(media, options) {
    let signal, generation, refusal;
    try {
      this.#checkAlive('caption');
      ({ signal, ...generation } = checkOptions('caption', options));
    } catch (error) {
      refusal = error;
    }

    // Captions of one model run one after another, in the order asked; pictures are decoded meanwhile.
    const turn = this.#turn;
    const run = new Run(async (hooks) => {
      if (refusal) throw refusal;
      const decoding = performance.now();
      const image = await until(readMedia(media, hooks.signal), hooks.signal);
      const imageMs = performance.now() - decoding;
      await until(turn, hooks.signal);
      const result = await this.#connection.engine.caption(this.#handle, image, generation, hooks);
      return { ...result, stats: { ...result.stats, imageMs } };
    }, signal);
    this.#runs.add(run);
    const over = run.then(() => {}, () => {}).then(() => this.#runs.delete(run));
    this.#turn = Promise.all([turn, over]).then(() => {});
    return run;
  }

  async stats() {
    this.#checkAlive('stats');
    return this.#connection.engine.stats();
  }

  dispose() {
    this.#disposed ??= (async () => {
      for (const run of this.#runs) run.abort();
      await this.#turn;
      // An engine that has crashed holds nothing any more, so its refusal is no failure to dispose.
      await this.#connection.engine.dispose(this.#handle).catch(() => {});
      this.#connection.release();
    })();
    return this.#disposed;
  }

  #checkAlive(call) {
    if (this.#disposed) {
      throw new FlamingoError('invalid-option', `${call}: this Flamingo was disposed`, { hint: 'Call load() for a new one.' });
    }
  }
}

// Symbol.asyncDispose is younger than WebGPU in some browsers; `await using` needs it, nothing else does.
if (Symbol.asyncDispose) {
  Flamingo.prototype[Symbol.asyncDispose] = function () {
    return this.dispose();
  };
}
