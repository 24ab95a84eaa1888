// Where pictures come from: files, the clipboard, drops, samples and the camera; and how they are shown.
import { at, fail, make, show, write } from './demo-dom.js';
import { isVideo, present } from './demo-video.js';

export const isPicture = (media) => media instanceof Blob && /^(image\/|$)/.test(media.type);

// shown is the address under which media can be shown. The page's CSP shows no picture of another site, only what has
// been read.
function shown(media) {
  if (typeof media !== 'string') return URL.createObjectURL(media);
  return /^https?:/.test(media) && !media.startsWith(location.origin) ? '' : media;
}

// thumbnail is a small element for an example.
export function thumbnail({ image, video }, name) {
  const src = shown(image ?? video);
  if (!src) return make('span', { textContent: 'a picture of another site' });
  return video ? make('video', { src, muted: true, preload: 'auto', ariaLabel: name }) : make('img', { src, alt: name });
}

// still is a picture that stays as it is, of one that may change.
export const still = (media) => (media instanceof HTMLCanvasElement ? new Promise((resolve) => media.toBlob(resolve)) : media);

export function preview(media, name, range) {
  const image = at('preview');
  if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
  const visible = (is) => {
    show('preview', is);
    show('empty', !is);
  };
  image.onload = () => visible(true);
  image.onerror = () => visible(false);
  image.alt = name;
  present(media, range);
  const src = isVideo(media) ? '' : shown(media);
  if (src) image.src = src;
  else visible(false);
  if (isVideo(media)) show('empty', false);
  write('picture-name', name);
  for (const button of document.querySelectorAll('#samples .sample')) button.ariaPressed = String(button.dataset.file === name);
}

export function previewNothing() {
  present();
  show('preview', false);
  show('empty', true);
  write('picture-name', '');
}

// ---- camera -------------------------------------------------------------------------------------------------------

const refusals = {
  NotAllowedError: ['the camera was not allowed', 'Allow it in the browser’s settings for this page, beside the address'],
  NotFoundError: ['there is no camera', 'Connect one, or choose a picture'],
  NotReadableError: ['the camera is not answering', 'Close other programs that use it'],
};

let stream;

// openCamera shows the camera and gives its <video>. Those that fail or are too late give nothing.
export async function openCamera(isWanted) {
  let opened;
  try {
    if (!navigator.mediaDevices) throw new DOMException('no camera without https', 'SecurityError');
    opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 640 } } });
  } catch (error) {
    const [message, hint] = refusals[error.name] ?? [error.message, 'Choose a picture instead'];
    if (isWanted()) fail({ code: 'media-decode', message, hint });
    return undefined;
  }
  if (!isWanted()) {
    for (const track of opened.getTracks()) track.stop();
    return undefined;
  }
  stream = opened;
  const live = at('live');
  live.srcObject = stream;
  await live.play().catch(() => {}); // stopped meanwhile
  if (!stream) return undefined;
  present();
  for (const id of ['preview', 'empty']) show(id, false);
  show('live', true);
  write('picture-name', '');
  return live;
}

// closeCamera stops it and gives the frame that was shown last, undefined if there was none.
export async function closeCamera() {
  const live = at('live');
  const { videoWidth: width, videoHeight: height } = live;
  const canvas = make('canvas', { width, height });
  if (width) canvas.getContext('2d').drawImage(live, 0, 0);
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = live.srcObject = undefined;
  show('live', false);
  return width ? still(canvas) : undefined;
}

// ---- choosing -----------------------------------------------------------------------------------------------------

const samples = new Map(); // address → {src, file, alt}
export const sample = (address) => samples.get(address);

const folders = { sticker: './samples/sticker/' };
let onPicture;
let onExample;

// A sample gives its {media, range}: a video is a file, as those are that a visitor chooses.
function sampleOf({ file, alt, ...range }, folder) {
  const src = folder + file;
  if (!file.endsWith('.webm')) {
    samples.set(new URL(src, location).href, { src, file, alt });
    return { shown: make('img', { src, alt: `Sample: ${alt}`, width: 96, height: 96 }), part: async () => ({ image: src }) };
  }
  const shown = make('video', { muted: true, loop: true, playsInline: true, preload: 'auto', width: 96, height: 96 });
  const video = fetch(src).then(async (response) => new File([await response.blob()], file, { type: 'video/webm' }));
  video.then((filed) => (shown.src = URL.createObjectURL(filed)), () => {}); // choosing it says what is wrong
  return { shown, part: async () => ({ video: await video, ...range }) };
}

function buttonsOf(row, folder) {
  const { file, alt } = row;
  const { shown, part } = sampleOf(row, folder);
  const choose = async () => {
    const { image, video, ...range } = await part();
    onPicture(image ?? video, file, range);
  };
  const button = make('button', { type: 'button', className: 'sample', ariaPressed: 'false', on: choose }, shown);
  button.dataset.file = file;
  if (shown.localName === 'video') {
    button.ariaLabel = `Sample video: ${alt}`;
    button.onpointerenter = button.onfocus = () => shown.play().catch(() => {}); // paused meanwhile
    button.onpointerleave = button.onblur = () => shown.pause();
  }
  return make('li', {}, button,
    make('button', { type: 'button', className: 'plus', textContent: '+', title: 'Use as an example', ariaLabel: `Example: ${alt}`, on: async () => onExample(await part(), file, alt) }));
}

async function showSamples(name) {
  const folder = folders[name] ?? './samples/';
  const response = await fetch(`${folder}samples.json`);
  if (!response.ok) return;
  const rows = await response.json();
  samples.clear();
  at('samples').replaceChildren(...rows.map((row) => buttonsOf(row, folder)));
  document.querySelector('.gallery').hidden = false;
}

// fit shows the samples of a loaded model.
export const fit = ({ name }) => showSamples(name).catch((error) => console.warn('no samples:', error.message));

function takeTransfer(transfer) {
  const file = transfer.files[0];
  if (file) return onPicture(file, file.name);
  const address = (transfer.getData('text/uri-list') || transfer.getData('text/plain')).trim();
  const known = sample(address);
  if (known) return onPicture(known.src, known.file);
  if (/^(https?:|data:image\/)\S+$/i.test(address)) return onPicture(address, address.startsWith('data:') ? 'Pasted picture' : address);
  fail({ code: 'media-decode', message: 'that holds no picture or video', hint: 'Paste or drop a file, or the address of a picture.' });
}

const typing = ({ target }) => target.closest?.('input:not([type=file]), textarea');

// listen calls picked(media, name, range) for each that is chosen, and exemplified(part, name, text) for samples.
export function listen(picked, exemplified) {
  onPicture = picked;
  onExample = exemplified;
  at('file').onchange = ({ target }) => {
    const [file] = target.files;
    if (file) onPicture(file, file.name);
    target.value = ''; // so that choosing the same file again counts as a change
  };
  document.addEventListener('paste', (event) => {
    if (typing(event) && !event.clipboardData.files.length) return;
    event.preventDefault();
    takeTransfer(event.clipboardData);
  });
  document.addEventListener('dragover', (event) => {
    if (typing(event)) return;
    event.preventDefault();
    document.body.classList.toggle('dragging', event.dataTransfer.types.includes('Files') && !event.target.closest('#tray'));
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) document.body.classList.remove('dragging');
  });
  document.addEventListener('drop', (event) => {
    if (typing(event) && !event.dataTransfer.files.length) return;
    event.preventDefault();
    document.body.classList.remove('dragging');
    takeTransfer(event.dataTransfer);
  });
}
