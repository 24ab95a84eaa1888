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

/** A picture. An `<img>`, `<canvas>` or `<video>` is read as it is shown now; a URL is fetched, subject to CORS. */
export type Media =
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

export interface CaptionOptions {
  /**
   * Words that the caption begins with, behind the model's own caption prompt; they are not repeated in the result. Or
   * the whole prompt as token ids, in which `info.imageToken` stands once, at the picture's place: the only kind that a
   * model without a tokenizer takes. Such a model is prompted by `[info.imageToken]` where this is left out.
   */
  prompt?: string | number[];
  /** Stop after this many tokens, 1 or more. Default: the model's. */
  maxTokens?: number;
  /** 0 (default) is greedy: the most likely token, always the same caption. Above 0: sampling. */
  temperature?: number;
  /** Sample among this many most likely tokens; 0 (default) means all. */
  topK?: number;
  /** Sample among the most likely tokens that together reach this probability, above 0 to 1 (default 1). */
  topP?: number;
  /** Whole number that makes sampling repeatable. */
  seed?: number;
  /** Aborting it makes the run reject with `aborted`. */
  signal?: AbortSignal;
}

/** One model on one device. Captions asked for at the same time run one after another. */
export class Flamingo implements AsyncDisposable {
  private constructor();

  /**
   * Describes a picture. It starts at once; await the {@link Run}, iterate it, or read its stream.
   * Transparent parts count as white, EXIF rotation is applied, an animation gives its first frame.
   *
   * @throws {FlamingoError} through the run: `media-decode` (not a picture, truncated, more than 64 megapixels, ...),
   *   `cors` (a picture of another site), `invalid-option`, `device-lost`, `out-of-memory`, `aborted`.
   */
  caption(media: Media, options?: CaptionOptions): Run;

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
  prompts: Record<string, string>;
  /** The side, in pixels, of the square the model sees. */
  imageSize: number;
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
}

export interface Result {
  /** Empty where the model has no tokenizer. */
  text: string;
  /** Token ids of the answer. */
  ids: number[];
  /** `"stop"`: the model ended the sentence; `"length"`: maxTokens was reached. */
  finish: 'stop' | 'length';
  stats: {
    /** Reading and decoding the picture, ms. */
    imageMs: number;
    /** Vision encoder and resampler, ms. */
    visionMs: number;
    /** The prompt through the language model, ms. */
    prefillMs: number;
    /** All tokens of the answer, ms. */
    decodeMs: number;
    tokens: number;
    tokensPerSecond: number;
  };
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
 * - `media-decode` not a picture this browser can decode; the message says why
 * - `invalid-option` an unknown or ill-typed option, or a call after dispose
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
