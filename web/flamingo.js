// The public API. flamingo.d.ts is its documentation.
import { captions } from './captions.js';
import { acquire } from './connection.js';
import { FlamingoError, aborted, asFlamingoError, throwIfAborted } from './errors.js';
import { checkGeneration, checkOptions, manifestURL, refuse } from './options.js';
import { Rate } from './rate.js';
import { partsOf, partsRequest, taskRequest, textsOf } from './request.js';
import { Run } from './run.js';
import { Session } from './session.js';
import { Source } from './source.js';

export { FlamingoError, Run, Session };

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

// withProbabilities adds to scored texts how likely each is among them: a softmax over what the texts have per token, or
// in all.
function withProbabilities(scores, normalise) {
  const of = ({ perToken, logProb }) => (normalise === 'sum' ? logProb : perToken);
  const top = Math.max(...scores.map(of));
  const odds = scores.map((score) => Math.exp(of(score) - top));
  const total = odds.reduce((sum, odd) => sum + odd, 0);
  return scores.map((score, i) => ({ ...score, probability: odds[i] / total }));
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
    return this.#start('caption', () => {
      const { signal, ...checked } = checkGeneration('caption', checkOptions('caption', options));
      return { ...taskRequest('caption', 'caption', media, undefined, checked), signal };
    });
  }

  captions(list, options) {
    this.#checkAlive('captions');
    const { question, ...checked } = checkGeneration('captions', checkOptions('captions', options));
    if (question !== undefined) this.#checkAsks('captions');
    return captions((prepare) => this.#start('captions', prepare), list, question, checked);
  }

  ask(media, question, options) {
    return this.#start('ask', () => {
      const { signal, ...checked } = checkGeneration('ask', checkOptions('ask', options));
      this.#checkAsks('ask');
      return { ...taskRequest('ask', 'ask', media, question ?? '', checked), signal };
    });
  }

  prompt(parts, options) {
    return this.#start('prompt', () => {
      const { signal, ...checked } = checkGeneration('prompt', checkOptions('prompt', options));
      return { ...partsRequest(partsOf('prompt', parts), checked), signal };
    });
  }

  async score(media, texts, options) {
    const { list, normalise } = await this.#compare('score', 'caption', media, 'texts', texts, options);
    return normalise ? withProbabilities(list, normalise) : list;
  }

  async classify(media, labels, options) {
    const { list, normalise = 'mean' } = await this.#compare('classify', 'classify', media, 'labels', labels, options);
    return withProbabilities(list, normalise)
      .map(({ text, logProb, probability }) => ({ label: text, logProb, probability }))
      .sort((a, b) => b.probability - a.probability);
  }

  #compare(call, task, media, what, texts, options) {
    return this.#start(call, () => {
      const { signal, normalise, ...checked } = checkOptions(call, options);
      const list = textsOf(call, what, texts);
      const finish = (scores) => ({ list: scores, normalise });
      if (!Array.isArray(media)) {
        const { request, media: seen } = taskRequest(call, task, media, undefined, checked);
        return { method: 'score', request: { ...request, texts: list }, media: seen, finish, signal };
      }
      if (checked.shots) throw refuse(`${call}: "shots" with parts`, 'Write the examples among the parts, or pass the media alone.');
      return { method: 'score', ...partsRequest(partsOf(call, media), { texts: list }), finish, signal };
    });
  }

  session(options) {
    this.#checkAlive('session');
    return new Session((call, prepare) => this.#start(call, prepare), this.info, checkOptions('session', options));
  }

  // #start runs one call in its turn: those of one model run one after another, in the order asked, and pictures are read
  // meanwhile. prepare gives {request, media, signal}, with request a function if it is known only when its turn has come.
  #start(call, prepare) {
    let job, refusal;
    try {
      this.#checkAlive(call);
      job = prepare();
    } catch (error) {
      refusal = error;
    }
    const turn = this.#turn;
    const run = new Run(async (hooks) => {
      if (refusal) throw refusal;
      return this.#perform(job, turn, hooks);
    }, job?.signal);
    this.#runs.add(run);
    const over = run.then(() => {}, () => {}).then(() => this.#runs.delete(run));
    this.#turn = Promise.all([turn, over]).then(() => {});
    return run;
  }

  async #perform({ method = 'generate', request, media, finish = (result) => result }, turn, hooks) {
    const sources = media.map((one) => (one instanceof Source ? one : new Source(one, hooks.signal, this.info)));
    const described = [];
    for (const source of sources) described.push(await until(source.describe(), hooks.signal));
    await until(turn, hooks.signal);
    const said = typeof request === 'function' ? request() : request;
    const onFrame = ({ media: i, frame }) => sources[i].frame(frame, hooks.signal);
    const running = this.#connection.engine[method](this.#handle, { ...said, media: described }, { ...hooks, onFrame });
    const result = await running.finally(() => sources.forEach((source) => source.release()));
    const imageMs = sources.reduce((ms, source) => ms + source.takeMs(), 0);
    const timed = (one) => (one.stats ? { ...one, stats: { ...one.stats, imageMs } } : one);
    return finish(Array.isArray(result) ? result.map(timed) : timed(result));
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

  #checkAsks(call) {
    if (this.info.prompts?.ask) return;
    throw refuse(`${call}: this model has no prompt template for questions`,
      "Spell the prompt yourself: prompt([{image: file}, 'Question: what is this? Answer:']).");
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
