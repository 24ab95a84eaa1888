// The answer: words as they come, how sure the model was, other texts, bars for labels, and what can be done with it.
import { at, make, show, speak, write } from './demo-dom.js';
import * as format from './format.js';

const percent = (p) => `${p > 0.995 && p < 1 ? '> 99' : p < 0.01 ? '< 1' : Math.round(100 * p)} %`;

export const text = () => at('caption').textContent.trim();

export function clear() {
  at('caption').replaceChildren();
  speak('');
  for (const id of ['copy', 'alt', 'keep', 'snippet-box', 'timings', 'best', 'bars', 'words']) show(id, false);
  at('alt').setAttribute('aria-expanded', 'false');
}

// append adds a piece, in an element of its own so that it can fade in.
export function append(info, piece) {
  const caption = at('caption');
  const said = format.said(info, piece);
  const visible = caption.textContent === '' ? said.trimStart() : said;
  if (visible) caption.append(tinted(visible, piece.logProb));
}

function tinted(textContent, logProb) {
  const span = make('span', { textContent });
  if (logProb === undefined) return span;
  const p = Math.exp(logProb);
  span.title = percent(p);
  span.style.setProperty('--doubt', `${Math.round(100 - 100 * p)}%`);
  span.className = p < 0.5 ? 'tint doubtful' : 'tint';
  return span;
}

// offer shows what can be done with the text. Token ids can be copied, but they describe nothing to a reader.
export function offer(info) {
  show('copy', text() !== '');
  for (const id of ['alt', 'keep']) show(id, info.tokenizer && text() !== '');
}

// said replaces the text by an answer: {text, ids}, with probabilities where its pieces were told some.
function said(info, answer, pieces = []) {
  const whole = format.said(info, answer).trim();
  const sure = pieces[0]?.logProb !== undefined;
  at('caption').replaceChildren(sure ? '' : whole);
  if (sure) for (const piece of pieces) append(info, piece);
  show('words', sure);
  document.querySelector('#words tbody').replaceChildren(...pieces.filter(() => sure).map(({ text: word, id, logProb }) =>
    make('tr', {}, make('td', { textContent: word || `token ${id}` }), make('td', { textContent: percent(Math.exp(logProb)) }))));
  if (answer.text) at('preview').alt = whole;
  offer(info);
  return whole;
}

// present shows a result, of labels or of a text, and gives it in words: the stream is silent for screen readers.
export function present(info, result, pieces) {
  if (Array.isArray(result)) return labelled(info, result);
  showBest(info, result, pieces);
  showTimings(result.stats);
  return said(info, result, pieces);
}

// showBest lists what a search found; choosing one makes it the answer.
function showBest(info, { best = [] }, pieces) {
  const buttons = best.map((found, i) => make('button', {
    type: 'button', ariaPressed: String(i === 0),
    on: () => {
      for (const other of buttons) other.ariaPressed = String(other === buttons[i]);
      speak(`Answer: ${said(info, found, i === 0 ? pieces : [])}`);
    },
  }, make('span', { textContent: format.said(info, found).trim() || '(nothing)' }), make('b', { textContent: found.score.toFixed(2) })));
  document.querySelector('#best ol').replaceChildren(...buttons.map((button) => make('li', {}, button)));
  show('best', best.length > 1);
}

// labelled shows how probable each label is, as a bar.
function labelled(info, labels) {
  at('bars').replaceChildren(...labels.map(({ label, probability }) => {
    const bar = make('i', { ariaHidden: 'true' });
    bar.style.width = `${100 * probability}%`;
    return make('li', {}, make('span', { textContent: label }), make('b', { textContent: percent(probability) }), bar);
  }));
  show('bars', true);
  return `${said(info, { text: labels[0].label })}, ${percent(labels[0].probability)}`;
}

function showTimings(stats) {
  for (const part of ['image', 'vision', 'prefill', 'decode']) {
    const ms = stats[`${part}Ms`];
    write(`t-${part}`, format.milliseconds(ms));
    document.querySelector(`.bar .t-${part}`).style.flexGrow = ms;
  }
  write('t-speed', `${Math.round(stats.tokensPerSecond)} tokens/s`);
  show('timings', true);
}

async function copy(button, what) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(what);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Press Ctrl C';
    getSelection().selectAllChildren(button === at('copy') ? at('caption') : at('snippet'));
  }
  setTimeout(() => (button.textContent = label), 1600);
}

// listen makes the buttons work; name gives the picture's file name.
export function listen(name) {
  at('copy').onclick = () => copy(at('copy'), text());
  at('copy-snippet').onclick = () => copy(at('copy-snippet'), at('snippet').textContent);
  at('alt').onclick = () => {
    write('snippet', format.altSnippet(name().split(/[\\/]/).pop(), text()));
    show('snippet-box', at('snippet-box').hidden);
    at('alt').setAttribute('aria-expanded', String(!at('snippet-box').hidden));
  };
}
