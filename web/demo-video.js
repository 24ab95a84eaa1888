// Videos: which part of one the model is shown, and a strip of the frames it sees.
import { at, make, show } from './demo-dom.js';
import { sampleTimes } from './video.js';

const fields = ['start', 'end', 'fps'];
const happened = (video, event) => new Promise((resolve, reject) => {
  video.addEventListener(event, resolve, { once: true });
  video.addEventListener('error', () => reject(video.error), { once: true });
});

export const isVideo = (media) => media instanceof Blob && media.type.startsWith('video/');

// partOf is what the model is asked about.
export const partOf = (media) => (isVideo(media) ? { video: media, ...chosenRange() } : { image: media });

const chosenRange = () => Object.fromEntries(fields.filter((id) => at(id).value !== '').map((id) => [id, Number(at(id).value)]));

let shown; // the file in the strip
let takes; // how many frames the model takes at most

// fit says what a loaded model can do.
export function fit({ maxFrames }) {
  takes = Math.min(30, maxFrames);
  if (shown) strip();
}

// present shows a video's player and strip, with what the fields say of its range, or hides them.
export function present(media, range = {}) {
  const player = at('clip');
  URL.revokeObjectURL(player.src);
  player.removeAttribute('src');
  shown = isVideo(media) ? media : undefined;
  for (const id of ['clip', 'range']) show(id, shown);
  document.documentElement.dataset.media = shown ? 'video' : 'image';
  at('strip').replaceChildren();
  if (!shown) return;
  player.src = URL.createObjectURL(media);
  for (const id of fields) at(id).value = range[id] ?? '';
  strip();
}

// strip draws the frames at the moments at which the model gets them, one after another.
async function strip() {
  const file = shown;
  const frames = at('strip');
  const mine = (frames.made = {});
  frames.replaceChildren();
  if (!takes) return;
  const video = make('video', { muted: true, preload: 'auto', src: URL.createObjectURL(file) });
  try {
    await happened(video, 'loadedmetadata');
    if (video.duration === Infinity) {
      // Recordings do not say how long they are; the end is found by seeking beyond it.
      video.currentTime = 1e9;
      await happened(video, 'seeked');
    }
    for (const time of sampleTimes(Number.isFinite(video.duration) ? video.duration : video.currentTime, { ...chosenRange(), maxFrames: takes })) {
      video.currentTime = time;
      await happened(video, 'seeked');
      if (frames.made !== mine) return;
      const canvas = make('canvas', { height: 72, width: Math.round((72 * video.videoWidth) / video.videoHeight) || 72, ariaHidden: 'true' });
      canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, 72);
      frames.append(make('li', {}, canvas, `${time.toFixed(1)} s`));
    }
  } catch (error) {
    console.warn('no strip:', error?.message); // the model's own reading says what is wrong
  } finally {
    URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
    video.load();
  }
}

export function listen() {
  for (const id of fields) at(id).onchange = strip;
}
