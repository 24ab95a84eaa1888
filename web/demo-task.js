// What is asked of the model: the mode, its field, and the options.
import { at, query, show, write } from './demo-dom.js';

const modes = [...document.querySelectorAll('[name=mode]')];
const ways = [...document.querySelectorAll('[name=way]')];
const chosen = (radios) => radios.find(({ checked }) => checked).value;

export const mode = () => chosen(modes);
export const question = () => at('question').value.trim();
export const labels = () => [...new Set(at('labels').value.split(/[\n,]/).map((label) => label.trim()).filter(Boolean))];

// lacking says what is still to be filled in before the model can be asked.
export function lacking() {
  if (mode() === 'ask' && !question()) return 'Type a question.';
  if (mode() === 'classify' && labels().length < 2) return 'Type two labels or more.';
  return '';
}

// options are those of caption, ask and prompt.
export function options() {
  const number = (id) => {
    const { value, min, max } = at(id);
    return Math.min(Math.max(Number(value), min), max);
  };
  const minTokens = number('minTokens');
  const said = { minTokens, maxTokens: Math.max(number('maxTokens'), minTokens), logProbs: at('tint').checked };
  if (at('stopText').value) said.stop = [at('stopText').value];
  const way = chosen(ways);
  if (way === 'draw') return { ...said, temperature: number('temperature'), topP: number('topP'), seed: Math.round(number('seed')) };
  if (way !== 'search') return said;
  const beams = number('beams');
  return { ...said, beams, n: Math.min(number('n'), beams), lengthPenalty: number('lengthPenalty') };
}

// ask starts the model on {image} or {video} behind examples, {shots} and perhaps {retrieve}: a run, or for labels a promise.
export function ask(flamingo, part, { shots, ...more }, signal) {
  if (mode() === 'classify') return flamingo.classify(part, labels(), { shots, ...more, signal });
  const settings = { ...options(), signal };
  if (mode() === 'caption') return flamingo.caption(part, { ...settings, ...more, shots });
  if (flamingo.info.prompts.ask) return flamingo.ask(part, question(), { ...settings, ...more, shots });
  return flamingo.prompt(spelt(part, shots), settings);
}

// count is how many tokens the prompt of that has.
export function count(flamingo, shots) {
  const asked = question() || '…';
  if (mode() !== 'ask') return flamingo.count(mode(), { shots });
  return flamingo.info.prompts.ask ? flamingo.count('ask', { question: asked, shots }) : flamingo.count(spelt({ image: '' }, shots, asked));
}

// spelt are parts for a model without a template for questions.
const spelt = (query, shots, asked = question()) => [
  ...shots.flatMap(({ question: before, text, ...part }) => [part, `Question: ${before} Answer: ${text}\n`]),
  query, `Question: ${asked} Answer:`,
];

// fit says what a loaded model can do.
export function fit({ tokenizer, prompts }) {
  show('ask-note', !prompts.ask);
  for (const radio of modes) radio.disabled = !tokenizer && radio.value !== 'caption';
  if (!tokenizer) choose('caption');
}

export function choose(name) {
  for (const radio of modes) radio.checked = radio.value === name;
  for (const field of document.querySelectorAll('[data-for]')) field.hidden = field.dataset.for !== name;
  show('go', name !== 'caption');
  write('go', name === 'ask' ? 'Ask' : 'Classify');
  document.documentElement.dataset.mode = name;
}

function chooseWay() {
  for (const field of document.querySelectorAll('[data-way]')) field.hidden = field.dataset.way !== chosen(ways);
}

// listen tells of a change of mode, of what a prompt is made of, and of a wish to run.
export function listen(onMode, onPrompt, onRun) {
  choose(modes.some(({ value }) => value === query.get('mode')) ? query.get('mode') : 'caption');
  chooseWay();
  for (const radio of modes) {
    radio.onchange = () => {
      choose(radio.value);
      query.set('mode', radio.value);
      history.replaceState(null, '', `?${query}`);
      onMode();
    };
  }
  for (const radio of ways) radio.onchange = chooseWay;
  at('question').oninput = at('labels').oninput = onPrompt;
  at('task').onsubmit = (event) => {
    event.preventDefault();
    onRun();
  };
  document.querySelector('#options form').onsubmit = at('task').onsubmit;
}
