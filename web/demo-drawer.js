// The drawer below the sticker board: stickers to lay on it, and grounds to put behind them.
import { at, make, speak } from './demo-dom.js';
import * as board from './demo-board.js';
import { colours, drawGround } from './demo-grounds.js';
import { groundWords, landscapes, patterns } from './demo-scene.js';

const thumb = 48;
const seed = 7; // so that a ground looks like its button

const style = () => Number(at('sticker-style').value);

function listStickers() {
  const sought = at('sticker-search').value.trim().toLowerCase();
  const found = board.stickers().filter(({ one, several }) => `${one} ${several}`.includes(sought));
  at('sticker-list').replaceChildren(...found.map(({ name, one }) => make('li', {}, buttonOf(name, one))));
  at('no-sticker').hidden = found.length > 0;
}

function buttonOf(name, one) {
  const picture = board.drawing({ name, style: style() });
  const button = make('button', { type: 'button', ariaLabel: `Add: ${one}`, title: one }, picture.cloneNode());
  let dragged = false;
  button.onclick = () => !dragged && board.add(name, style());
  // A finger that moves sideways scrolls the list; one that moves up takes a sticker with it.
  button.onpointerdown = (event) => {
    if (event.button !== 0) return;
    const ghost = picture.cloneNode();
    ghost.className = 'ghost';
    board.drag(button, event, (moved) => {
      if (!dragged && Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) < 6) return;
      dragged = true;
      if (!ghost.isConnected) document.body.append(ghost);
      Object.assign(ghost.style, { left: `${moved.clientX}px`, top: `${moved.clientY}px` });
    }, (end) => {
      ghost.remove();
      const spot = board.spotAt(end);
      if (dragged && end.type === 'pointerup' && board.isOn(spot)) board.add(name, style(), spot);
      setTimeout(() => (dragged = false)); // behind the click that a drag ends with
    });
  };
  return button;
}

// ---- grounds ------------------------------------------------------------------------------------------------------

function choose(ground) {
  board.become({ ...board.scene(), ground: { ...board.scene().ground, ...ground, seed } });
  speak(`Background: ${groundWords(board.scene().ground)}.`);
}

let shown;

// follow draws the patterns in the colour at hand, and marks what is chosen.
export function follow() {
  const { ground } = board.scene();
  if (ground === shown) return;
  shown = ground;
  const { kind, colour } = ground;
  for (const canvas of document.querySelectorAll('#grounds canvas')) {
    const pattern = canvas.previousElementSibling.value;
    drawGround(canvas.getContext('2d'), { kind: pattern, colour, seed }, thumb);
  }
  for (const [name, value] of [['ground', kind], ['colour', colour]]) {
    for (const radio of document.querySelectorAll(`#grounds [name=${name}]`)) radio.checked = radio.value === value;
  }
}

const radio = (name, value, onchange, swatch) => make('label', { title: value },
  make('input', { type: 'radio', name, value, onchange }), swatch, make('span', { className: 'spoken', textContent: value }));

function listGrounds() {
  at('ground-kinds').append(...[...patterns, ...landscapes].map((kind) =>
    radio('ground', kind, () => choose({ kind }), make('canvas', { width: thumb, height: thumb }))));
  at('ground-colours').append(...Object.entries(colours).map(([colour, rgb]) => {
    const dot = make('i');
    dot.style.background = `rgb(${rgb.join(' ')})`;
    const plain = () => (landscapes.includes(board.scene().ground.kind) ? { kind: 'plain' } : {});
    return radio('colour', colour, () => choose({ colour, ...plain() }), dot);
  }));
  shown = undefined;
  follow();
}

export function open() {
  at('sticker-style').append(...board.styles().map(({ by }, i) => make('option', { value: i, textContent: by })));
  at('sticker-style').onchange = at('sticker-search').oninput = listStickers;
  for (const tab of document.querySelectorAll('[name=drawer]')) {
    tab.onchange = () => {
      at('sticker-drawer').hidden = tab.value !== 'stickers';
      at('grounds').hidden = tab.value !== 'grounds';
    };
  }
  listStickers();
  listGrounds();
}
