// Teaching words: pictures of a sticker with a word that is made up go into the tray of examples, and then the model is
// asked what a new picture of it shows.
import { at, make, show, speak, write } from './demo-dom.js';
import * as board from './demo-board.js';
import { colours } from './demo-grounds.js';
import { aboutOne, numbers, oneOf } from './demo-scene.js';
import * as task from './demo-task.js';
import * as tray from './demo-tray.js';

const shotsAtMost = 8; // as many as documents had in training
const perWord = 4;
const demonstration = [{ word: 'dax', name: 'octopus' }, { word: 'wug', name: 'cactus' }];

const random = numbers(crypto.getRandomValues(new Uint32Array(1))[0]);
let taught = []; // {word, name}
let examples = []; // items of the tray
let asked; // the thing that the model was asked about last
let examined; // and the scene that showed it
let page;

const compose = (name) => aboutOne(name, board.styles().length, Object.keys(colours), random);

function shuffled(list) {
  const left = [...list];
  return list.map(() => left.splice(Math.floor(random() * left.length), 1)[0]);
}

// teach gives the tray examples of these words alone. Every word is shown before any is shown twice.
async function teach(words) {
  taught = words;
  task.choose('caption');
  const each = Math.max(1, Math.min(perWord, Math.floor(shotsAtMost / words.length)));
  const rounds = Array.from({ length: each }, () => shuffled(words)).flat();
  const made = await Promise.all(rounds.map(async ({ word, name }) => ({ word, image: await toBlob(await board.paint(compose(name))) })));
  if (taught !== words) return;
  tray.drop(examples);
  examples = made.map(({ word, image }) => tray.add({ image }, word, word));
  list();
}

const toBlob = (canvas) => new Promise((resolve) => canvas.toBlob(resolve));

function list() {
  at('taught').replaceChildren(...taught.map(({ word, name }) => make('li', {},
    board.drawing({ name, style: 0 }).cloneNode(),
    make('span', {}, make('b', { textContent: word }), ` means ${board.wordOf(name)}`),
    make('button', { type: 'button', className: 'quiet', textContent: '×', ariaLabel: `Forget ${word}`, on: () => forget(word) }))));
  for (const id of ['taught', 'ask-taught']) show(id, taught.length);
  show('teach-more', taught.length === 1);
}

async function forget(word) {
  const left = taught.filter((other) => other.word !== word);
  if (left.length) return teach(left).then(page.look);
  tray.drop(examples);
  clear();
  at('teach-demo').focus();
  return page.look();
}

// examine puts a new picture of a taught thing on the board and tells whether the model has its word.
async function examine() {
  const mine = (asked = oneOf(random, taught.filter((thing) => taught.length < 2 || thing.word !== asked?.word)));
  const scene = (examined = compose(mine.name));
  await board.become(scene, { quiet: true });
  const said = (await page.look()).trim();
  if (board.scene() !== scene || !said) return;
  const right = said === mine.word;
  at('taught-said').dataset.right = right;
  write('taught-said', right ? `Right: it was taught that this is “${mine.word}”.` : `It was taught “${mine.word}”, and says “${said}”.`);
}

function clear() {
  taught = [];
  examples = [];
  write('taught-said', '');
  list();
}

// open makes the panel work; page.look() asks about the board and gives what the model says.
export function open(tools) {
  page = tools;
  at('teach-demo').onclick = async () => {
    await teach(demonstration);
    await examine();
  };
  at('ask-taught').onclick = examine;
  at('clear-examples').addEventListener('click', clear);
  at('teach-form').onsubmit = async (event) => {
    event.preventDefault();
    const sticker = board.theOne();
    const word = at('word').value.trim();
    if (!sticker) return write('taught-said', 'Choose a sticker on the board first.');
    if (!word) return at('word').focus();
    at('word').value = '';
    await teach([...taught.filter((thing) => thing.word !== word && thing.name !== sticker.name), { word, name: sticker.name }]);
    speak(`Taught: ${word}.`);
    return page.look();
  };
}

// follow names the sticker that a word would be taught for, and forgets what was said of another picture.
export function follow() {
  if (board.scene() !== examined) write('taught-said', '');
  const sticker = board.theOne();
  write('word-for', sticker ? `A new word for “${board.wordOf(sticker.name)}”` : 'A new word for the chosen sticker');
}
