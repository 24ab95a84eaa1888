// When frames are taken, what is refused, and how much is held at a time. What browsers do is for e2e.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { containerOf } from '../sniff.js';
import { sampleTimes } from '../video.js';
import { fresh, page, picture, refused } from './page.mjs';

const tick = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms));

// A <video> of so many seconds, whose picture at second s has the shade s; how it fails is for tests to say.
const film = { seconds: 4, made: [], broken: false, stuckAt: Infinity };
globalThis.HTMLVideoElement = class extends EventTarget {
  #at = 0;
  readyState = 0;
  videoWidth = 2;
  videoHeight = 1;
  constructor() {
    super();
    film.made.push(this);
  }
  set src(url) {
    this.url = url;
    setTimeout(() => {
      if (film.broken) {
        this.error = { code: 4, message: 'no' };
        return this.dispatchEvent(new Event('error'));
      }
      this.readyState = 4;
      for (const name of ['loadedmetadata', 'loadeddata']) this.dispatchEvent(new Event(name));
    }, 1);
  }
  get duration() { return film.seconds; }
  get currentTime() { return this.#at; }
  set currentTime(time) {
    film.log.push(`seek ${time}`);
    if (time < film.stuckAt) setTimeout(() => { this.#at = time; this.dispatchEvent(new Event('seeked')); }, 1);
  }
  get shade() { return Math.floor(this.#at); }
  requestVideoFrameCallback(callback) { setTimeout(callback, 2); }
  removeAttribute() { this.url = undefined; }
  load() {}
};
globalThis.document = { createElement: () => new HTMLVideoElement() };
const urls = new Set();
URL.createObjectURL = (blob) => {
  const url = `blob:${urls.size} ${blob.size}`;
  urls.add(url);
  return url;
};
URL.revokeObjectURL = (url) => urls.delete(url);

const reset = () => Object.assign(film, { seconds: 4, made: [], log: [], broken: false, stuckAt: Infinity });
reset();
afterEach(() => {
  assert.equal(urls.size, 0, 'every address of a file is let go of');
  assert.deepEqual(film.made.filter(({ url }) => url), [], 'every player is');
  reset();
});

const clip = (content = 'a video', type = 'video/webm') => new Blob([content], { type });

test('frames are taken in the middle of their part of the range', () => {
  const rows = [
    [4, {}, [0.5, 1.5, 2.5, 3.5]],
    [4.4, {}, [0.5, 1.5, 2.5, 3.5]],
    [3.6, {}, [0.5, 1.5, 2.5, 3.5]],
    [0.04, {}, [0.02]],
    [0, {}, [0]],
    [2, { fps: 2 }, [0.25, 0.75, 1.25, 1.75]],
    [9, { fps: 0.1 }, [4.5]],
    [10, { start: 2, end: 4.2 }, [2.5, 3.5]],
    [10, { start: 9.9, end: 50 }, [9.95]],
    [36000, { maxFrames: 4 }, [4500, 13500, 22500, 31500]],
    [31, { maxFrames: 30 }, Array.from({ length: 30 }, (_, i) => ((i + 0.5) * 31) / 30)],
  ];
  for (const [duration, options, want] of rows) {
    const got = sampleTimes(duration, { maxFrames: 30, ...options });
    assert.equal(got.length, want.length, `${duration} ${JSON.stringify(options)}: ${got}`);
    got.forEach((time, i) => assert.ok(Math.abs(time - want[i]) < 1e-9, `${duration} ${JSON.stringify(options)}: ${got}`));
  }
  for (const start of [4, 5]) assert.throws(() => sampleTimes(4, { maxFrames: 30, start }), { code: 'invalid-option', message: /"start" is . s, and the video ends at 4 s/ });
});

test('containers are known by how they begin', () => {
  const rows = [
    ['\0\0\0\x18ftypisom', 'MP4'], ['\0\0\0\x14ftypqt  ', 'QuickTime'], ['\x1aE\xdf\xa3', 'WebM or Matroska'], ['OggS', 'Ogg'], ['RIFF\0\0\0\0AVI ', 'AVI'],
    ['\0\0\0\x18ftypavif'], ['\0\0\0\x18ftypheic'], ['\0\0\0\x18ftypmif1'], ['RIFF\0\0\0\0WEBP'], ['\x89PNG\r\n\x1a\n'], [''],
  ];
  for (const [text, want] of rows) assert.equal(containerOf(new Uint8Array([...text].map((c) => c.charCodeAt(0)))), want, JSON.stringify(text));
});

test('a file is a video by its type or its signature, and known by its content and sampling', async () => {
  const flamingo = await fresh();
  const encoded = async (media) => (await flamingo.caption(media)).stats.encoded;
  assert.equal(await encoded(clip()), 1);
  assert.deepEqual(page.asked, ['0.0 0 of 8', '0.1 1 of 8', '0.2 2 of 8', '0.3 3 of 8']);
  assert.equal(await encoded({ video: clip() }), 0);
  assert.equal(await encoded({ video: clip(), fps: 1, start: 0, end: 4 }), 0, 'the same frames');
  assert.equal(await encoded({ video: clip(), fps: 2 }), 1);
  assert.equal(page.requests.at(-1).media[0].frames, 8);
  assert.equal(await encoded({ video: clip('another') }), 1);
  assert.equal(await encoded(new Blob(['OggS and more'])), 1, 'by its signature');
  assert.equal(await encoded({ video: 'blob:of-the-page' }), 1);
  film.seconds = 36000;
  assert.equal(await encoded({ video: clip() }), 1, 'the same file, were it longer');
  assert.equal(page.requests.at(-1).media[0].frames, 30);
});

test('one frame is decoded ahead, and no more', async () => {
  const flamingo = await fresh();
  film.seconds = 6;
  const { engine } = await page.startUp();
  let most = 0;
  let held = 0;
  page.startUp = async (exited) => ({
    exited, engine: {
      ...engine,
      generate: async (handle, { media: [{ frames }] }, { onFrame }) => {
        for (let frame = 0; frame < frames; frame++) {
          const before = film.log.length;
          const { data } = await onFrame({ media: 0, frame });
          assert.equal(data[0], frame);
          await tick(20); // it is being encoded
          held = film.log.length - frame;
          most = Math.max(most, held);
          assert.ok(frame + 1 === frames || film.log.length > before, 'the next one comes meanwhile');
        }
        return { text: '', stats: {} };
      },
    },
  });
  const other = await fresh();
  await other.caption(clip());
  assert.equal(most, 2);
  assert.ok(flamingo);
});

test('a model without temporal embeddings, or with few, says so before anything is decoded', async () => {
  const { engine } = await page.startUp();
  const takes = (frames, maxFrames) => {
    page.startUp = async (exited) => ({ exited, engine: { ...engine, load: async () => ({ handle: 4, info: { frames, maxFrames } }) } });
    return fresh();
  };
  const still = await takes(1, 1);
  for (const media of [clip(), { video: clip() }, { video: 'https://site.test/film.webm' }, new HTMLVideoElement(), { video: clip(), maxFrames: 1 }]) {
    if (media instanceof HTMLVideoElement) media.src = 'blob:x';
    await refused(still.caption(media.url ? Object.assign(media, { currentSrc: 'blob:x' }) : media), 'no temporal embeddings');
    if (media.url) media.removeAttribute('src');
  }
  await refused(still.session().add({ video: clip() }), 'no temporal embeddings');
  const few = await takes(8, 3);
  await few.caption(clip());
  assert.equal(page.requests.at(-1).media[0].frames, 3, 'the default is what the model takes');
  await refused(few.caption({ video: clip(), maxFrames: 4 }), '"maxFrames" is 4, this model takes at most 3');
});

test('what cannot be read is told of, and stopping stops at once', async () => {
  const flamingo = await fresh();
  film.broken = true;
  await assert.rejects(flamingo.caption(clip('OggS', 'video/ogg')), { code: 'media-decode', message: /cannot decode this video \(Ogg\)/ });
  film.broken = false;
  film.stuckAt = 2;
  for (const ms of [0, 1, 3, 6, 12, 30]) {
    const controller = new AbortController();
    const run = flamingo.caption(clip(), { signal: controller.signal });
    await tick(ms);
    controller.abort();
    await assert.rejects(run, { code: 'aborted' });
    await tick(5);
    assert.equal(urls.size, 0, `after ${ms} ms`);
  }
  film.stuckAt = Infinity;
  assert.equal((await flamingo.caption(clip())).text, 'a b c', 'the model can be used on');
});

test('how a video is sampled is checked before anything runs', async () => {
  const flamingo = await fresh();
  const frames = [picture(1), picture(2)];
  const rows = [
    [{ video: 4 }, 'video is 4', 'a <video>, a MediaStream or a list of frames'],
    [{ video: clip(), fps: 0 }, 'fps is 0', 'above 0'],
    [{ video: clip(), fps: '2' }, 'fps is "2"'],
    [{ video: clip(), maxFrames: 257 }, 'maxFrames is 257', '1 to 256'],
    [{ video: clip(), maxFrames: 0.5 }, 'maxFrames is 0.5'],
    [{ video: clip(), start: -1 }, 'start is -1', 'seconds from 0 up'],
    [{ video: clip(), end: Infinity }, 'end is Infinity', 'seconds above 0'],
    [{ video: clip(), start: 3, end: 3 }, 'start is 3 and end 3'],
    [{ video: frames, maxFrames: 1 }, '"maxFrames" with a list of frames'],
    [{ video: frames, start: 1 }, '"start" with a list of frames'],
    [{ image: picture(1), end: 2 }, 'unknown key "end"'],
    [{ video: clip(), stride: 2 }, 'unknown key "stride"', 'allowed: video, fps, maxFrames, start, end'],
    [{ video: clip(), start: 4 }, '"start" is 4 s, and the video ends at 4 s'],
  ];
  for (const [media, ...parts] of rows) await refused(flamingo.caption(media), ...parts);
  assert.deepEqual(page.requests, []);
  const text = 'two of them';
  await flamingo.caption({ video: frames, fps: 2 }, { shots: [{ video: clip(), maxFrames: 2, text }] });
  assert.deepEqual(page.requests[0].media.map((one) => one.frames), [2, 2]);
});
