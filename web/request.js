// Requests: what a caller says of pictures, videos, examples and parts becomes what the engine takes. Everything that
// can be wrong without looking at a pixel is refused here, before anything runs.
import { is } from './media.js';
import { refuse, samplingOf, show } from './options.js';

const namesMedia = (value) =>
  typeof value === 'object' && value !== null && (Object.hasOwn(value, 'image') || Object.hasOwn(value, 'video'));

const known = { image: ['image'], video: ['video', 'fps', 'maxFrames', 'start', 'end'] };

function checkKeys(where, record, allowed) {
  for (const [key, value] of Object.entries(record)) {
    if (value !== undefined && !allowed.includes(key)) {
      throw refuse(`${where}: unknown key "${key}"; allowed: ${allowed.join(', ')}`, `Remove "${key}" or correct its spelling.`);
    }
  }
}

// namedOf gives {image}, or {video} with how it is sampled, of a record whose other keys are named by also.
function namedOf(where, record, also = []) {
  const kinds = ['image', 'video'].filter((kind) => record[kind] !== undefined);
  if (kinds.length !== 1) {
    throw refuse(`${where} has ${kinds.length ? 'an image and a video' : 'neither image nor video'}, want one of them`,
      'Pass {image: file}, or {video: file}.');
  }
  const allowed = [...known[kinds[0]], ...also];
  checkKeys(where, record, allowed);
  const { video, image, text, question, ...sampling } = record;
  if (kinds[0] === 'image') return { image };
  checkVideo(where, video, sampling);
  return { video, ...sampling };
}

function checkVideo(where, video, sampling) {
  const frames = Array.isArray(video);
  if (frames ? video.length === 0 : typeof video !== 'string' && !['Blob', 'URL', 'HTMLVideoElement', 'MediaStream'].some((name) => is(video, name))) {
    throw refuse(`${where}: video is ${frames ? 'without frames' : show(video)}, want a File or Blob, a URL, a <video>, a MediaStream or a list of frames`,
      'Pass {video: file}, or one or more frames: {video: [bitmap, bitmap]}.');
  }
  for (const [key, [test, want]] of Object.entries(samplingOf)) {
    const value = sampling[key];
    if (value === undefined) continue;
    if (!test(value)) throw refuse(`${where}: ${key} is ${show(value)}, want ${want}`, `Pass ${want}, or leave it out.`);
    // What is given is used as it is; how many of the frames make a second changes nothing then.
    if (key !== 'fps' && frames) throw refuse(`${where}: "${key}" with a list of frames`, 'Leave it out, and pass the frames that are wanted.');
  }
  if (sampling.start >= sampling.end) {
    throw refuse(`${where}: start is ${sampling.start} and end ${sampling.end}`, 'Pass an "end" that is later than "start".');
  }
}

// mediaOf gives what namedOf gives, or {media} of what may be either. What it is turns out when it is read.
export const mediaOf = (where, value) => (namesMedia(value) ? namedOf(where, value) : { media: value });

// partsOf gives parts, checked: strings, and what namedOf gives.
export function partsOf(call, parts) {
  if (!Array.isArray(parts)) throw refuse(`${call}: parts are ${show(parts)}, want a list`, "Pass ['Words', {image: file}, 'more words'].");
  if (parts.length === 0) throw refuse(`${call}: there are no parts`, "Pass ['Words', {image: file}, 'more words'].");
  return parts.map((part, i) => {
    const where = `${call}: part ${i + 1}`;
    if (typeof part === 'string') return part;
    if (namesMedia(part)) return namedOf(where, part);
    throw refuse(`${where} is ${show(part)}, want a string, {image} or {video}`, 'Wrap a picture: {image: file}.');
  });
}

// shotOf gives {image, text, question} of an example that is to be kept, checked.
export function shotOf(where, shot) {
  if (typeof shot !== 'object' || shot === null) throw refuse(`${where} is ${show(shot)}, want {image, text}`, "Pass {image: file, text: 'a cat'}.");
  const { image, video, text, question } = shot;
  if (video !== undefined) throw refuse(`${where}: a video, want a picture`, 'Pass a frame of it: {image: frame, text}.');
  namedOf(where, shot, ['text', 'question']);
  return { image, text: textOf(where, 'text', text), question: question === undefined ? undefined : textOf(where, 'question', question) };
}

function textOf(where, key, value) {
  if (typeof value !== 'string' || value.trim() === '') {
    throw refuse(`${where}: ${key} is ${show(value)}, want words`, `Give the ${key} as a string of words.`);
  }
  return value;
}

// textsOf gives the texts to be compared, checked.
export function textsOf(call, what, texts) {
  if (!Array.isArray(texts) || texts.length === 0 || !texts.every((text) => typeof text === 'string' && text !== '')) {
    throw refuse(`${call}: ${what} are ${show(texts)}, want a list of one or more strings, none of them empty`, `Pass ${what} such as ['a cat', 'a dog'].`);
  }
  return texts;
}

// taskRequest is {request, media} for a task of the model's: about one picture or video, behind some examples.
export function taskRequest(call, task, value, question, options) {
  const { request: { queries: [query], ...request }, media } = batchRequest(call, task, [value], question, options);
  return { request: { ...request, query }, media };
}

// batchRequest is {request, media} for a task about each of many pictures or videos.
export function batchRequest(call, task, values, question, { shots = [], ...options }) {
  const media = [];
  const see = (one) => media.push(one) - 1;
  const asks = question !== undefined;
  const examples = shots.map((shot, i) => {
    const where = `${call}: shot ${i + 1}`;
    const said = asks ? ['text', 'question'] : ['text'];
    const alone = !namesMedia(shot) && shot.text !== undefined;
    if (alone) checkKeys(where, shot, ['image', 'video', ...said]);
    return { ...(!alone && { media: see(namedOf(where, shot, said)) }), text: textOf(where, 'text', shot.text), ...(asks && { question: textOf(where, 'question', shot.question) }) };
  });
  const queries = values.map((value) => see(mediaOf(`${call}: media`, value)));
  const request = { ...options, task, queries, shots: examples };
  if (asks) request.question = textOf(call, 'question', question);
  return { request, media };
}

// behind gives a request whose own media come behind those of some found examples, as its examples do.
export function behind(found, { query, shots, ...request }) {
  const asks = request.question !== undefined;
  const moved = ({ media, ...shot }) => ({ ...shot, ...(media !== undefined && { media: media + found.length }) });
  const first = found.map(({ text, question }, media) => ({ media, text, ...(asks && { question }) }));
  return {
    ...request, query: query + found.length, shots: [...first, ...shots.map(moved)],
  };
}

// partsRequest is {request, media} for parts, in which answers of the model may stand as {ids, ended}.
export function partsRequest(parts, options) {
  const media = [];
  const list = parts.map((part) => (typeof part === 'string' || part.ids ? part : { media: media.push(part) - 1 }));
  return { request: { ...options, parts: list }, media };
}
