// What the page has for the sticker model alone: a board, words to teach, and the model's card.
import * as about from './demo-about.js';
import * as board from './demo-board.js';
import { at, show } from './demo-dom.js';
import * as drawer from './demo-drawer.js';
import * as teach from './demo-teach.js';

const sources = [...document.querySelectorAll('[name=source]')];

// turn shows the board, or the visitor's own picture.
export function turn(toBoard) {
  for (const radio of sources) radio.checked = (radio.value === 'board') === toBoard;
  if (toBoard) document.documentElement.dataset.media = 'board';
}

export const isShown = () => document.documentElement.dataset.media === 'board';

// open makes it all ready. page has changed(settled) for each change of the board, look() to ask about it, which gives what
// the model says, and own(), which shows the visitor's own picture.
export async function open(info, page) {
  about.open(info).catch((error) => console.warn('no card:', error.message));
  await board.open({ changed: page.changed, shown: () => {
    drawer.follow();
    teach.follow();
  } });
  drawer.open();
  teach.open(page);
  for (const radio of sources) radio.onchange = () => (radio.value === 'board' ? page.look() : page.own());
  for (const id of ['source', 'board', 'teach']) show(id, true);
  at('picture-title').textContent = 'Stickers, a picture or a video';
}

export const picture = board.picture;
