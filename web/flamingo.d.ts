/**
 * Flamingo in the browser: a visual language model that runs on the visitor's own device.
 *
 * ```js
 * import { load } from './flamingo.js';
 * const flamingo = await load('./models/nano/');
 * for await (const piece of flamingo.caption(file)) output.append(piece.text);
 * ```
 *
 * Pictures never leave the page. The only requests are for the model's files and for this package's own files.
 */

/**
 * Loads a model and gives it back ready to run.
 *
 * @param model  A URL (absolute, or relative to the page) of a folder that holds `flamingo.json`, or of that file; or a
 *               Hugging Face hub id `"org/name"`. Two plain words with one slash are a hub id: write a relative
 *               folder as `"./models/nano"`.
 * @throws {FlamingoError} `invalid-option` before anything runs; `network`, `cors`, `offline`, `integrity`,
 *   `invalid-model`, `unsupported-model`, `out-of-memory`, `limits-too-small` before anything is downloaded; except with
 *   `device: "cpu"` also `webgpu-unavailable`, `no-adapter`; `aborted` when `signal` was aborted.
 */
export function load(model: string | URL, options?: LoadOptions): Promise<Flamingo>;

/** Says what WebGPU offers here, without loading a model. Never rejects for want of WebGPU: read `webgpu` and `reason`. */
export function probe(options?: EngineOptions): Promise<DeviceReport>;

/** Says how much of a model is in this browser's IndexedDB. `total` is 0 when nothing is known about the model. */
export function isCached(model: string | URL, options?: ModelOptions): Promise<CacheReport>;

/** Deletes a model from the cache, or every model when none is named; gives the number of bytes freed. */
export function clearCache(model?: string | URL, options?: ModelOptions): Promise<{ bytes: number }>;

/** Where the engine comes from. The defaults suit files that lie together, as in this package. */
export interface EngineOptions {
  /** Run Go in a dedicated worker (default `true`). Where a worker cannot be started the page itself is used. */
  worker?: boolean;
  /** Address of `flamingo.wasm`. Default: beside `flamingo.js`. */
  wasmURL?: string | URL;
  /** Address of `worker.js`, of this origin. Default: beside `flamingo.js`. */
  workerURL?: string | URL;
}

export interface ModelOptions extends EngineOptions {
  /** Branch, tag or commit of a hub id (default `"main"`); an error with a URL. */
  revision?: string;
}

export interface LoadOptions extends ModelOptions {
  /** `"auto"` (default) is WebGPU: it never gives way silently to `"cpu"`, which is slow and for small models. */
  device?: 'auto' | 'webgpu' | 'cpu';
  /** Where the weights are kept between visits (default `"indexeddb"`). */
  cache?: 'indexeddb' | 'none';
  /** Forbid the network: the model must be cached already, else the error is `offline`. Default `false`. */
  offline?: boolean;
  /** Aborting it makes `load` reject with `aborted`; chunks that were stored stay, so the next load resumes. */
  signal?: AbortSignal;
  /** Called about once a frame. */
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  /** In this order; a phase may be skipped. */
  phase: 'manifest' | 'fetch' | 'upload' | 'compile' | 'selftest' | 'ready';
  /** Bytes done in this phase; it only grows. */
  loaded: number;
  /** Bytes of this phase, from the manifest. */
  total: number;
  /** How many of `loaded` came from the cache. */
  fromCache: number;
  /** Speed over the last three seconds; absent until known. */
  bytesPerSecond?: number;
  /** Seconds left in this phase at that speed; absent until known. */
  etaSeconds?: number;
}

export interface DeviceReport {
  webgpu: boolean;
  adapter: Adapter;
  features: string[];
  limits: Record<string, number>;
  /** The adapter is a software emulation: it works, slowly. */
  fallback: boolean;
  /** Why there is no WebGPU, as an error code. */
  reason?: ErrorCode;
}

export interface Adapter {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
}

export interface CacheReport {
  cached: boolean;
  bytes: number;
  total: number;
}

/**
 * A picture. An `<img>`, `<canvas>` or `<video>` is read as it is shown when the call is made; a URL is fetched, subject
 * to CORS. A picture is known by its content: one that the model has seen a moment ago is not encoded again.
 */
export type Picture =
  | Blob
  | ImageBitmap
  | ImageData
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLVideoElement
  | VideoFrame
  | URL
  | string;

/** A picture where others may stand as well. */
export interface ImagePart {
  image: Picture;
}

/**
 * A video: a file, an address, a `<video>` element, a live stream, or frames that were taken already. Files and addresses
 * are never read whole: a `<video>` of the package's own, which nobody sees or hears, seeks from frame to frame, and no
 * more than two decoded frames are held, however long the video is. What an element plays is read from its source, and the
 * element left alone; one that shows a MediaSource must play, and is sampled as it does. Tracks of a stream are never
 * stopped.
 *
 * ```js
 * console.log((await flamingo.caption(file)).text); // a File that is a video
 * console.log((await flamingo.caption({ video: './walk.webm', fps: 2, start: 0.5, end: 1.5 })).text);
 * const camera = await navigator.mediaDevices.getUserMedia({ video: true });
 * console.log((await flamingo.caption({ video: camera, maxFrames: 4 })).text);
 * for (const track of camera.getTracks()) track.stop();
 * ```
 *
 * Frames in a list are read one by one as the engine wants them, and perhaps again later: leave them open and unchanged
 * while a run or a session has them. At most 256, and no more than the model takes. A stream that a session has added may
 * be sampled again, too, when the model has forgotten it.
 */
export interface VideoPart {
  video: Blob | URL | string | HTMLVideoElement | MediaStream | Picture[];
  /**
   * Frames a second, above 0 (default 1). Each is taken in the middle of its part of the range: at 1 a second after 0.5 s,
   * 1.5 s and so on; a part whose middle is behind the end has none, but the shortest video has one. Frames of a stream
   * are taken at least so far apart. With a list it is checked and changes nothing.
   */
  fps?: number;
  /**
   * 1 to 256 and to `info.maxFrames` (default 30, of a live stream 8, or what the model takes). A range that has more is
   * sampled evenly, in so many equal parts. Not with a list.
   */
  maxFrames?: number;
  /** Seconds from the beginning (default 0). Not with a stream or a list. */
  start?: number;
  /** Seconds from the beginning (default: the end). Not with a stream or a list. */
  end?: number;
}

/**
 * By itself a file whose type or first bytes say so is a video, as is a URL whose answer has a type `video/...`, a
 * `MediaStream`, and a `<video>` element; `{ image: element }` is the frame that an element shows. A model without temporal
 * embeddings (`info.frames` is 1) takes no videos.
 */
export type Media = Picture | MediaStream | ImagePart | VideoPart;

/** Words are words: `<image>` and other special tokens that are spelled in them are text. */
export type Part = string | ImagePart | VideoPart;

/**
 * An example: a picture or video, and what is to be said of it. `question` is for `ask` alone, and needed there. Without a
 * picture it is words that show the form of an answer; two of these help a model that gets no other examples.
 */
export type Shot = (ImagePart | VideoPart | { image?: never; video?: never }) & { text: string; question?: string };

/** How a text is written. Keys that are not here are errors. */
export interface GenerateOptions {
  /** Stop after this many tokens, 1 or more (default 64), or where the model's positions end. */
  maxTokens?: number;
  /** The text does not end before this many tokens (default 0), at most `maxTokens`. */
  minTokens?: number;
  /** 0 (default) is greedy: the most likely token, always the same text. Above 0, to 100: sampling. */
  temperature?: number;
  /** Sample among this many most likely tokens; 0 (default) means all. */
  topK?: number;
  /** Sample among the most likely tokens that together reach this probability, above 0 to 1 (default 1). */
  topP?: number;
  /** Whole number, 0 to 2³¹-1, that makes sampling repeatable. */
  seed?: number;
  /** Divides the odds of tokens that are in the prompt or the text already: 1 (default) for none, up to 100. */
  repetitionPenalty?: number;
  /** The text ends where one of these would begin; it is no part of the text. */
  stop?: string[];
  /** Token ids that are never written. */
  banned?: number[];
  /** Pieces and results then tell how likely each token was. */
  logProbs?: boolean;
  /**
   * Search with this many beams, 1 to 64, for the likeliest text. The result has `best`, and pieces come at the end. Not
   * with `temperature`, `topK`, `topP`, `seed` and `repetitionPenalty`: a search does not draw.
   */
  beams?: number;
  /**
   * With `beams`: texts compete by their log-probability over their length in tokens to this power, -100 to 100; with 0
   * (default) by the sum alone.
   */
  lengthPenalty?: number;
  /** With `beams`: how many texts `best` has, 1 (default) to `beams`. */
  n?: number;
  /** Aborting it makes the run reject with `aborted`. */
  signal?: AbortSignal;
}

/** Which examples to find, by the likeness of their pictures to the one in question, the most similar last. */
export interface Retrieve {
  /** `"store"` for {@link Flamingo.examples}, or the name of another store, or what `examples()` gave. */
  from: 'store' | (string & {}) | Examples;
  /** At most this many, 1 to 32. Where there are fewer all are taken; none at all is an error, `invalid-option`. */
  n: number;
}

export interface AskOptions extends GenerateOptions {
  /** Finds examples and puts them before `shots`. `ask` passes over those without a question. */
  retrieve?: Retrieve;
  /**
   * Examples, in this order before the query. As many as the model has positions for: 32 are no special case. What all
   * calls begin with is computed once.
   */
  shots?: Shot[];
}

export interface CaptionOptions extends AskOptions {
  /**
   * Words that the caption begins with, behind the model's own caption prompt; they are not repeated in the result. Or
   * the whole prompt as token ids, in which `info.imageToken` stands once, at the picture's place: the only kind that a
   * model without a tokenizer takes. Such a model is prompted by `[info.imageToken]` where this is left out.
   */
  prompt?: string | number[];
}

/** Options of `captions`: those of a caption, without a search. */
export interface CaptionsOptions extends Omit<CaptionOptions, 'beams' | 'lengthPenalty' | 'n' | 'retrieve'> {
  /** How many pictures share a pass, 1 to 64 (default 8). More is faster and takes more memory. */
  batch?: number;
  /** Ask this about each picture, in the model's template for questions, in place of a caption. */
  question?: string;
}

/** What `captions` gives for one picture: a result, or why that picture could not be read. */
export type Captioned = { index: number; media: Media } & ({ result: Result; error?: undefined } | { result?: undefined; error: FlamingoError });

export interface ScoreOptions {
  /** Finds examples and puts them before `shots`; not with parts. */
  retrieve?: Retrieve;
  /**
   * Averages log-probabilities over this many orders of the examples, 1 to 1000, all different, or over all orders where
   * there are fewer. The first is the given one; the others are drawn by `seed`. Each costs a prompt, but no picture.
   */
  orders?: number;
  /** With `orders`: whole number, 0 (default) to 2³¹-1. */
  seed?: number;
  /** Examples before the query; not with parts. */
  shots?: Shot[];
  /** What probabilities are made of: each text's log-probability per token (`"mean"`), or in all (`"sum"`). */
  normalise?: 'mean' | 'sum';
  /** Aborting it makes the promise reject with `aborted`. */
  signal?: AbortSignal;
}

/** What of a call counts; nothing of it with parts. */
export interface CountOptions {
  shots?: Shot[];
  /** With `"ask"`, and needed there. */
  question?: string;
  /** With `"caption"`. */
  prompt?: string | number[];
}

/**
 * One model on one device. What is asked of it at the same time runs one after another, in that order.
 *
 * Errors come through the run or promise: `invalid-option` before anything runs, and for a prompt that is longer than
 * the model's positions; `media-decode` (not a picture, truncated, more than 64 megapixels, ...), `cors` and `network` (a
 * picture of another site), `device-lost`, `out-of-memory`, `aborted`. After any but `device-lost` and `internal` the
 * model can be used on.
 */
export class Flamingo implements AsyncDisposable {
  private constructor();

  /**
   * Describes a picture or video. It starts at once; await the {@link Run}, iterate it, or read its stream.
   * Transparent parts count as white, EXIF rotation is applied, an animation gives its first frame.
   *
   * ```js
   * const { text } = await flamingo.caption(file, {
   *   shots: [{ image: './cat.jpg', text: 'a cat on a mat' }, { image: './dog.jpg', text: 'a dog in a park' }],
   * });
   * const { best } = await flamingo.caption(file, { beams: 3, n: 3 });
   * for (const { text, score } of best) console.log(score.toFixed(2), text);
   * ```
   */
  caption(media: Media, options?: CaptionOptions): Run;

  /**
   * Describes many pictures or videos, some at a time in one pass: what their prompts have in common, examples above all,
   * is computed once, and the weights are read once a word for all of them. Each text is the one that `caption` gives; they
   * come in the order of the list, which may be anything to iterate over and is read as far as needed. A picture that
   * cannot be read has an `error` and stops nothing; any other error does. Leaving the loop stops the work. Times in
   * `stats`, and `encoded`, are those of all pictures that shared the pass.
   *
   * ```js
   * for await (const { media, result, error } of flamingo.captions(files, { maxTokens: 30 })) {
   *   console.log(media.name, error ? error.message : result.text);
   * }
   * ```
   */
  captions(list: Iterable<Media> | AsyncIterable<Media>, options?: CaptionsOptions): AsyncGenerator<Captioned, void, void>;

  /**
   * Answers a question about a picture or video, in the model's own template for questions, `info.prompts.ask`. A model
   * that has none refuses, with `invalid-option`: spell the question in {@link Flamingo.prompt} then.
   *
   * ```js asks
   * const shots = [{ image: './cat.jpg', question: 'What animal is this?', text: 'a cat' }];
   * for await (const piece of flamingo.ask(file, 'What animal is this?', { shots })) output.append(piece.text);
   * ```
   */
  ask(media: Media, question: string, options?: AskOptions): Run;

  /**
   * Writes what follows words, pictures and videos as they come: nothing is put between them, not even a space.
   *
   * ```js
   * const parts = [{ image: before }, 'Before. ', { image: after }, 'After: the'];
   * console.log((await flamingo.prompt(parts, { maxTokens: 20 })).text);
   * ```
   */
  prompt(parts: Part[], options?: GenerateOptions): Run;

  /**
   * Tells how likely each of some texts is as a caption, or behind parts; in the order given. A caption stands behind the
   * model's template with what that puts in front of it, mostly a space; behind parts texts stand as they are. Each text
   * is cut into tokens by itself, and the token that would end it is not counted. The prompt runs once for all texts.
   * With `normalise` each score has its probability among the texts, by a softmax.
   *
   * ```js
   * const [cat, dog] = await flamingo.score(file, ['a cat', 'a dog']);
   * console.log(cat.logProb > dog.logProb ? 'cat' : 'dog');
   * const [yes, no] = await flamingo.score([{ image: file }, 'Is it raining?'], [' yes', ' no'], { normalise: 'sum' });
   * console.log(`${Math.round(100 * yes.probability)} %`);
   * ```
   */
  score(media: Media | Part[], texts: string[], options?: ScoreOptions): Promise<Score[]>;

  /**
   * Chooses among labels: {@link Flamingo.score} in the model's template for classification, `info.prompts.classify`, or
   * for captions where it has none; the likeliest first. Probabilities are a softmax over the labels' log-probability per
   * token, as OpenFlamingo ranks them, or with `normalise: "sum"` over the whole one, which favours short labels.
   *
   * ```js
   * const [best] = await flamingo.classify(file, ['a cat', 'a dog', 'a horse']);
   * console.log(best.label, `${Math.round(100 * best.probability)} %`);
   * ```
   */
  classify(media: Media | Part[], labels: string[], options?: ScoreOptions): Promise<Label[]>;

  /**
   * Gives the vector, of length 1, by which pictures are compared: the contrastive projection of the vision encoder where
   * the model has one, and else the mean of its features; of a video that of its last frame. The product of two is their
   * likeness, 1 for the same picture. Those of another `info.revision` must not be compared with it.
   *
   * ```js
   * const [a, b] = await Promise.all([flamingo.embed(file), flamingo.embed('./cat.jpg')]);
   * console.log(a.reduce((sum, x, i) => sum + x * b[i], 0));
   * ```
   */
  embed(media: Media, options?: { signal?: AbortSignal }): Promise<Float32Array>;

  /**
   * The store of examples of that name (default `"examples"`) in this browser, of this origin: the same for all models.
   * Nothing is read before it is used.
   *
   * ```js
   * const examples = flamingo.examples();
   * await examples.add([{ image: './cat.jpg', text: 'a cat on a mat' }, { image: './dog.jpg', text: 'a dog in a park' }]);
   * console.log((await flamingo.caption(file, { retrieve: { from: 'store', n: 4 } })).text);
   * ```
   */
  examples(name?: string): Examples;

  /**
   * Tells how many of `info.positions` the prompt of a task or of parts takes, as tokens: an answer has what it leaves. No
   * picture is read, and no run is waited for.
   *
   * ```js
   * const shots = [{ image: './cat.jpg', text: 'a cat on a mat' }];
   * console.log(await flamingo.count('caption', { shots }), 'of', flamingo.info.positions);
   * ```
   */
  count(what: 'caption' | 'ask' | 'classify' | Part[], options?: CountOptions): Promise<number>;

  /**
   * Begins a conversation, which keeps what was said and seen. Options are the defaults of its runs.
   *
   * ```js
   * await using session = flamingo.session({ maxTokens: 40 });
   * await session.add({ image: file }, 'A picture of');
   * console.log((await session.continue()).text);
   * ```
   *
   * @throws {FlamingoError} `invalid-option`, at once.
   */
  session(options?: Omit<GenerateOptions, 'signal'>): Session;

  readonly info: Readonly<Info>;

  /** Memory in use by the engine, in bytes, over all its models. */
  stats(): Promise<{ gpuBuffers: number; gpuBytes: number; wasmBytes: number }>;

  /** Aborts what runs, frees the model's memory and resolves when that has happened. May be called twice. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Info {
  name: string;
  revision: string;
  /** Address of the manifest. */
  url: string;
  /** Bytes of weights. */
  bytes: number;
  parameters: number;
  device: 'webgpu' | 'cpu';
  /** False when Go runs on the page itself. */
  worker: boolean;
  /** The adapter's name; `probe()` says more. */
  adapter: string;
  features: string[];
  /** The device is a software emulation: it works, slowly. */
  fallback: boolean;
  /** The format that holds most of the weights. */
  dtype: string;
  licences: { component: string; spdx: string; url?: string }[];
  /**
   * The model's templates by task: `caption`, which is always there, and perhaps `ask` and `classify`; `caption.shot` and
   * its like are those of an example. `<image>`, `{question}` and `{text}` stand for what a call says.
   */
  prompts: Record<string, string>;
  /** The side, in pixels, of the square the model sees. */
  imageSize: number;
  /** Frames of the videos that the model was trained with; 1 for a model without temporal embeddings. */
  frames: number;
  /** The most frames of a video that the model takes; 1 where it takes pictures alone. */
  maxFrames: number;
  /** How many numbers {@link Flamingo.embed} gives. */
  embedding: number;
  /** How many tokens a prompt and its answer may have together. */
  positions: number;
  /** False for a model that takes and gives token ids only: its texts are empty. */
  tokenizer: boolean;
  /** The id of the token that stands for the picture in a prompt. */
  imageToken: number;
  /** The whole model is in the cache now. */
  cached: boolean;
  /** What went otherwise than hoped while loading, but not wrong, such as a cache that is full. */
  notices: string[];
}

/**
 * One generation. `await run` gives the result; `for await (const piece of run)` gives pieces as they are made, from the
 * first one for every loop; `run.stream` gives their texts. They may be combined. Leaving a loop early (`break`,
 * `return`, a throw) and cancelling the stream abort the run.
 */
export class Run implements PromiseLike<Result>, AsyncIterable<Piece> {
  private constructor();
  then: Promise<Result>['then'];
  catch: Promise<Result>['catch'];
  finally: Promise<Result>['finally'];
  [Symbol.asyncIterator](): AsyncGenerator<Piece, void, void>;
  /** The same stream at every access. */
  readonly stream: ReadableStream<string>;
  /** Stops the run, which then rejects with `aborted`; pieces already made can still be iterated. */
  abort(reason?: unknown): void;
}

export interface Piece {
  /** May be empty, while a character is not complete and without a tokenizer. */
  text: string;
  id: number;
  /** With `logProbs`: of the token among all, in nats, 0 or less; before temperature, penalty and selection. */
  logProb?: number;
}

export interface Answer {
  /** Empty where the model has no tokenizer. */
  text: string;
  /** Token ids of the answer. */
  ids: number[];
  /** `"stop"`: the model ended the text, or one of `stop` came; `"length"`: `maxTokens` or the last position was reached. */
  finish: 'stop' | 'length';
  /** With `logProbs`: of each of `ids`, as in {@link Piece}. */
  logProbs?: number[];
}

export interface Result extends Answer {
  /** With `beams`: the `n` likeliest texts, best first; the result's own is the first. */
  best?: Hypothesis[];
  stats: {
    /** Reading and decoding pictures, as far as the model waited for it, ms; for a live stream its time goes by in it. */
    imageMs: number;
    /** Vision encoder and resampler, ms; 0 with `beams`; without the search of `retrieve`. */
    visionMs: number;
    /** The prompt through the language model, ms; 0 with `beams`. */
    prefillMs: number;
    /** All tokens of the answer, ms; with `beams` everything but `imageMs`. */
    decodeMs: number;
    tokens: number;
    tokensPerSecond: number;
    /**
     * How many pictures and videos were encoded for this call; those that were known already are not among them, those
     * that `retrieve` encoded to find examples are.
     */
    encoded: number;
  };
}

export interface Hypothesis extends Answer {
  /** Sum over the tokens, the one that ended the text included, in nats. */
  logProb: number;
  /** `logProb` over the number of tokens to the power of `lengthPenalty`. */
  score: number;
}

export interface Score {
  text: string;
  /** Sum over the tokens, in nats, 0 or less. */
  logProb: number;
  /** `logProb` over the number of tokens. */
  perToken: number;
  tokens: Required<Piece>[];
  /** With `normalise`: among the texts, 0 to 1; they add up to 1. */
  probability?: number;
}

export interface Label {
  label: string;
  /** Sum over its tokens, in nats. */
  logProb: number;
  /** Among the labels, 0 to 1; they add up to 1. */
  probability: number;
}

/** An example in the store. */
export interface Example {
  /** Whole numbers that grow. */
  id: number;
  /**
   * The picture, as PNG or JPEG, without what a camera wrote into the file; its longer side has at most 256 pixels, or as
   * many as `info.imageSize` of the model that it was added with, if that is more.
   */
  image: Blob;
  text: string;
  question?: string;
}

/**
 * A store of examples in IndexedDB, of thousands of them. It stays there when the page is closed; browsers may clear it
 * when space runs short, except where `navigator.storage.persist()` was granted. Examples that were added with another
 * model are embedded again when first searched, which takes a while and may be aborted; what is done stays done.
 *
 * Errors: `invalid-option`, `quota-exceeded`, `aborted`; those of a picture in `add` and `nearest`; and `internal` where
 * IndexedDB is missing or fails.
 */
export class Examples {
  private constructor();

  /**
   * Adds pictures with what is to be said of them, and with a question if they are to serve in `ask`; gives their ids. An
   * example that is there already keeps its id. Each is stored whole before the next one is looked at: after an error or
   * an abort those before it are there.
   */
  add(shots: ExampleShot | ExampleShot[], options?: { signal?: AbortSignal }): Promise<number[]>;

  /** All examples, the oldest first. Their pictures are read when they are used. */
  list(): Promise<Example[]>;

  size(): Promise<number>;

  /** Removes examples; ids that are not there are passed over. */
  remove(...ids: number[]): Promise<void>;

  clear(): Promise<void>;

  /** The n examples that are most like a picture, or all where there are fewer; the most similar last. */
  nearest(media: Media, n: number, options?: { signal?: AbortSignal }): Promise<(Example & { similarity: number })[]>;

  /**
   * All examples as one file, to be kept or given away; it holds pictures, texts and vectors. Its format has a version,
   * is described in `archive.js`, and will be read by later versions.
   */
  export(): Promise<Blob>;

  /**
   * Adds the examples of a file that `export` made, those that are not there already, and gives how many. All of the file
   * is checked first: one that is damaged, or made to do harm, is `invalid-option` and changes nothing.
   */
  import(file: Blob, options?: { signal?: AbortSignal }): Promise<number>;
}

/** A picture, and what is to be said of it, perhaps in answer to a question. */
export interface ExampleShot extends ImagePart {
  text: string;
  question?: string;
}

/**
 * A conversation: words, pictures and answers, one behind the other. Each run costs only what is new since the model's
 * last one; conversations that take turns on one model cost more, but are answered the same.
 *
 * ```js
 * const session = flamingo.session({ maxTokens: 40 });
 * await session.add({ image: file }, 'A picture of');
 * console.log((await session.continue()).text);
 * await session.add(' It was taken in');
 * const other = session.fork();
 * console.log((await session.continue()).text, (await other.continue({ temperature: 1 })).text);
 * ```
 *
 * An answer that ended by itself is followed by the token that ends a chunk; one that reached `maxTokens` is gone on with
 * where it stopped. A run that fails or is stopped leaves the session as it was before the call.
 */
export class Session implements AsyncDisposable {
  private constructor();

  /**
   * Appends parts. It resolves when the pictures have been read, and need not be awaited before the next call. Where one
   * cannot be read it rejects, appends nothing, and runs that were asked for meanwhile reject as well.
   *
   * ```js
   * await session.add('Now look at this: ', { image: file });
   * ```
   */
  add(...parts: Part[]): Promise<void>;

  /**
   * Appends a question about what was added last, in the model's template for questions without its picture, and writes
   * the answer. A model that has none refuses, with `invalid-option`: spell the question in `add` then.
   *
   * ```js asks
   * await session.add({ image: file });
   * console.log((await session.ask('What is in the picture?')).text, (await session.ask('What colour is it?')).text);
   * ```
   */
  ask(question: string, options?: GenerateOptions): Run;

  /**
   * Writes what comes next.
   *
   * ```js
   * for await (const piece of session.continue({ stop: ['.'] })) output.append(piece.text);
   * ```
   */
  continue(options?: GenerateOptions): Run;

  /**
   * A conversation of its own that begins like this one; an answer that is still being written belongs to both.
   *
   * ```js
   * const other = session.fork();
   * await other.add(' However,');
   * ```
   */
  fork(): Session;

  /**
   * Forgets everything that was said; runs under way go on, and are no part of the conversation.
   *
   * ```js
   * session.reset();
   * ```
   */
  reset(): void;

  /**
   * Stops this conversation's runs and lets go of its pictures. Forks live on. May be called twice.
   *
   * ```js
   * await session.dispose();
   * ```
   */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * - `webgpu-unavailable` the browser has no WebGPU, or the page is not https
 * - `no-adapter` WebGPU is there but no graphics adapter is offered
 * - `limits-too-small` the adapter cannot hold this model
 * - `network` a request failed or was answered with an error status
 * - `cors` another site does not let this page read its answer
 * - `integrity` bytes differ from the manifest's hash, again after a second fetch
 * - `quota-exceeded` the browser's storage is full
 * - `unsupported-model` a model of a kind or version this build does not know
 * - `invalid-model` the manifest or a file contradicts itself
 * - `media-decode` not a picture or video this browser can decode, or a stream that ended; the message says why
 * - `invalid-option` an unknown or ill-typed option or argument, what the model cannot take, or a call after dispose
 * - `device-lost` the graphics device went away
 * - `out-of-memory` the device or the tab has no room
 * - `offline` the network is needed and is off or forbidden
 * - `aborted` stopped by the caller; its `name` is `AbortError`
 * - `internal` a bug, or an engine that crashed; the next `load` starts a fresh one
 */
export type ErrorCode =
  | 'webgpu-unavailable' | 'no-adapter' | 'limits-too-small' | 'network' | 'cors' | 'integrity' | 'quota-exceeded'
  | 'unsupported-model' | 'invalid-model' | 'media-decode' | 'invalid-option' | 'device-lost' | 'out-of-memory'
  | 'offline' | 'aborted' | 'internal';

/** The one error class. `message` says where and what; `hint` says what to do next, in one sentence. */
export class FlamingoError extends Error {
  constructor(code: ErrorCode, message: string, more?: { hint?: string; cause?: unknown });
  readonly code: ErrorCode;
  readonly hint: string;
}

/**
 * `<flamingo-caption>`, which `flamingo-caption.js` defines: what a picture or video shows, as an element. Properties are
 * the attributes of the same name, of `for`, `no-worker` and `fill-alt` in other letters. Elements with the same `model`,
 * `device` and `no-worker` share one engine. An attribute that changes makes the element idle again.
 *
 * ```js
 * import './flamingo-caption.js';
 * const element = document.createElement('flamingo-caption');
 * Object.assign(element, { src: './cat.jpg', mode: 'classify', labels: 'a cat, a dog' });
 * element.addEventListener('flamingo-caption', ({ detail }) => console.log(detail.text));
 * output.append(element);
 * await element.start();
 * ```
 */
export interface FlamingoCaptionElement extends HTMLElement {
  /** Address of a picture, or of a video (`.mp4`, `.m4v`, `.mov`, `.ogv`, `.webm`); the element shows it. */
  src: string;
  /** `for`: the id of an `<img>`, `<canvas>` or `<video>` to read instead. */
  htmlFor: string;
  /** As for {@link load} (default: the built-in model). */
  model: string;
  /** As for {@link load} (default `"auto"`). */
  device: string;
  /** `no-worker`: run on the page itself. */
  noWorker: boolean;
  /** When to start: at a click (default `"interaction"`: nothing is downloaded before), when it is in view, or at once. */
  loading: string;
  /** `"caption"` (default), `"ask"` or `"classify"`; another one is an error, which the element shows. */
  mode: string;
  /** Words that a caption begins with. */
  prompt: string;
  /** What `mode="ask"` asks; its button shows it. */
  question: string;
  /** What `mode="classify"` chooses among, separated by commas. */
  labels: string;
  /** `fill-alt`: give the caption to an `<img>` that has no alternative text of its author's. */
  fillAlt: boolean;
  /** The text so far. */
  readonly caption: string;
  /** Also as attribute `state`, and as `:state(name)` in CSS. */
  readonly state: 'idle' | 'loading' | 'running' | 'done' | 'error';
  /** Begins, or begins again. `undefined` where that was stopped or failed. */
  start(): Promise<Captioning | undefined>;
  stop(): void;
}

/** What the element found out: with `mode="classify"` all labels, whose first is the text, else a {@link Result}. */
export type Captioning = Result | { text: string; labels: Label[] };

declare global {
  interface HTMLElementTagNameMap {
    'flamingo-caption': FlamingoCaptionElement;
  }
  /** All of them bubble and cross shadow roots. */
  interface HTMLElementEventMap {
    'flamingo-progress': CustomEvent<Progress>;
    'flamingo-ready': CustomEvent<{ info: Readonly<Info> }>;
    'flamingo-token': CustomEvent<Piece>;
    'flamingo-caption': CustomEvent<Captioning>;
    'flamingo-error': CustomEvent<{ error: FlamingoError }>;
  }
}
