// The demo page. It uses the public API only.
import { clearCache, isCached, load, probe } from './flamingo.js';
import * as format from './format.js';

const query = new URLSearchParams(location.search);
const model = query.get('model') ?? './models/nano/';
const engine = { worker: query.get('worker') !== '0' };

const at = (id) => document.getElementById(id);
const show = (id, visible) => (at(id).hidden = !visible);
const write = (id, text) => (at(id).textContent = text);
const setState = (name) => (document.documentElement.dataset.state = name);

let loading; // promise of the model, replaced by each attempt
let run; // the caption being made
let turn = 0; // the latest picture wins
let picture; // {media, name} as chosen last

// ---- errors -------------------------------------------------------------------------------------------------------

const sentence = (text) => {
  const said = text.trim();
  return said && !/[.!?]$/.test(said) ? `${said}.` : said;
};

function fail(error, retry) {
  setState('error');
  // The first words say which part spoke, which is for the console.
  const what = error.message.replace(/^([a-z.]+: )+/, '');
  write('error-what', sentence(/^https?:/.test(what) ? what : what[0].toUpperCase() + what.slice(1)));
  write('error-next', sentence(error.hint ?? ''));
  show('error', true);
  show('retry', Boolean(retry));
  at('retry').onclick = retry ?? null;
  const needsGPU = ['webgpu-unavailable', 'no-adapter', 'limits-too-small', 'device-lost'].includes(error.code);
  show('use-cpu', needsGPU);
  if (needsGPU) {
    const other = new URLSearchParams(query);
    other.set('device', 'cpu');
    at('use-cpu').href = `?${other}`;
  }
  write('status', '');
  console.error(error.code, error);
}

const clearError = () => show('error', false);

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
  setState('loading');
  show('loading', true);
  write('phase', 'Starting');
  at('progress').removeAttribute('value');
  write('progress-text', '');
  try {
    const device = query.get('device') ?? undefined;
    const flamingo = await load(model, { ...engine, device, onProgress });
    showModel(flamingo.info);
    setState('ready');
    write('status', 'Ready. Choose a picture.');
    return flamingo;
  } finally {
    show('loading', false);
    showCached();
  }
}

function startLoading() {
  loading = loadModel();
  loading.then(keepForOffline, (error) => {
    loading = undefined; // the next picture tries again
    fail(error, retry);
  });
}

function retry() {
  if (picture) describe(picture.media, picture.name);
  else startLoading();
}

// ---- what is known about model, device and storage ----------------------------------------------------------------

const knows = {
  nano: 'It was trained on drawn shapes: their colours, sizes, places and numbers. Show it a photograph and it will see shapes.',
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

// ---- describing ---------------------------------------------------------------------------------------------------

function preview(media, name) {
  const image = at('preview');
  if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
  image.onload = () => {
    show('preview', true);
    show('empty', false);
  };
  image.onerror = () => {
    show('preview', false);
    show('empty', true);
  };
  image.alt = name;
  // The page's CSP shows no picture of another site, only what has been read.
  if (typeof media !== 'string') image.src = URL.createObjectURL(media);
  else if (/^https?:/.test(media)) image.onerror();
  else image.src = media;
  write('picture-name', name);
  for (const button of document.querySelectorAll('#samples button')) {
    button.setAttribute('aria-pressed', String(button.dataset.src === media));
  }
}

async function describe(media, name) {
  run?.abort();
  const mine = ++turn;
  picture = { media, name };
  preview(media, name);
  clearError();
  at('caption').replaceChildren();
  write('spoken', '');
  for (const id of ['copy', 'alt', 'snippet-box', 'timings']) show(id, false);
  at('alt').setAttribute('aria-expanded', 'false');

  if (!loading) startLoading();
  if (document.documentElement.dataset.state === 'loading') write('status', 'The picture waits for the model.');
  const flamingo = await loading.catch(() => undefined); // startLoading shows the error
  if (!flamingo || mine !== turn) return;

  setState('running');
  write('status', 'Looking…');
  show('stop', true);
  at('caption').setAttribute('aria-busy', 'true');
  run = flamingo.caption(media);
  try {
    for await (const piece of run) if (mine === turn) append(format.said(flamingo.info, piece));
    const result = await run;
    if (mine === turn) finish(result, flamingo);
  } catch (error) {
    if (mine !== turn) return;
    if (error.code === 'aborted') {
      setState('ready');
      write('status', 'Stopped.');
      offerText(flamingo.info);
    } else {
      const gone = ['internal', 'device-lost', 'out-of-memory'].includes(error.code);
      if (gone) loading = undefined;
      fail(error, gone ? retry : undefined);
    }
  } finally {
    if (mine === turn) {
      show('stop', false);
      at('caption').setAttribute('aria-busy', 'false');
    }
  }
}

// Each piece is its own element, so that it can fade in.
function append(text) {
  const caption = at('caption');
  const visible = caption.textContent === '' ? text.trimStart() : text;
  if (!visible) return;
  const span = document.createElement('span');
  span.textContent = visible;
  caption.append(span);
}

const captionText = () => at('caption').textContent.trim();

// Token ids can be copied, but they describe nothing to a reader.
function offerText(info) {
  show('copy', captionText() !== '');
  show('alt', info.tokenizer && captionText() !== '');
}

function finish(result, flamingo) {
  const { text, finish, stats } = result;
  const said = format.said(flamingo.info, result).trim();
  at('caption').textContent = said;
  setState('ready');
  const done = finish === 'length' ? `Cut off after ${stats.tokens} tokens.` : 'Done.';
  write('status', flamingo.info.tokenizer ? done : `${done} These are token ids: the model came without a tokenizer.`);
  // The stream is silent for screen readers; this speaks the whole sentence once.
  write('spoken', `Caption: ${said}`);
  if (text) at('preview').alt = text.trim();
  offerText(flamingo.info);
  showTimings(stats);
  showMemory(flamingo);
}

function showTimings(stats) {
  for (const part of ['image', 'vision', 'prefill', 'decode']) {
    const ms = stats[`${part}Ms`];
    write(`t-${part}`, format.milliseconds(ms));
    document.querySelector(`.bar .t-${part}`).style.flexGrow = ms;
  }
  write('t-speed', `${Math.round(stats.tokensPerSecond)} tokens/s`);
  show('timings', true);
}

// ---- getting pictures ---------------------------------------------------------------------------------------------

function takeTransfer(transfer) {
  const file = transfer.files[0];
  if (file) return describe(file, file.name);
  const address = (transfer.getData('text/uri-list') || transfer.getData('text/plain')).trim();
  if (/^(https?:|data:image\/)\S+$/i.test(address)) return describe(address, address.startsWith('data:') ? 'Pasted picture' : address);
  fail({ code: 'media-decode', message: 'that holds no picture', hint: 'Paste or drop a picture file, or the address of one.' });
}

at('file').onchange = ({ target }) => {
  const [file] = target.files;
  if (file) describe(file, file.name);
  target.value = ''; // so that choosing the same file again counts as a change
};

document.addEventListener('paste', (event) => {
  event.preventDefault();
  takeTransfer(event.clipboardData);
});
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dragging');
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) document.body.classList.remove('dragging');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dragging');
  takeTransfer(event.dataTransfer);
});

async function showSamples() {
  const response = await fetch('./samples/samples.json');
  if (!response.ok) return;
  for (const { file, alt } of await response.json()) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.src = `./samples/${file}`;
    button.setAttribute('aria-pressed', 'false');
    const image = document.createElement('img');
    Object.assign(image, { src: button.dataset.src, alt: `Sample: ${alt}`, width: 96, height: 96 });
    button.append(image);
    button.onclick = () => describe(button.dataset.src, file);
    const item = document.createElement('li');
    item.append(button);
    at('samples').append(item);
  }
  document.querySelector('.gallery').hidden = false;
}

// ---- acting on the caption ----------------------------------------------------------------------------------------

async function copy(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Press Ctrl C';
    getSelection().selectAllChildren(button === at('copy') ? at('caption') : at('snippet'));
  }
  setTimeout(() => (button.textContent = label), 1600);
}

at('copy').onclick = () => copy(at('copy'), captionText());
at('copy-snippet').onclick = () => copy(at('copy-snippet'), at('snippet').textContent);
at('alt').onclick = () => {
  write('snippet', format.altSnippet(picture.name.split(/[\\/]/).pop(), captionText()));
  show('snippet-box', at('snippet-box').hidden);
  at('alt').setAttribute('aria-expanded', String(!at('snippet-box').hidden));
};
at('stop').onclick = () => run?.abort();
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') run?.abort();
});
at('clear-cache').onclick = async () => {
  const { bytes } = await clearCache(model, engine).catch((error) => (fail(error), { bytes: 0 }));
  write('status', `Freed ${format.bytes(bytes)}. The model is fetched again at the next visit.`);
  await showCached();
};

showSamples().catch((error) => console.warn('no samples:', error.message));
showDevice().catch((error) => write('device', error.message));
startLoading();
