// Option checking: an unknown or ill-typed option is an error that names the call, the key and what is allowed,
// because an option that is silently ignored is worse than one that is refused.
import { FlamingoError } from './errors.js';

const flag = [(v) => typeof v === 'boolean', 'true or false'];
const text = [(v) => typeof v === 'string', 'a string'];
const callback = [(v) => typeof v === 'function', 'a function'];
const address = [(v) => typeof v === 'string' || v instanceof URL, 'a URL or a string'];
const abortSignal = [(v) => typeof v?.aborted === 'boolean' && typeof v.addEventListener === 'function', 'an AbortSignal'];
const oneOf = (...names) => [(v) => names.includes(v), `one of ${names.map((n) => `"${n}"`).join(', ')}`];
const ids = (v) => Array.isArray(v) && v.length > 0 && v.every((id) => Number.isInteger(id) && id >= 0);
const words = [(v) => typeof v === 'string' || ids(v), 'a string, or a list of one or more token ids'];
const listOf = (test, what) => [(v) => Array.isArray(v) && v.every(test), `a list of ${what}`];
const integer = (min, max) => [(v) => Number.isInteger(v) && v >= min && v <= max, `a whole number from ${min} to ${max}`];
const number = (test, want) => [(v) => typeof v === 'number' && Number.isFinite(v) && test(v), want];

const generation = {
  banned: listOf((id) => Number.isInteger(id) && id >= 0, 'token ids'),
  beams: integer(1, 1024),
  lengthPenalty: number(() => true, 'a number'),
  logProbs: flag,
  maxTokens: integer(1, 65536),
  minTokens: integer(0, 65536),
  n: integer(1, 1024),
  repetitionPenalty: number((v) => v > 0, 'a number above 0'),
  seed: integer(0, 2 ** 31 - 1),
  signal: abortSignal,
  stop: listOf((v) => typeof v === 'string' && v !== '', 'texts, none of them empty'),
  temperature: number((v) => v >= 0, 'a number from 0 up'),
  topK: integer(0, 1 << 30),
  topP: number((v) => v > 0 && v <= 1, 'a number above 0 and at most 1'),
};
const shots = listOf((v) => typeof v === 'object' && v !== null, 'examples, each {image, text} or {video, text}');
const retrieve = [
  (v) => Object.keys(v ?? {}).sort().join() === 'from,n' && integer(1, 32)[0](v.n) && v.from !== '' &&
    (typeof v.from === 'string' || typeof v.from?.nearest === 'function'),
  '{from, n}: "store", a name or examples(), and a whole number from 1 to 32',
];
const scoring = { normalise: oneOf('mean', 'sum'), orders: integer(1, 1000), retrieve, seed: generation.seed, shots, signal: abortSignal };
const { signal: _, ...lasting } = generation;
const { beams: _b, lengthPenalty: _l, n: _n, ...writing } = generation;

// How a video is sampled.
export const samplingOf = {
  fps: number((v) => v > 0, 'a number above 0'),
  maxFrames: integer(1, 256),
  start: number((v) => v >= 0, 'seconds from 0 up'),
  end: number((v) => v > 0, 'seconds above 0'),
};

const engine = { worker: flag, wasmURL: address, workerURL: address };

export const schemas = {
  load: {
    ...engine,
    cache: oneOf('indexeddb', 'none'),
    device: oneOf('auto', 'webgpu', 'cpu'),
    offline: flag,
    onProgress: callback,
    revision: text,
    signal: abortSignal,
  },
  caption: { ...generation, prompt: words, retrieve, shots },
  captions: { ...writing, batch: integer(1, 64), prompt: words, question: text, shots },
  ask: { ...generation, retrieve, shots },
  prompt: generation,
  score: scoring,
  classify: scoring,
  count: { prompt: words, question: text, shots },
  embed: { signal: abortSignal },
  'examples.add': { signal: abortSignal },
  'examples.import': { signal: abortSignal },
  'examples.nearest': { signal: abortSignal },
  session: lasting,
  'session.ask': generation,
  'session.continue': generation,
  probe: engine,
  isCached: { ...engine, revision: text },
  clearCache: { ...engine, revision: text },
};

export function show(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

export const refuse = (message, hint) => new FlamingoError('invalid-option', message, { hint });

// checkOptions returns a copy of options without undefined values, or throws.
export function checkOptions(call, options = {}) {
  const schema = schemas[call];
  const allowed = Object.keys(schema).sort().join(', ');
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw refuse(`${call}: options are ${show(options)}, want an object`, `Allowed options: ${allowed}.`);
  }
  const checked = {};
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(schema, key)) {
      throw refuse(`${call}: unknown option "${key}"; allowed: ${allowed}`, `Remove "${key}" or correct its spelling.`);
    }
    if (value === undefined) continue;
    const [test, want] = schema[key];
    if (!test(value)) throw refuse(`${call}: option "${key}" is ${show(value)}, want ${want}`, `Pass ${want}, or leave "${key}" out.`);
    checked[key] = value;
  }
  return checked;
}

// What draws or bends one text, and the value at which each does nothing.
const drawing = { repetitionPenalty: 1, seed: 0, temperature: 0, topK: 0, topP: 1 };

// checkGeneration refuses options that are right one by one and make no sense together; they are checked already.
export function checkGeneration(call, options) {
  const { beams, minTokens, maxTokens, n } = options;
  const other = Object.keys(drawing).find((key) => (options[key] ?? drawing[key]) !== drawing[key]);
  if (beams && other) {
    throw refuse(`${call}: "beams" and "${other}" together, want one of them`, `A beam search does not draw: leave "${other}" out, or "beams".`);
  }
  const needy = ['lengthPenalty', 'n'].find((key) => options[key] !== undefined);
  if (!beams && needy) throw refuse(`${call}: "${needy}" without "beams"`, 'Pass beams: 3, or leave it out.');
  if (n > beams) throw refuse(`${call}: "n" is ${n}, want 1 to as many as beams, ${beams}`, 'Raise "beams", or lower "n".');
  if (minTokens > maxTokens) {
    throw refuse(`${call}: "minTokens" is ${minTokens} and "maxTokens" ${maxTokens}`, 'Pass no more "minTokens" than "maxTokens".');
  }
  return options;
}

// checkScoring is the same for options of score and classify.
export function checkScoring(call, options) {
  const { orders, retrieve, seed, shots } = options;
  if (orders && !shots && !retrieve) throw refuse(`${call}: "orders" without "shots"`, 'Only examples can be put in another order: pass some, or leave "orders" out.');
  if (seed !== undefined && !orders) throw refuse(`${call}: "seed" without "orders"`, 'Pass orders: 6, or leave "seed" out.');
  return options;
}

const hubID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;

// manifestURL turns what a caller calls a model into the absolute URL of its flamingo.json.
export function manifestURL(call, model, { revision } = {}, base) {
  let url;
  if (typeof model === 'string' && hubID.test(model) && !model.endsWith('.json')) {
    url = new URL(`https://huggingface.co/${model}/resolve/${encodeURIComponent(revision ?? 'main')}/flamingo.json`);
    return url.href;
  }
  if (revision !== undefined) {
    throw refuse(`${call}: option "revision" needs a hub id such as "org/name", got the model ${show(String(model))}`,
      'Leave "revision" out: a URL already names one version.');
  }
  if (model === '' || !address[0](model)) {
    throw refuse(`${call}: model is ${show(model)}, want a URL or a hub id such as "org/name"`, 'Pass the URL of the folder that holds flamingo.json.');
  }
  try {
    url = new URL(model, base);
  } catch {
    throw refuse(`${call}: model ${show(String(model))} is not a URL`, 'Pass the URL of the folder that holds flamingo.json.');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refuse(`${call}: model ${show(url.href)} is a ${url.protocol} URL, want http or https`, 'Serve the model folder with a web server.');
  }
  url.hash = '';
  // One spelling for one model, so that the cache has one entry for "nano", "nano/" and "nano/flamingo.json".
  if (!url.pathname.endsWith('.json')) url.pathname = `${url.pathname.replace(/\/+$/, '')}/flamingo.json`;
  return url.href;
}
