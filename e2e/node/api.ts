// Every name and option of web/flamingo.d.ts used as it is meant, and next to it as it is not. Nothing here runs: the
// compiler reads it, and fails where it accepts what is marked as an error. agree.test.mjs holds it complete.
import {
  clearCache, Examples, Flamingo, FlamingoError, isCached, load, probe, Run, Session,
  type Adapter, type Answer, type AskOptions, type CacheReport, type Captioned, type CaptionOptions,
  type Captioning, type CaptionsOptions, type CountOptions, type DeviceReport, type EngineOptions, type ErrorCode, type Example,
  type ExampleShot, type FlamingoCaptionElement, type GenerateOptions, type Hypothesis, type ImagePart, type Info, type Label,
  type LoadOptions, type Media, type ModelOptions, type Part, type Picture, type Piece, type Progress, type Result, type Retrieve,
  type Score, type ScoreOptions, type Shot, type VideoPart,
} from '../../web/flamingo.js';

declare const file: File;
declare const signal: AbortSignal;

// is accepts a value of exactly the type named.
declare function is<T>(value: T): void;

async function loading(): Promise<Flamingo> {
  const engine: EngineOptions = { worker: false, wasmURL: './flamingo.wasm', workerURL: new URL('https://site.test/worker.js') };
  const where: ModelOptions = { ...engine, revision: 'main' };
  const options: LoadOptions = {
    ...where, device: 'webgpu', cache: 'none', offline: true, signal,
    onProgress(progress: Progress) {
      is<'manifest' | 'fetch' | 'upload' | 'compile' | 'selftest' | 'ready'>(progress.phase);
      is<number>(progress.loaded / progress.total + progress.fromCache);
      is<number | undefined>(progress.bytesPerSecond ?? progress.etaSeconds);
    },
  };
  const report: DeviceReport = await probe(engine);
  const adapter: Adapter = report.adapter;
  is<string>(adapter.vendor + adapter.architecture + adapter.device + adapter.description + report.features.join());
  is<boolean>(report.webgpu && report.fallback);
  is<number | undefined>(report.limits.maxBufferSize);
  is<ErrorCode | undefined>(report.reason);
  const stored: CacheReport = await isCached('org/name', where);
  is<boolean>(stored.cached && stored.bytes < stored.total);
  is<number>((await clearCache()).bytes + (await clearCache(new URL('https://site.test/model/'), where)).bytes);

  // @ts-expect-error a device that does not exist
  load('./models/nano/', { device: 'gpu' });
  // @ts-expect-error a cache that does not exist
  load('./models/nano/', { cache: 'memory' });
  // @ts-expect-error an option that does not exist
  load('./models/nano/', { devise: 'cpu' });
  // @ts-expect-error no model
  load();
  // @ts-expect-error probe knows no model, hence no revision
  probe({ revision: 'main' });
  // @ts-expect-error a Flamingo comes from load alone
  new Flamingo();
  // @ts-expect-error a number is no address
  is<EngineOptions>({ wasmURL: 1 });
  // @ts-expect-error the phases are known
  is<Progress['phase']>('download');
  await load(new URL('https://site.test/model/'));
  return load('./models/nano/', options);
}

async function media(flamingo: Flamingo, canvas: HTMLCanvasElement, off: OffscreenCanvas, image: HTMLImageElement,
  video: HTMLVideoElement, bitmap: ImageBitmap, pixels: ImageData, frame: VideoFrame, camera: MediaStream) {
  const pictures: Picture[] = [file, new Blob(), bitmap, pixels, image, canvas, off, video, frame, './cat.jpg', new URL('https://site.test/cat.jpg')];
  const part: ImagePart = { image: file };
  const clip: VideoPart = { video: [bitmap, canvas], fps: 1 };
  const clips: VideoPart[] = [clip, { video: file, start: 1, end: 2.5, maxFrames: 8 }, { video: './walk.webm' }, { video }, { video: camera, fps: 2 }];
  const all: Media[] = [...pictures, camera, part, ...clips];
  for (const one of all) await flamingo.caption(one);
  // @ts-expect-error bytes alone are no picture: wrap them in a Blob
  flamingo.caption(new Uint8Array(4));
  // @ts-expect-error a stream has no one picture
  is<ImagePart>({ image: camera });
  // @ts-expect-error a part has one medium
  is<Part>({ img: file });
}

async function writing(flamingo: Flamingo) {
  const generate: GenerateOptions = {
    maxTokens: 40, minTokens: 2, temperature: 0.7, topK: 40, topP: 0.9, seed: 1, repetitionPenalty: 1.1,
    stop: ['.'], banned: [5], logProbs: true, beams: 3, lengthPenalty: 1, n: 2, signal,
  };
  const shots: Shot[] = [{ image: './cat.jpg', text: 'a cat' }, { video: [file], text: 'a walk', question: 'What is this?' }];
  const ask: AskOptions = { ...generate, shots };
  const caption: CaptionOptions = { ...ask, prompt: 'a picture of' };
  const parts: Part[] = ['Before. ', { image: file }, { video: [file] }];

  const run: Run = flamingo.caption(file, caption);
  flamingo.caption(file, { prompt: [1, flamingo.info.imageToken] });
  for await (const piece of run) {
    is<Piece>(piece);
    is<number | undefined>(piece.text.length + piece.id + (piece.logProb ?? 0));
  }
  is<ReadableStream<string>>(run.stream);
  run.abort(new Error('enough'));
  const result: Result = await run.catch((reason) => { throw reason; }).finally(() => {});
  is<Result>(await run.then((it) => it));
  const answer: Answer = result;
  is<'stop' | 'length'>(answer.finish);
  is<number[] | undefined>([...answer.ids, answer.text.length]);
  is<number[] | undefined>(answer.logProbs);
  const best: Hypothesis[] | undefined = result.best;
  is<number | undefined>(best?.[0]?.logProb ?? best?.[0]?.score);
  const { imageMs, visionMs, prefillMs, decodeMs, tokens, tokensPerSecond, encoded } = result.stats;
  is<number>(imageMs + visionMs + prefillMs + decodeMs + tokens + tokensPerSecond + encoded);

  is<Run>(flamingo.ask(file, 'What is this?', ask));
  is<Run>(flamingo.prompt(parts, generate));
  // @ts-expect-error a question is needed
  flamingo.ask(file);
  // @ts-expect-error a prompt is made of parts
  flamingo.prompt('Before. ');
  // @ts-expect-error the words behind a question are the model's own
  flamingo.ask(file, 'What is this?', { prompt: 'It is' });
  // @ts-expect-error an example says something
  flamingo.caption(file, { shots: [{ image: file }] });
  // @ts-expect-error one stop text is a list too
  flamingo.caption(file, { stop: '.' });
  // @ts-expect-error token ids, not texts
  flamingo.caption(file, { banned: ['cat'] });
  // @ts-expect-error a controller is not its signal
  flamingo.caption(file, { signal: new AbortController() });
  // @ts-expect-error pieces have no probability, but its logarithm
  for await (const { probability } of run) is<number>(probability);
  // @ts-expect-error a run comes from a model alone
  new Run();
}

async function many(flamingo: Flamingo, list: FileList, later: AsyncIterable<File>) {
  const options: CaptionsOptions = { batch: 16, question: 'What is this?', shots: [{ image: file, text: 'a cat', question: 'What?' }], maxTokens: 30, signal };
  for await (const { index, media, result, error } of flamingo.captions(list, options)) {
    is<number>(index);
    is<Media>(media);
    if (error) is<FlamingoError>(error);
    else is<Result>(result);
  }
  for await (const one of flamingo.captions(later)) is<Captioned>(one);
  // @ts-expect-error a list, not a picture
  flamingo.captions(file);
  // @ts-expect-error one search a pass
  flamingo.captions(list, { beams: 3 });
  // @ts-expect-error a generator is no run
  flamingo.captions(list).abort();
}

async function finding(flamingo: Flamingo) {
  const vector: Float32Array = await flamingo.embed({ image: file }, { signal });
  is<number>(vector.length - flamingo.info.embedding);
  const examples: Examples = flamingo.examples('birds');
  const shot: ExampleShot = { image: file, text: 'a wren', question: 'What is it?' };
  const ids: number[] = [...await examples.add(shot), ...await examples.add([shot, { image: './cat.jpg', text: 'a cat' }], { signal })];
  const list: Example[] = await examples.list();
  for (const { id, image, text, question } of list) is<string>(id.toFixed() + image.type + text + (question ?? ''));
  for (const { id, similarity } of await examples.nearest(file, 4, { signal })) is<number>(id * similarity);
  const file2: Blob = await examples.export();
  is<number>(await examples.size() + await examples.import(file2, { signal }));
  await examples.remove(...ids);
  await examples.clear();
  const retrieve: Retrieve = { from: 'store', n: 4 };
  await flamingo.caption(file, { retrieve });
  await flamingo.ask(file, 'What is it?', { retrieve: { from: examples, n: 32 } });
  await flamingo.classify(file, ['a wren'], { retrieve: { from: 'birds', n: 6 }, orders: 6, seed: 1 });
  // @ts-expect-error how many?
  flamingo.caption(file, { retrieve: { from: 'store' } });
  // @ts-expect-error a prompt has no place for them
  flamingo.prompt(['a'], { retrieve });
  // @ts-expect-error a video is no example that is kept
  examples.add({ video: [file], text: 'a walk' });
  // @ts-expect-error ids one by one
  examples.remove(ids);
  // @ts-expect-error a store comes from a model alone
  new Examples();
}

async function choosing(flamingo: Flamingo) {
  const options: ScoreOptions = { normalise: 'mean', shots: [{ image: file, text: 'a cat' }], orders: 6, seed: 1, signal };
  const scores: Score[] = await flamingo.score(file, ['a cat', 'a dog'], options);
  for (const { text, logProb, perToken, tokens, probability } of scores) {
    is<number>(text.length + logProb + perToken + (probability ?? 0));
    for (const token of tokens) is<number>(token.logProb);
  }
  await flamingo.score([{ image: file }, 'Is it raining?'], [' yes', ' no'], { normalise: 'sum' });
  const counted: CountOptions = { question: 'What is this?', shots: [{ image: file, question: 'And this?', text: 'a cat' }] };
  is<number>(await flamingo.count('ask', counted));
  is<number>(await flamingo.count('caption', { prompt: 'a photo of' }));
  is<number>(await flamingo.count(['See ', { image: file }]));
  // @ts-expect-error not a task
  flamingo.count('describe');
  const labels: Label[] = await flamingo.classify(file, ['a cat', 'a dog']);
  for (const { label, logProb, probability } of labels) is<number>(label.length + logProb + probability);
  // @ts-expect-error one of two ways
  flamingo.classify(file, ['a cat'], { normalise: 'max' });
  // @ts-expect-error labels are a list
  flamingo.classify(file, 'a cat, a dog');
  // @ts-expect-error scoring writes nothing
  flamingo.score(file, ['a cat'], { maxTokens: 4 });
}

async function talking(flamingo: Flamingo) {
  await using session: Session = flamingo.session({ maxTokens: 40 });
  await session.add({ image: file }, 'A picture of');
  is<Result>(await session.continue({ temperature: 1, signal }));
  is<Run>(session.ask('What colour is it?', { maxTokens: 4 }));
  const other: Session = session.fork();
  is<void>(other.reset());
  await other.dispose();
  // @ts-expect-error a session's defaults outlive one signal
  flamingo.session({ signal });
  // @ts-expect-error a bare picture could be a text
  session.add(file);
  // @ts-expect-error a session comes from a model alone
  new Session();
}

async function ending(flamingo: Flamingo) {
  const info: Info = flamingo.info;
  is<string>(info.name + info.revision + info.url + info.adapter + info.dtype + info.features.join() + info.notices.join());
  is<number>(info.bytes + info.parameters + info.imageSize + info.positions + info.imageToken + info.frames + info.maxFrames);
  is<boolean>(info.worker && info.fallback && info.tokenizer && info.cached);
  is<'webgpu' | 'cpu'>(info.device);
  is<string | undefined>(info.licences.map(({ component, spdx, url }) => component + spdx + url)[0] ?? info.prompts.ask);
  const { gpuBuffers, gpuBytes, wasmBytes } = await flamingo.stats();
  is<number>(gpuBuffers + gpuBytes + wasmBytes);
  // @ts-expect-error what a model is does not change
  flamingo.info.name = 'other';
  // @ts-expect-error nor does the model of a Flamingo
  flamingo.info = info;

  const error = new FlamingoError('network', 'fetch: 503', { hint: 'Try again.', cause: new Error('503') });
  is<ErrorCode>(error.code);
  is<string>(error.message + error.hint);
  // @ts-expect-error codes are known
  if (error.code === 'timeout') throw error;
  // @ts-expect-error codes do not change
  error.code = 'cors';
  await flamingo.dispose();
}

async function showing() {
  const element: FlamingoCaptionElement = document.createElement('flamingo-caption');
  const settings = { src: './cat.jpg', htmlFor: 'photo', model: './models/nano/', device: 'cpu', loading: 'lazy', mode: 'ask',
    prompt: 'a picture of', question: 'What is this?', labels: 'a cat, a dog', noWorker: true, fillAlt: true };
  Object.assign(element, settings);
  is<Partial<FlamingoCaptionElement>>(settings);
  element.addEventListener('flamingo-progress', ({ detail }) => is<Progress>(detail));
  element.addEventListener('flamingo-ready', ({ detail }) => is<Readonly<Info>>(detail.info));
  element.addEventListener('flamingo-token', ({ detail }) => is<Piece>(detail));
  element.addEventListener('flamingo-caption', ({ detail }) => is<string | Label[]>('labels' in detail ? detail.labels : detail.text));
  element.addEventListener('flamingo-error', ({ detail }) => is<FlamingoError>(detail.error));
  is<'idle' | 'loading' | 'running' | 'done' | 'error'>(element.state);
  const found: Captioning | undefined = await element.start();
  is<string | undefined>(found?.text ?? element.caption);
  element.stop();
  // @ts-expect-error the caption is the model's
  element.caption = 'a cat';
  // @ts-expect-error labels are text, as in HTML
  element.labels = ['a cat', 'a dog'];
}
