// The sticker board: stickers that pointers and keys move about on a ground. The document shows the scene, stickers as
// buttons; the model is given the same scene drawn as a picture of the size that it was trained on.
import { at, make, speak } from './demo-dom.js';
import { drawGround, drawScene } from './demo-grounds.js';
import { Past, change, groundWords, known, opening, place, put, remove } from './demo-scene.js';

const side = 128;
const turning = Math.PI / 12;
const surface = at('surface');
const canvas = make('canvas', { width: side, height: side });
const elements = new Map(); // sticker's id → its button, which has its drawing's key as `shows`
const images = new Map();
const history = new Past(opening);

let sheet; // what stickers.json says
let selected; // id
let tell; // {changed(settled), shown()}
let gestures = 0;

export const scene = () => history.now;
export const stickers = () => sheet.stickers;
export const styles = () => sheet.sets;
export const wordOf = (name) => sheet.stickers.find((sticker) => sticker.name === name).one;

const keyOf = ({ name, style }) => `${name} ${style}`;

// drawing gives an <img> of a sticker.
export function drawing({ name, style }) {
  const key = keyOf({ name, style });
  if (!images.has(key)) {
    const { drawings } = sheet.stickers.find((sticker) => sticker.name === name);
    images.set(key, make('img', { src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawings[style])}`, alt: '', draggable: false }));
  }
  return images.get(key);
}

// paint draws a scene as the model sees it.
export async function paint(shown, on = make('canvas', { width: side, height: side })) {
  await Promise.all(shown.stickers.map((sticker) => drawing(sticker).decode()));
  if (on !== canvas || shown === scene()) drawScene(on.getContext('2d'), shown, side, drawing);
  return on;
}

export const picture = () => canvas;

// theOne is the sticker that is meant: the selected one, or the only one.
export const theOne = () => scene().stickers.find(({ id }) => id === selected) ?? (scene().stickers.length === 1 ? scene().stickers[0] : undefined);

const labelOf = (sticker) => `${wordOf(sticker.name)} ${place(sticker)}`;

function show() {
  const { ground, stickers: laid } = scene();
  const kept = new Map(laid.map((sticker) => [sticker.id, keyOf(sticker)]));
  for (const [id, element] of elements) {
    if (kept.get(id) === element.shows) continue;
    elements.delete(id);
    element.remove();
  }
  laid.forEach((sticker, i) => {
    const element = elements.get(sticker.id) ?? buttonOf(sticker);
    const before = surface.children[i + 1]; // behind the ground
    if (before !== element) surface.insertBefore(element, before ?? null);
    const { x, y, size, turn } = sticker;
    Object.assign(element.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * size}%`, rotate: `${turn}rad` });
    element.classList.toggle('selected', sticker.id === selected);
    element.ariaLabel = labelOf(sticker);
  });
  const behind = at('ground');
  if (behind.drawn !== ground) drawGround(behind.getContext('2d'), ground, behind.width);
  behind.drawn = ground;
  behind.ariaLabel = `Background: ${groundWords(ground).replace(/^on a (.*) background$/, '$1')}`;
  for (const button of document.querySelectorAll('#board [data-act]')) button.disabled = !kept.has(selected);
  at('undo').disabled = !history.undoable;
  at('clear-board').disabled = laid.length === 0;
  at('crowded').hidden = laid.length <= known;
  tell.shown();
}

// become makes a scene the present one. Where settled is false something moves still; where quiet is true nobody is told.
export async function become(now, { gesture, settled = true, quiet = false } = {}) {
  if (now !== scene()) history.become(now, gesture);
  await present(settled, quiet);
}

async function present(settled, quiet = false) {
  show();
  const mine = scene();
  await paint(mine, canvas);
  if (mine === scene() && !quiet) tell.changed(settled);
}

export function add(name, style, spot) {
  const now = put(scene(), { name, style, ...spot });
  selected = now.stickers.at(-1).id;
  become(now);
  speak(`Added: ${labelOf(now.stickers.at(-1))}.`);
}

function select(id) {
  selected = id;
  show();
}

function takeOff(id, gesture) {
  const index = scene().stickers.findIndex((sticker) => sticker.id === id);
  const had = elements.get(id).contains(document.activeElement);
  speak(`Removed: ${wordOf(scene().stickers[index].name)}.`);
  const now = remove(scene(), id);
  const next = now.stickers[Math.min(index, now.stickers.length - 1)];
  selected = next?.id;
  become(now, { gesture });
  if (had) (next ? elements.get(next.id) : at('sticker-search')).focus();
}

function undo() {
  history.undo();
  present(true);
  speak('Undone.');
}

// ---- pointers -----------------------------------------------------------------------------------------------------

// spotAt is where on the board a pointer is; beyond it below 0 or above 1.
export function spotAt({ clientX, clientY }) {
  const { left, top, width, height } = surface.getBoundingClientRect();
  return { x: (clientX - left) / width, y: (clientY - top) / height };
}

export const isOn = ({ x, y }, slack = 0) => Math.min(x, y, 1 - x, 1 - y) >= -slack;

// drag calls move(event) until the pointer is let go, and then end(event).
export function drag(element, { pointerId }, move, end) {
  const over = new AbortController();
  const { signal } = over;
  element.setPointerCapture(pointerId);
  element.addEventListener('pointermove', move, { signal });
  for (const type of ['pointerup', 'pointercancel']) {
    element.addEventListener(type, (event) => {
      over.abort();
      end(event);
    }, { signal });
  }
}

function buttonOf(sticker) {
  const { id } = sticker;
  const handle = make('i', { className: 'handle', ariaHidden: 'true' });
  const element = make('button', { type: 'button', className: 'sticker' }, drawing(sticker).cloneNode(), handle);
  elements.set(id, element);
  element.shows = keyOf(sticker);
  element.onfocus = () => select(id);
  element.onpointerdown = (event) => {
    if (event.button !== 0) return;
    event.preventDefault(); // no selection of text, no ghost of the picture
    element.focus({ preventScroll: true });
    const gesture = ++gestures;
    const before = scene().stickers.find((other) => other.id === id);
    (event.target === handle ? stretch : carry)(element, event, before, gesture);
  };
  return element;
}

function carry(element, event, before, gesture) {
  const from = spotAt(event);
  const leaves = (moved) => !isOn(spotAt(moved), 0.06);
  drag(element, event, (moved) => {
    const { x, y } = spotAt(moved);
    element.classList.toggle('leaving', leaves(moved));
    become(change(scene(), before.id, { x: before.x + x - from.x, y: before.y + y - from.y }), { gesture, settled: false });
  }, (moved) => {
    element.classList.remove('leaving');
    if (leaves(moved)) takeOff(before.id, gesture);
    else rest(gesture);
  });
}

// stretch sizes and turns a sticker by its handle.
function stretch(element, event, before, gesture) {
  const reach = (moved) => {
    const { x, y } = spotAt(moved);
    return { far: Math.hypot(x - before.x, y - before.y), angle: Math.atan2(y - before.y, x - before.x) };
  };
  const from = reach(event);
  drag(element, event, (moved) => {
    const { far, angle } = reach(moved);
    const turn = before.turn + angle - from.angle;
    const upright = Math.abs(Math.sin(turn / 2)) < 0.05 ? 0 : turn;
    become(change(scene(), before.id, { size: (before.size * far) / from.far, turn: upright }), { gesture, settled: false });
  }, () => rest(gesture));
}

// rest has the model look at what a gesture has made, if it has made something.
const rest = (gesture) => history.gesture === gesture && present(true);

// ---- keys and buttons ---------------------------------------------------------------------------------------------

const acts = {
  smaller: ({ size }) => ({ size: size - 0.03 }),
  larger: ({ size }) => ({ size: size + 0.03 }),
  left: ({ turn }) => ({ turn: turn - turning }),
  right: ({ turn }) => ({ turn: turn + turning }),
};
const keys = { '-': 'smaller', '+': 'larger', '=': 'larger', '[': 'left', ']': 'right' };
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function alter(now) {
  become(change(scene(), selected, now));
  speak(labelOf(scene().stickers.find(({ id }) => id === selected)));
}

const act = (name) => alter(acts[name](scene().stickers.find(({ id }) => id === selected)));

function press(event) {
  const { key, shiftKey } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const sticker = scene().stickers.find(({ id }) => elements.get(id) === event.target);
  if (!sticker) return;
  if (arrows[key]) {
    const [x, y] = arrows[key].map((way) => way * (shiftKey ? 0.1 : 0.02));
    alter({ x: sticker.x + x, y: sticker.y + y });
  } else if (keys[key]) act(keys[key]);
  else if (key === 'Delete' || key === 'Backspace') takeOff(sticker.id);
  else return;
  event.preventDefault();
}

// open makes the board ready. listener.changed(settled) is called whenever the picture has changed, listener.shown() also
// when another sticker is chosen.
export async function open(listener) {
  tell = listener;
  const response = await fetch('./samples/stickers.json');
  if (!response.ok) throw new Error(`stickers.json answered ${response.status}`);
  sheet = await response.json();
  surface.onkeydown = press;
  at('board').onkeydown = (event) => {
    if (event.key !== 'z' || !(event.ctrlKey || event.metaKey) || event.target.matches('input')) return;
    event.preventDefault();
    undo();
  };
  for (const button of document.querySelectorAll('#board [data-act]')) {
    button.onclick = () => (button.dataset.act === 'remove' ? takeOff(selected) : act(button.dataset.act));
  }
  at('undo').onclick = undo;
  at('clear-board').onclick = () => {
    become({ ...scene(), stickers: [] });
    speak('Cleared.');
    at('sticker-search').focus();
  };
  at('ground').onpointerdown = () => select(undefined);
  show();
  await paint(scene(), canvas);
}
