// Videos: a file, an address, a <video> or a stream becomes frames, each sought and decoded when its turn comes. A file
// is read where it lies, through a <video> of our own, so that its length costs nothing and nobody's player is disturbed.
import { FlamingoError, aborted } from './errors.js';
import { fetchMedia, is, pixels, show, urlOf } from './media.js';
import { refuse } from './options.js';
import { containerOf, mediaError } from './sniff.js';

const deadlineMs = 10_000; // of each seek, and of opening
const shownMs = 100;
const MiB = 2 ** 20;
const again = 'It was cut short: save or download it again.';
const most = 256;

// originOf tells where the frames of {video} come from, as {file}, {url}, {stream} or {element}; to be asked at once, since
// a player may show something else later.
export function originOf(video) {
  if (is(video, 'MediaStream')) return { stream: video };
  if (is(video, 'Blob')) return { file: video };
  if (!is(video, 'HTMLVideoElement')) return { url: String(video) };
  const { srcObject } = video;
  if (srcObject) return is(srcObject, 'MediaStream') || is(srcObject, 'Blob') ? originOf(srcObject) : { element: video };
  const url = video.currentSrc || video.src || video.querySelector('source')?.src;
  if (!url) throw mediaError(`the <video> ${show(video)} has nothing to play`, 'Set its src first.');
  return { url, element: video, credentials: video.crossOrigin === 'use-credentials' };
}

// sampleTimes gives the moments, in seconds, at which frames are taken: each in the middle of its 1/fps seconds from start
// on, where a cut or the end is farthest. Where those are more than maxFrames, the range is cut into so many equal parts.
export function sampleTimes(duration, { fps = 1, maxFrames, start = 0, end = duration }) {
  const length = Math.min(end, duration) - start;
  if (length < 0 || (length === 0 && duration > 0)) {
    throw refuse(`media: "start" is ${start} s, and the video ends at ${+duration.toFixed(3)} s`, 'Pass a "start" within the video.');
  }
  const count = Math.max(1, Math.ceil(length * fps - 0.5));
  const step = count > maxFrames ? length / maxFrames : Math.min(1 / fps, length);
  return Array.from({ length: Math.min(count, maxFrames) }, (_, i) => start + (i + 0.5) * step);
}

// openVideo gives {name, content, count, reader}: what tells these frames from others, as openPicture does, how many there
// are, and reader(signal), whose read(i) gives the pixels of frame i, one call after another, until it is closed. Of a
// stream no content is known. takes is the number of frames that the model takes.
export async function openVideo(origin, options, signal, takes = most) {
  const { maxFrames } = options;
  if (takes < 2) {
    throw refuse('media: it is a video, and this model has no temporal embeddings', 'Pass {image: video} for the frame that is shown, or frames as separate images.');
  }
  if (maxFrames > takes) throw refuse(`media: "maxFrames" is ${maxFrames}, this model takes at most ${takes}`, `Pass ${takes} or less.`);
  if (typeof document === 'undefined') throw mediaError('a video needs a page to be decoded', 'Call this on the window, not in a worker.');
  const live = () => liveVideo(origin.stream ?? origin.element, { ...options, maxFrames: maxFrames ?? Math.min(8, takes) });
  if (!origin.url && !origin.file) return live();

  const known = await (origin.file ? fileKnown(origin.file) : urlKnown(origin, signal));
  const reader = (until) => new Recorded({ ...origin, ...known }, until);
  const first = reader(signal);
  let duration;
  try {
    duration = await first.duration();
  } catch (error) {
    // What a MediaSource fills plays in one element only.
    if (error.code !== 'media-decode' || !/^blob:/.test(origin.url) || !(origin.element?.readyState >= 2)) throw error;
    return live();
  } finally {
    first.close();
  }
  const times = sampleTimes(duration, { ...options, maxFrames: maxFrames ?? Math.min(30, takes) });
  const content = known.parts && (await new Blob([...known.parts, times.join()]).arrayBuffer());
  return { name: 'video', content, count: times.length, reader: (until) => Object.assign(reader(until), { times }) };
}

// fileKnown gives {kind, parts}: what the file calls itself, and pieces that tell it from others.
async function fileKnown(file) {
  const { size, type } = file;
  if (size === 0) throw mediaError('the file is empty (0 bytes)', 'Choose another file, or download this one again.');
  const parts = [`${size} ${type} `];
  try {
    for (const from of [0, (size - MiB) / 2, size - MiB]) {
      const at = Math.max(0, Math.floor(from));
      parts.push(await file.slice(at, at + MiB).arrayBuffer());
    }
  } catch (cause) {
    throw mediaError('the file could not be read', 'It may have been moved or changed since it was chosen: choose it again.', cause);
  }
  const kind = containerOf(new Uint8Array(parts[1], 0, Math.min(size, 16))) ?? type;
  // A player shows the last picture there is for all that is missing.
  if (await isCut(file, kind)) throw mediaError(`the ${kind} file is truncated`, again);
  return { kind, parts };
}

// isCut tells whether a file has fewer bytes than it says.
async function isCut(file, kind) {
  const read = async (at) => new DataView(await file.slice(at, at + 64).arrayBuffer());
  if (/^(MP4|Quick)/.test(kind)) {
    // Recordings come in many pieces: the first ones will do.
    for (let at = 0, n = 0; at < file.size && n < 99; n++) {
      const head = await read(at);
      const size = head.byteLength < 8 ? 8 : head.getUint32(0);
      if (size < 8 && size !== 1) return false;
      if (size === 1 && head.byteLength < 16) return true;
      at += size === 1 ? Number(head.getBigUint64(8)) : size;
      if (at > file.size) return true;
    }
  } else if (/^WebM/.test(kind)) {
    const head = await read(0);
    // A size is a number of bytes that its first byte tells; all ones for one that is not known.
    const size = (at) => {
      const length = Math.clz32(head.getUint8(at)) - 23;
      let value = head.getUint8(at) & (0xff >> length);
      for (let i = 1; i < length; i++) value = value * 256 + head.getUint8(at + i);
      return { end: at + length, value: value === 2 ** (7 * length) - 1 ? 0 : value };
    };
    try {
      const header = size(4);
      const segment = size(header.end + header.value + 4);
      return segment.end + segment.value > file.size;
    } catch {
      return file.size < 64; // else a header of unusual length, which is left to the player
    }
  }
  return false;
}

// urlKnown asks the server before a player does, which would not say why it was refused.
async function urlKnown({ url, credentials }, signal) {
  const { href, protocol } = urlOf(url);
  if (protocol === 'blob:' || protocol === 'data:') return { url: href, parts: [href] };
  return fetchMedia(href, signal, urlAnswer, { credentials: credentials ? 'include' : 'same-origin' });
}

// urlAnswer gives {url, kind, parts} of a response whose bytes are not wanted yet. What a server neither dates nor tags may
// be another video the next time.
export function urlAnswer({ url, headers, body }) {
  body?.cancel().catch(() => {});
  const tag = headers.get('ETag') ?? headers.get('Last-Modified');
  return { url, kind: headers.get('Content-Type') ?? '', parts: tag && [`${url} ${tag} ${headers.get('Content-Length')} `] };
}

class Player {
  #closing = new AbortController();
  #made;

  // signal closes it as well.
  constructor(origin, signal) {
    this.origin = origin;
    this.video = this.#load(origin);
    signal?.addEventListener('abort', () => this.close(), { signal: this.#closing.signal });
    if (signal?.aborted) this.close();
  }

  #load({ file, url, stream, element, credentials }) {
    if (!file && !url && !stream) return element;
    const video = Object.assign(document.createElement('video'), {
      muted: true, playsInline: true, preload: 'auto', crossOrigin: credentials ? 'use-credentials' : 'anonymous',
    });
    this.#made = file ? URL.createObjectURL(file) : '';
    if (stream) video.srcObject = stream;
    else video.src = this.#made || url;
    return video;
  }

  close() {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    if (this.#made === undefined) return; // the caller's own
    this.video.removeAttribute('src');
    this.video.srcObject = null;
    this.video.load();
    if (this.#made) URL.revokeObjectURL(this.#made);
  }

  // wait resolves as begin, given a callback, wants it to, and rejects when the video fails, this is closed, or after ms.
  wait(begin, ms = deadlineMs, late = () => this.failure('stalled')) {
    const over = new AbortController();
    const { signal } = over;
    const closing = this.#closing.signal;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => (late ? reject(late()) : resolve()), ms);
      signal.addEventListener('abort', () => clearTimeout(timer));
      const fail = () => reject(this.failure());
      const stop = () => reject(aborted());
      this.video.addEventListener('error', fail, { signal });
      closing.addEventListener('abort', stop, { signal });
      if (closing.aborted) stop();
      else if (this.video.error) fail();
      else begin(resolve, signal);
    }).finally(() => over.abort());
  }

  event(name) {
    return this.wait((resolve, signal) => this.video.addEventListener(name, resolve, { signal }));
  }

  sleep(ms) {
    return this.wait(() => {}, ms, null);
  }

  failure(stalled) {
    const { error, currentTime, readyState } = this.video;
    const { url, kind } = this.origin;
    if ((stalled || error.code === 2) && /^http/.test(url)) {
      return new FlamingoError('network', `media: ${url.slice(0, 200)} stopped coming`, { hint: 'Check the connection and try again.', cause: error });
    }
    if (stalled) return mediaError(`the video gave nothing for ${deadlineMs / 1000} s`, 'It may be damaged: play it, or save it again.');
    const at = readyState > 0 ? ` at ${currentTime.toFixed(1)} s` : '';
    return mediaError(`the browser cannot decode this video${at} (${kind || 'of an unknown kind'})`, 'Save it as MP4 (H.264) or WebM and try again.', error);
  }

  pixels() {
    const { video } = this;
    return { ...pixels(video, video.videoWidth, video.videoHeight), fresh: true };
  }
}

class Recorded extends Player {
  // duration is in seconds, of a video that has pictures.
  async duration() {
    const { video } = this;
    if (video.readyState < 1) await this.event('loadedmetadata');
    if (!video.videoWidth) throw mediaError('the file has sound and no pictures', 'Choose a video.');
    if (video.readyState < 2) await this.event('loadeddata');
    // Without frames it has ended before anything was decoded.
    if (video.ended && !video.getVideoPlaybackQuality().totalVideoFrames) throw mediaError('the video has no frames', again);
    if (Number.isFinite(video.duration)) return video.duration;
    // Browsers record without a duration. Nobody knows it before the end has been read.
    await this.#seek(1e9);
    return Number.isFinite(video.duration) ? video.duration : video.currentTime;
  }

  async read(i) {
    if (this.video.readyState < 2) await this.event('loadeddata');
    await this.#seek(this.times[i]);
    return this.pixels();
  }

  // A frame may be sought before it can be drawn. The callback that tells is never called in a hidden tab.
  async #seek(time) {
    const { video } = this;
    let id;
    const shown = new Promise((resolve) => (id = video.requestVideoFrameCallback?.(resolve)));
    const sought = this.event('seeked');
    video.currentTime = time;
    try {
      await sought;
      await this.wait((resolve) => shown.then(resolve), shownMs, null);
    } finally {
      video.cancelVideoFrameCallback?.(id);
    }
  }
}

function liveVideo(from, { fps = 1, maxFrames: count, start, end }) {
  if (start !== undefined || end !== undefined) {
    throw refuse('media: "start" or "end" with a live stream, which begins now', 'Leave them out, or pass a file.');
  }
  const origin = is(from, 'MediaStream') ? { stream: from } : { element: from };
  checkLive(origin, 0, count);
  return { name: 'live', count, reader: (until) => Object.assign(new Live(origin, until), { fps, count }) };
}

class Live extends Player {
  #began;

  // Frames are at least 1/fps seconds apart; a slow model sees fewer of a stream's moments, none of them late.
  async read(i) {
    const { video, origin, count } = this;
    checkLive(origin, i, count);
    if (origin.stream) video.play().catch(() => {});
    if (video.readyState < 2) await this.event('loadeddata');
    this.#began ??= performance.now();
    await this.sleep(this.#began + (i * 1000) / this.fps - performance.now());
    checkLive(origin, i, count);
    const [track] = tracksOf(origin);
    if (track?.muted) await this.wait((resolve, signal) => track.addEventListener('unmute', resolve, { signal }));
    return this.pixels();
  }
}

const tracksOf = ({ stream }) => stream?.getVideoTracks().filter(({ readyState }) => readyState === 'live') ?? [];

// checkLive tells whether frame i of count can still come.
function checkLive({ stream, element }, i, count) {
  if (stream ? tracksOf({ stream }).length : !element.paused && !element.ended) return;
  throw mediaError(`the ${stream ? 'stream has no video' : `<video> ${show(element)} does not play`}: frame ${i + 1} of ${count} is not there`,
    stream ? 'Keep its video track running until the frames are taken.' : 'Let it play until the frames are taken.');
}
