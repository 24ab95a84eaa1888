// The public API. flamingo.d.ts is its documentation.
import { captions } from './captions.js';
import { acquire } from './connection.js';
import { FlamingoError, aborted, asFlamingoError, throwIfAborted } from './errors.js';
import { Examples, nameOf, search } from './examples.js';
import { checkGeneration, checkOptions, checkScoring, manifestURL, refuse, show } from './options.js';
import { averaged } from './rank.js';
import { Rate } from './rate.js';
import { behind, mediaOf, partsOf, partsRequest, taskRequest, textsOf } from './request.js';
import { Run } from './run.js';
import { Session } from './session.js';
import { Source } from './source.js';

export { Examples, FlamingoError, Run, Session };

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

// How many vectors of pictures are remembered, so that asking again about one does not encode it again.
const maxVectors = 64;

export class Flamingo {
  #connection;
  #handle;
  #disposed;
  #runs = new Set();
  #examples = new Map();
  #vectors = new Map(); // by the key of a picture
  #turn = Promise.resolve();

  constructor(connection, handle, info) {
    this.#connection = connection;
    this.#handle = handle;
    this.info = Object.freeze(info);
  }

  caption(media, options) {
    return this.#start('caption', () => {
      const { signal, retrieve, ...checked } = checkGeneration('caption', checkOptions('caption', options));
      return { ...taskRequest('caption', 'caption', media, undefined, checked), retrieve, signal };
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
      const { signal, retrieve, ...checked } = checkGeneration('ask', checkOptions('ask', options));
      this.#checkAsks('ask');
      return { ...taskRequest('ask', 'ask', media, question ?? '', checked), retrieve, signal };
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
      const { signal, normalise, orders, retrieve, seed, ...checked } = checkScoring(call, checkOptions(call, options));
      const list = textsOf(call, what, texts);
      const finish = (scores) => ({ list: scores, normalise });
      if (!Array.isArray(media)) {
        const { request, media: seen } = taskRequest(call, task, media, undefined, checked);
        return { method: 'score', request: { ...request, texts: list }, media: seen, finish, orders: orders && { most: orders, seed }, retrieve, signal };
      }
      if (checked.shots || retrieve) throw refuse(`${call}: "${retrieve ? 'retrieve' : 'shots'}" with parts`, 'Write the examples among the parts, or pass the media alone.');
      return { method: 'score', ...partsRequest(partsOf(call, media), { texts: list }), finish, signal };
    });
  }

  async embed(media, options) {
    const { vector } = await this.#start('embed', () => {
      const { signal } = checkOptions('embed', options);
      return { method: 'embed', media: [mediaOf('embed: media', media)], signal };
    });
    return vector.slice();
  }

  examples(name = 'examples') {
    this.#checkAlive('examples');
    if (typeof name !== 'string' || name === '') throw refuse(`examples: the name is ${show(name)}, want a string`, "Leave it out, or pass one such as 'birds'.");
    const own = name === 'store' ? 'examples' : name;
    if (!this.#examples.has(own)) this.#examples.set(own, new Examples(own, this.info, (media, signal) => this.embed(media, { signal })));
    return this.#examples.get(own);
  }

  async count(what, options) {
    this.#checkAlive('count');
    const { question = '', ...checked } = checkOptions('count', options);
    const { request, media } = Array.isArray(what)
      ? partsRequest(partsOf('count', what))
      : taskRequest('count', what, undefined, what === 'ask' ? question : undefined, checked);
    return this.#connection.engine.count(this.#handle, { ...request, media: media.map((_, i) => ({ key: `${i}`, frames: 1 })) });
  }

  session(options) {
    this.#checkAlive('session');
    return new Session((call, prepare) => this.#start(call, prepare), this.info, checkOptions('session', options));
  }

  // #start runs one call in its turn: those of one model run one after another, in the order asked, and pictures are read
  // meanwhile. prepare gives {request, media, signal}, with request a function if it is known only when its turn has come,
  // and perhaps {method, finish, retrieve, orders}.
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
      return this.#perform({ call, ...job }, turn, hooks);
    }, job?.signal);
    this.#runs.add(run);
    const over = run.then(() => {}, () => {}).then(() => this.#runs.delete(run));
    this.#turn = Promise.all([turn, over]).then(() => {});
    return run;
  }

  async #perform({ call, method = 'generate', request, media, retrieve, orders, finish = (result) => result }, turn, hooks) {
    let opened = await this.#open(media, hooks);
    await until(turn, hooks.signal);
    try {
      if (method === 'embed') return await this.#see(opened[0], hooks);
      let said = typeof request === 'function' ? request() : request;
      let encoded = 0;
      if (retrieve) {
        const found = await this.#retrieve(call, retrieve, said, opened[said.query], hooks, (more) => (encoded += more));
        opened = [...(await this.#open(found.map(({ image }) => ({ image })), hooks)), ...opened];
        said = behind(found, said);
      }
      const run = (one) => this.#call(method, one, opened, hooks);
      const result = orders ? await averaged(said, orders, run) : await run(said);
      const imageMs = opened.reduce((ms, { source }) => ms + source.takeMs(), 0);
      const timed = (one) => (one.stats ? { ...one, stats: { ...one.stats, imageMs, encoded: one.stats.encoded + encoded } } : one);
      return finish(Array.isArray(result) ? result.map(timed) : timed(result));
    } finally {
      for (const { source } of opened) source.release();
    }
  }

  // #open begins to read media and gives {source, about} of each, about being what the engine is told.
  async #open(media, { signal }) {
    const sources = media.map((one) => (one instanceof Source ? one : new Source(one, signal, this.info)));
    const opened = [];
    for (const source of sources) opened.push({ source, about: await until(source.describe(), signal) });
    return opened;
  }

  #call(method, said, opened, hooks) {
    const onFrame = ({ media, frame }) => opened[media].source.frame(frame, hooks.signal);
    return this.#connection.engine[method](this.#handle, { ...said, media: opened.map(({ about }) => about) }, { ...hooks, onFrame });
  }

  // #see gives {vector, encoded} of one of the opened. Its turn must have come.
  async #see(one, hooks) {
    const { key } = one.about;
    if (key && this.#vectors.has(key)) return { vector: this.#vectors.get(key), encoded: 0 };
    const { vector, encoded } = await this.#call('embed', {}, [one], hooks);
    const seen = Float32Array.from(vector);
    if (key) this.#vectors.set(key, seen);
    if (this.#vectors.size > maxVectors) this.#vectors.delete(this.#vectors.keys().next().value);
    return { vector: seen, encoded };
  }

  // #retrieve gives the examples that are to come before the query of a request. encoded(n) is told of what is encoded.
  async #retrieve(call, { from, n }, { question }, query, hooks, encoded) {
    const name = typeof from === 'string' ? from : nameOf(from);
    const asking = question !== undefined;
    const see = async (one) => {
      const seen = await this.#see(one, hooks);
      encoded(seen.encoded);
      return seen.vector;
    };
    const embed = async (image) => see((await this.#open([{ image }], hooks))[0]);
    const found = await search(this.examples(name), () => see(query), n, { asking, embed, signal: hooks.signal });
    if (found.length > 0) return found;
    throw refuse(`${call}: "retrieve": "${name}" has no examples${asking ? ' with a question' : ''}`,
      "Add some first: await flamingo.examples().add({image: file, text: 'a cat'}).");
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
