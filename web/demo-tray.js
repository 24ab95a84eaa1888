// The tray of examples. Its list in the document is its state: each item holds a picture, and fields for what is to be
// said of it.
import { at, make, show, speak, write } from './demo-dom.js';
import { isPicture, thumbnail } from './demo-media.js';
import { count, mode } from './demo-task.js';
import { isVideo } from './demo-video.js';

const list = at('examples');
const parts = new WeakMap(); // item → {image} or {video}
const moved = 'application/x-flamingo-example';
let flamingo;
let changed;

const items = () => [...list.children];
const value = (item, name) => item.querySelector(`[name=${name}]`).value.trim();
const usable = (item) => value(item, 'text') && (mode() !== 'ask' || value(item, 'question'));

// shots are the examples that say all that the mode wants.
export const shots = () => items().filter(usable).map((item) => ({
  ...parts.get(item), text: value(item, 'text'), ...(mode() === 'ask' && { question: value(item, 'question') }),
}));

// add puts an example behind the others.
export function add(part, name, text = '', question = '') {
  const act = (symbol, verb, on) => make('button', { type: 'button', className: 'quiet', textContent: symbol, title: verb, name: verb, on });
  const field = (label, key, content) => make('label', { className: `field for-${key}` }, label,
    make('textarea', { name: key, value: content, rows: 2, oninput: update }));
  const item = make('li', { draggable: true },
    make('div', { className: 'thumb' }, thumbnail(part, name)),
    make('div', { className: 'says' }, field('Question', 'question', question), field('Answer', 'text', text)),
    make('div', { className: 'moves' },
      act('↑', 'Earlier', () => move(item, -1)), act('↓', 'Later', () => move(item, 1)), act('×', 'Remove', () => remove(item))));
  item.ondragstart = ({ dataTransfer, target }) => target === item && (dataTransfer.setData(moved, ''), (list.dragged = item));
  item.ondragover = (event) => {
    if (!list.dragged || list.dragged === item) return;
    event.preventDefault();
    const after = items().indexOf(list.dragged) < items().indexOf(item);
    item[after ? 'after' : 'before'](list.dragged);
  };
  item.ondragend = () => {
    list.dragged = undefined;
    update();
  };
  parts.set(item, part);
  list.append(item);
  update();
  speak(`Example ${list.children.length} added.`);
  return item;
}

function move(item, by) {
  const place = items().indexOf(item) + by;
  const other = list.children[place];
  if (!other) return;
  other[by < 0 ? 'before' : 'after'](item);
  item.querySelector(`[name=${by < 0 ? 'Earlier' : 'Later'}]`).focus();
  update();
  speak(`Now example ${place + 1} of ${list.children.length}.`);
}

function remove(item) {
  const next = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  (next?.querySelector('[name=Remove]') ?? at('example-file')).focus();
  update();
  speak('Example removed.');
}

// drop takes out examples that add gave.
export function drop(dropped) {
  for (const item of dropped) item.remove();
  update();
}

function update() {
  items().forEach((item, i) => {
    item.classList.toggle('unused', !usable(item));
    for (const button of item.querySelectorAll('button')) button.ariaLabel = `${button.name}: example ${i + 1}`;
  });
  show('tray-empty', !list.children.length);
  show('clear-examples', list.children.length > 0);
  clearTimeout(changed);
  changed = setTimeout(weigh, 150);
}

// weigh shows how much of the model's positions the prompt takes.
async function weigh() {
  if (!flamingo?.info.tokenizer) return;
  const { positions } = flamingo.info;
  const used = await count(flamingo, shots()).catch((error) => console.warn('no count:', error.message));
  if (used === undefined) return;
  Object.assign(at('budget'), { max: positions, value: used, low: positions * 0.7, high: positions * 0.9 });
  const idle = list.children.length - shots().length;
  write('budget-text', [
    used < positions ? `The prompt takes ${used} of the model’s ${positions} tokens` : `Too long: ${used} of ${positions} tokens. Remove an example`,
    idle && `${idle} without ${mode() === 'ask' ? 'question or answer' : 'answer'} left out`,
  ].filter(Boolean).join(' · '));
}

// addFiles takes what was chosen or dropped; the first field that is empty gets the focus.
function addFiles(files) {
  const added = [...files].filter((file) => isPicture(file) || isVideo(file)).map((file) => add({ [isVideo(file) ? 'video' : 'image']: file }, file.name));
  added[0]?.querySelector(mode() === 'ask' ? '[name=question]' : '[name=text]').focus();
}

// take adds what a transfer holds and tells whether it held something. sample gives the picture of an address.
function take(transfer, sample) {
  if (transfer.files.length) return addFiles(transfer.files);
  const address = (transfer.getData('text/uri-list') || transfer.getData('text/plain')).trim();
  const known = sample(address);
  if (known) add({ image: known.src }, known.file, known.alt);
  else if (/^(https?:|data:image\/)\S+$/i.test(address)) add({ image: address }, address);
}

export const refresh = update;

export function fit(model) {
  flamingo = model;
  show('tray', model.info.tokenizer);
  update();
}

export function listen(sample) {
  at('example-file').onchange = ({ target }) => {
    addFiles(target.files);
    target.value = '';
  };
  at('clear-examples').onclick = () => {
    list.replaceChildren();
    update();
    speak('All examples removed.');
    at('example-file').focus();
  };
  const tray = at('tray');
  tray.ondragover = (event) => {
    event.preventDefault();
    tray.classList.add('over');
  };
  tray.ondragleave = ({ relatedTarget }) => tray.classList.toggle('over', tray.contains(relatedTarget));
  tray.ondrop = (event) => {
    event.preventDefault();
    event.stopPropagation();
    tray.classList.remove('over');
    document.body.classList.remove('dragging');
    if (!event.dataTransfer.types.includes(moved)) take(event.dataTransfer, sample);
  };
  update();
}
