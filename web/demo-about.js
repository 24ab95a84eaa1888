// The card of the model: what it was measured to know, drawn from the card.json beside its weights, where there is one.
import { at, make, show } from './demo-dom.js';
import * as format from './format.js';

const styles = { seen: 'Drawings as in training', unseen: 'Drawings it never saw' };
const figures = [
  ['captions', 'exact', 'Captions right to the word'],
  ['captions', 'object F1', 'Things named (F1)'],
  ['captions', 'count', 'How many'],
  ['captions', 'relation', 'Left, right, above and below'],
  ['captions', 'background', 'Background'],
  ['videos', 'motion', 'What happens in a video'],
  ['in context: name', '8 shots', 'A made-up word, after 8 examples'],
];
const tasks = { name: 'A word for a thing', attribute: 'A word for a colour', format: 'A new form', register: 'Another register' };

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const spread = ({ low, high }) => (low === undefined ? '' : `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`);

// curves gives [{label, style, points: [[shots, figure]]}] of the tasks whose rule is in their examples alone.
export function curves({ figures: measured }) {
  return Object.entries(tasks).flatMap(([task, label]) => Object.keys(styles).flatMap((style) => {
    const rows = Object.entries(measured?.[style]?.[`in context: ${task}`] ?? {});
    const points = rows.map(([name, figure]) => [Number.parseInt(name, 10), figure]).sort(([a], [b]) => a - b);
    return points.length ? [{ task, label, style, points }] : [];
  }));
}

// CIDEr is no share: it goes to 10.
const amount = ({ value }, row) => (row === 'CIDEr' ? value.toFixed(2) : percent(value));
const cell = (figure, row) => make('td', {}, ...(figure ? [amount(figure, row), make('small', { textContent: spread(figure) })] : ['–']));

function table(caption, heads, rows) {
  return make('div', { className: 'scroll', tabIndex: 0, role: 'region', ariaLabel: caption }, make('table', {},
    make('caption', { textContent: caption }),
    make('thead', {}, make('tr', {}, ...heads.map((textContent) => make('th', { scope: 'col', textContent })))),
    make('tbody', {}, ...rows.map(([head, ...cells]) => make('tr', {}, make('th', { scope: 'row', textContent: head }), ...cells)))));
}

const inStyles = (card, name, row) => Object.keys(styles).map((style) => cell(card.figures?.[style]?.[name]?.[row], row));

function keyFigures(card) {
  const rows = figures.filter(([name, row]) => card.figures?.seen?.[name]?.[row])
    .map(([name, row, label]) => [label, ...inStyles(card, name, row)]);
  return table('Share right, with its 95 % interval', ['What', ...Object.values(styles)], rows);
}

// everything is all tables as they were measured.
function everything(card) {
  const rows = Object.entries(card.figures?.seen ?? {}).flatMap(([name, measured]) => Object.keys(measured)
    .map((row) => [`${name}: ${row}`, ...inStyles(card, name, row)]));
  return make('details', {}, make('summary', { textContent: 'Every figure' }), table('All that was measured', ['What', ...Object.values(styles)], rows));
}

// ---- the chart ----------------------------------------------------------------------------------------------------

const [width, height, left, bottom, top] = [440, 240, 44, 34, 10];

function draw(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function chart(lines) {
  const shots = [...new Set(lines.flatMap(({ points }) => points.map(([n]) => n)))].sort((a, b) => a - b);
  const x = (n) => left + ((width - left - 16) * shots.indexOf(n)) / Math.max(1, shots.length - 1);
  const y = (share) => top + (height - top - bottom) * (1 - share);
  const shares = [0, 0.25, 0.5, 0.75, 1];
  const order = Object.keys(tasks);
  return draw('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Share right by the number of examples; the table below has the same figures' },
    ...shares.flatMap((share) => [
      draw('line', { class: 'grid', x1: left, x2: width - 8, y1: y(share), y2: y(share) }),
      draw('text', { x: left - 8, y: y(share) + 4, 'text-anchor': 'end' }, `${100 * share} %`),
    ]),
    ...shots.map((n) => draw('text', { x: x(n), y: height - 16, 'text-anchor': 'middle' }, String(n))),
    draw('text', { x: (left + width) / 2, y: height - 1, 'text-anchor': 'middle' }, 'examples'),
    ...lines.map(({ task, style, points }) => draw('g', { class: `curve-${order.indexOf(task)} ${style}` },
      draw('polyline', { points: points.map(([n, { value }]) => `${x(n)},${y(value)}`).join(' ') }),
      ...points.map(([n, { value }]) => draw('circle', { cx: x(n), cy: y(value), r: 3.5 })))));
}

function fewShot(card) {
  const lines = curves(card);
  if (!lines.length) return '';
  const shots = lines[0].points.map(([n]) => n);
  const key = Object.entries(tasks).map(([task, label], i) => lines.some((line) => line.task === task)
    && make('li', {}, make('i', { className: `curve-${i}` }), label)).filter(Boolean);
  return make('div', {},
    make('h3', { textContent: 'Learning from examples in the prompt' }),
    make('p', { className: 'note', textContent: 'The rule of each task stands in its examples alone, and no name or form of these was in training. Dashed: drawings it never saw.' }),
    make('figure', {}, chart(lines), make('ul', { className: 'key' }, ...key)),
    make('details', {}, make('summary', { textContent: 'The curve as a table' }),
      table('Share right by the number of examples', ['Task', ...shots.map(String)], lines.map(({ label, style, points }) =>
        [`${label}, ${style}`, ...points.map(([, figure]) => cell(figure))]))));
}

// ---- failures -----------------------------------------------------------------------------------------------------

function failures(card, base) {
  if (!card.failures?.length) return '';
  return make('div', {},
    make('h3', { textContent: 'Where it goes wrong' }),
    make('ul', { className: 'failures' }, ...card.failures.map(({ image, said, truth, style }) => make('li', {},
      make('img', { src: new URL(image, base).href, alt: truth.trim(), width: 128, height: 128, loading: 'lazy' }),
      make('p', {}, make('b', { textContent: 'Said ' }), said?.trim() ?? 'no end'),
      make('p', {}, make('b', { textContent: 'True ' }), truth.trim()),
      make('p', { className: 'note', textContent: styles[style] ?? '' })))));
}

// open shows what is known about the model, with its card where one lies beside it.
export async function open({ url, parameters, bytes, dtype, licences = [] }) {
  const facts = [`${format.count(parameters)} parameters`, `${format.bytes(bytes)} in ${dtype}`, ...licences.map(({ component, spdx }) => `${component} ${spdx}`)];
  at('about-facts').textContent = facts.join(' · ');
  show('about', true);
  const response = await fetch(new URL('card.json', url));
  if (!response.ok) return;
  const card = await response.json();
  at('card').replaceChildren(...[
    card.summary && make('p', { textContent: card.summary }),
    keyFigures(card), everything(card), fewShot(card), failures(card, new URL('card.json', url)),
  ].filter(Boolean));
}
