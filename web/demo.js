// The demo page: it loads the model and runs what is asked. It uses the public API only.
import { clearCache, isCached, load, probe } from './flamingo.js';
import * as answer from './demo-answer.js';
import { at, clearError, fail, query, sentence, show, speak, state, write } from './demo-dom.js';
import { follower } from './demo-follow.js';
import * as media from './demo-media.js';
import * as store from './demo-store.js';
import * as task from './demo-task.js';
import * as tray from './demo-tray.js';
import * as video from './demo-video.js';
import * as format from './format.js';

const builtIn = './models/sticker/';
const model = query.get('model') ?? builtIn;
const engine = { worker: query.get('worker') !== '0' };

let loading; // promise of the model, replaced by each attempt
let running; // AbortController of the run that is shown
let turn = 0; // the latest picture or question wins
let picture; // {media, name} as chosen last
let own; // the last that was not the board's
let stickers; // what the page has for the sticker model alone
let camera; // its <video>, or true while it is being opened

// ---- loading ------------------------------------------------------------------------------------------------------

const phases = {
  manifest: () => 'Looking up the model',
  fetch: ({ fromCache, loaded }) => (fromCache && fromCache === loaded ? 'Reading the model from this browser' : 'Downloading the model'),
  upload: () => 'Handing the model to the device',
  compile: () => 'Preparing the device',
  selftest: () => 'Checking that it computes correctly',
  ready: () => 'Ready',
};

function onProgress(progress) {
  write('phase', phases[progress.phase]?.(progress) ?? progress.phase);
  const bar = at('progress');
  if (progress.total) {
    bar.max = progress.total;
    bar.value = progress.loaded;
  } else bar.removeAttribute('value');
  write('progress-text', format.progress(progress));
}

async function loadModel() {
  clearError();
  state('loading');
  show('loading', true);
  write('phase', 'Starting');
  at('progress').removeAttribute('value');
  write('progress-text', '');
  try {
    const device = query.get('device') ?? undefined;
    const flamingo = await load(model, { ...engine, device, onProgress });
    showModel(flamingo.info);
    task.fit(flamingo.info);
    tray.fit(flamingo);
    video.fit(flamingo.info);
    store.fit(flamingo);
    media.fit(flamingo.info);
    if (flamingo.info.name === 'sticker') await openBoard(flamingo.info);
    state('ready');
    write('status', picture ? '' : 'Ready. Choose a picture or video.');
    return flamingo;
  } finally {
    show('loading', false);
    showCached();
  }
}

function startLoading() {
  loading = loadModel();
  loading.then(() => {
    keepForOffline();
    if (!picture && stickers) look();
  }, (error) => {
    loading = undefined; // the next picture tries again
    fail(error, retry);
  });
}

function retry() {
  if (picture) run();
  else startLoading();
}

// ---- what is known about model, device and storage ----------------------------------------------------------------

const knows = {
  nano: 'It was trained on drawn shapes: their colours, sizes, places and numbers. Show it a photograph and it will see shapes.',
  sticker: 'It knows some 500 everyday things as stickers on simple backgrounds. Show it a photograph and it will see stickers.',
};

function showModel(info) {
  const licences = [...new Set((info.licences ?? []).map((licence) => licence.spdx))].join(', ');
  write('model', [info.name, `${format.count(info.parameters)} parameters`, format.bytes(info.bytes), info.dtype, licences].filter(Boolean).join(' · '));
  write('knows', knows[info.name] ?? '');
  showDevice(info).catch((error) => write('device', error.message));
}

const reasons = {
  'webgpu-unavailable': ['this browser offers no WebGPU', 'Chrome or Edge 113, Safari 26 and Firefox 141 have it; the page must be https or localhost.'],
  'no-adapter': ['WebGPU found no graphics adapter', 'Turn on hardware acceleration in the browser settings, or update the graphics driver.'],
  'limits-too-small': ['the graphics adapter is too small for this model', 'A smaller model would fit.'],
};

const probing = probe(engine);

// showDevice tells what the browser offers and, once a model is loaded, what the model really runs on.
async function showDevice(info) {
  const report = await probing;
  const asked = query.get('device') === 'cpu';
  if (report.webgpu && !asked && info?.device !== 'cpu') {
    const { description, vendor, architecture } = report.adapter;
    const name = description || [vendor, architecture].filter(Boolean).join(' ');
    const useful = report.features.filter((feature) => /f16|subgroups|timestamp/.test(feature)).join(', ');
    write('device', [report.fallback ? 'WebGPU, emulated in software' : 'WebGPU', name, useful].filter(Boolean).join(' · '));
    return;
  }
  const [why, fix] = asked ? ['as the address of this page asks', ''] : reasons[report.reason] ?? ['WebGPU is not usable here', ''];
  const note = document.createElement('span');
  note.className = 'note';
  note.textContent = sentence(fix);
  at('device').replaceChildren(`CPU (WebAssembly): ${why}. `, note);
}

async function showCached() {
  const { cached, bytes } = await isCached(model, engine).catch(() => ({ cached: false, bytes: 0 }));
  const offline = Boolean(navigator.serviceWorker?.controller);
  write('cached', `Cached${offline ? ' · works offline' : ''} · ${format.bytes(bytes)}`);
  show('cached', cached);
  show('not-cached', !cached);
  show('clear-cache', bytes > 0);
}

async function showMemory(flamingo) {
  const { gpuBytes, wasmBytes } = await flamingo.stats();
  write('memory', [gpuBytes && `${format.bytes(gpuBytes)} on the device`, `${format.bytes(wasmBytes)} in WebAssembly`].filter(Boolean).join(' · '));
}

// The service worker keeps the page itself; the weights are in IndexedDB already.
async function keepForOffline() {
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker.oncontrollerchange = showCached;
  await navigator.serviceWorker.register('./sw.js').catch((error) => console.warn('no offline page:', error.message));
}

// ---- running ------------------------------------------------------------------------------------------------------

async function choose(chosen, name, range) {
  await stopCamera();
  following.leave();
  stickers?.turn(false);
  picture = own = { media: chosen, name, range };
  media.preview(chosen, name, range);
  run();
}

function busy(is) {
  show('stop', is);
  show('again', !is && picture);
  at('caption').setAttribute('aria-busy', String(is));
}

// begin ends what runs and gives the number of the new turn.
function begin(quiet) {
  running?.abort();
  clearError();
  if (!quiet) answer.clear();
  busy(false);
  return ++turn;
}

// perform asks about {image} or {video} and gives {result, pieces}.
async function perform(flamingo, part, onPiece = () => {}) {
  running = new AbortController();
  const asked = task.ask(flamingo, part, { shots: tray.shots(), ...store.retrieve() }, running.signal);
  const pieces = [];
  if (asked[Symbol.asyncIterator]) {
    for await (const piece of asked) {
      pieces.push(piece);
      onPiece(piece);
    }
  }
  return { result: await asked, pieces };
}

// run asks about the picture, once there is one and the field of the mode is filled in. A quiet one leaves the answer
// before it where it is until the new one is whole.
async function run(quiet) {
  if (camera) return;
  const mine = begin(quiet);
  if (!loading) startLoading();
  const lacking = picture ? task.lacking() : 'Choose a picture or video.';
  if (lacking || at('loading').hidden === false) write('status', lacking || 'The picture waits for the model.');
  const flamingo = await loading.catch(() => undefined); // startLoading shows the error
  if (!flamingo || mine !== turn) return;
  state(lacking ? 'ready' : 'running');
  if (lacking || !quiet) write('status', lacking || 'Looking…');
  if (lacking) return;
  if (!quiet) busy(true);
  try {
    const onPiece = (piece) => mine === turn && !quiet && answer.append(flamingo.info, piece);
    const { result, pieces } = await perform(flamingo, video.partOf(picture.media), onPiece);
    if (mine !== turn) return;
    speak(`Answer: ${answer.present(flamingo.info, result, pieces)}`);
    state('ready');
    const done = result.finish === 'length' ? `Cut off after ${result.stats.tokens} tokens.` : 'Done.';
    write('status', flamingo.info.tokenizer ? done : `${done} These are token ids: the model came without a tokenizer.`);
    showMemory(flamingo);
  } catch (error) {
    if (mine === turn) stumble(error, flamingo);
  } finally {
    if (mine === turn) busy(false);
  }
}

const following = follower(() => run(true));

// openBoard gets what the page has for the sticker model. Without it, as with a server that has stopped, the rest works.
async function openBoard(info) {
  if (stickers) return;
  try {
    const opened = await import('./demo-stickers.js');
    await opened.open(info, { look, changed: following.changed, own: () => (own ? choose(own.media, own.name, own.range) : choosing()) });
    stickers = opened;
  } catch (error) {
    console.warn('no board:', error.message);
  }
}

// look asks about the board and gives what the model says.
async function look() {
  await stopCamera();
  following.leave();
  stickers.turn(true);
  picture = { media: stickers.picture(), name: 'stickers.png' };
  await run();
  return answer.text();
}

// choosing waits for a picture of the visitor's own.
function choosing() {
  following.leave();
  begin();
  picture = undefined;
  media.previewNothing();
  state('ready');
  write('status', 'Choose a picture or video.');
}

function stumble(error, flamingo) {
  if (error.code === 'aborted') {
    state('ready');
    write('status', 'Stopped.');
    return answer.offer(flamingo.info);
  }
  const gone = ['internal', 'device-lost', 'out-of-memory'].includes(error.code);
  if (gone) loading = undefined;
  fail(error, gone ? retry : undefined);
}

// startCamera asks about what the camera sees, once a second, or as fast as the device can: never two at a time.
async function startCamera() {
  begin();
  const mine = (camera = {});
  const on = () => camera === mine;
  write('camera', 'Stop the camera');
  show('stop', true);
  if (!loading) startLoading();
  const seen = await media.openCamera(on);
  if (seen) {
    picture = undefined;
    stickers?.turn(false);
  }
  const flamingo = seen && (await loading.catch(() => undefined));
  while (flamingo && on()) {
    const nextSecond = new Promise((resolve) => setTimeout(resolve, 1000));
    const lacking = task.lacking();
    state('live');
    write('status', lacking || 'Live, once a second or as fast as this device can.');
    try {
      const { result, pieces } = lacking ? {} : await perform(flamingo, { image: seen });
      if (result && on()) answer.present(flamingo.info, result, pieces);
    } catch (error) {
      if (on() && error.code !== 'aborted') {
        await stopCamera();
        return stumble(error);
      }
    }
    show('stop', on());
    await nextSecond;
  }
  if (on()) stopCamera();
}

async function stopCamera() {
  if (!camera) return;
  camera = undefined;
  running?.abort();
  write('camera', 'Use the camera');
  show('stop', false);
  const still = await media.closeCamera();
  if (!still || picture) return;
  picture = own = { media: still, name: 'camera.png' };
  media.preview(still, picture.name);
  state('ready');
  write('status', 'The camera is off.');
}

const stop = () => (camera ? stopCamera() : running?.abort());

at('stop').onclick = stop;
document.addEventListener('keydown', ({ key }) => key === 'Escape' && stop());
at('camera').onclick = () => (camera ? stopCamera() : startCamera());
at('keep').onclick = async () => {
  await stopCamera();
  tray.add(video.partOf(await media.still(picture.media)), picture.name, answer.text(), task.question());
};
at('clear-cache').onclick = async () => {
  const { bytes } = await clearCache(model, engine).catch((error) => (fail(error), { bytes: 0 }));
  write('status', `Freed ${format.bytes(bytes)}. The model is fetched again at the next visit.`);
  await showCached();
};

answer.listen(() => picture?.name ?? 'camera.png');
media.listen(choose, tray.add);
video.listen();
store.listen();
tray.listen(media.sample);
task.listen(() => {
  if (!camera) {
    begin();
    if (!at('loading').hidden || stickers?.isShown()) run();
    else if (loading) state('ready');
    write('status', task.lacking());
  }
  tray.refresh();
}, tray.refresh, run);
showDevice().catch((error) => write('device', error.message));
startLoading();
