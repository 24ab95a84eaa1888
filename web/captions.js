// captions: many pictures, some at a time in one pass, in the order given.
import { refuse, show } from './options.js';
import { batchRequest } from './request.js';

// What is wrong with one picture, and leaves the others alone.
const ofOne = ['media-decode', 'network', 'cors'];

// start(prepare) runs a group in its turn, as Flamingo's calls do.
export async function* captions(start, list, question, { batch = 8, signal, ...options }) {
  const items = list?.[Symbol.asyncIterator]?.() ?? list?.[Symbol.iterator]?.();
  if (!items || typeof list === 'string') {
    throw refuse(`captions: pictures are ${show(list)}, want a list of them`, 'Pass [file, file], or anything else to iterate over.');
  }
  const run = (media) =>
    start(() => ({ method: 'batch', ...batchRequest('captions', question === undefined ? 'caption' : 'ask', media, question, options), signal }));
  let next = 0;
  const begin = async () => {
    const media = [];
    for (let item; media.length < batch && !(item = await items.next()).done; ) media.push(item.value);
    if (media.length === 0) return undefined;
    const group = { first: next, media, run: run(media) };
    next += media.length;
    return group;
  };
  let group, following;
  try {
    for (group = await begin(); group; group = await following) {
      following = begin(); // is read while this one is captioned
      following.catch(() => {});
      yield* settled(group, run);
    }
  } finally {
    group?.run.abort();
    following?.then((unwanted) => unwanted?.run.abort(), () => {});
    await items.return?.();
  }
}

// settled gives the results of a group. Where one picture cannot be read they are tried one by one; those that can are
// known to the model already.
async function* settled({ first, media, run }, again) {
  const tell = (i, more) => ({ index: first + i, media: media[i], ...more });
  try {
    const results = await run;
    for (const [i, result] of results.entries()) yield tell(i, { result });
    return;
  } catch (error) {
    if (!ofOne.includes(error.code)) throw error;
    if (media.length === 1) return yield tell(0, { error });
  }
  for (const [i, one] of media.entries()) {
    yield* settled({ first: first + i, media: [one], run: again([one]) }, again);
  }
}
