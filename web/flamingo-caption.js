// <flamingo-caption>: a picture's caption as an element, on the public API only.
//
//   <flamingo-caption src="cat.jpg"></flamingo-caption>
//   <img id="photo" src="cat.jpg"> <flamingo-caption for="photo" fill-alt></flamingo-caption>
//
// Attributes  src | for="id of an <img>, <canvas> or <video>", model, loading="interaction | lazy | eager" (default
//             interaction: nothing is downloaded before a click), device, no-worker, fill-alt
// Properties  caption (the text so far), state; methods start(), stop()
// Events      flamingo-progress, flamingo-ready {info}, flamingo-token {text, id}, flamingo-caption {text, stats},
//             flamingo-error {error}: all bubble and cross shadow roots, the payload is in detail
// Slots       poster, progress, result, error     Parts  picture, button, progress, bar, result, stop, error
// States      idle, loading, running, done, error: as :state(name) and in the attribute "state"
import { FlamingoError, load } from './flamingo.js';
import * as format from './format.js';

const styles = new CSSStyleSheet();
styles.replaceSync(`
  :host { display: block; font: 1rem/1.5 system-ui, sans-serif; --flamingo-accent: light-dark(#b3274a, #ff9dac); }
  :host([hidden]), [hidden] { display: none !important; }
  img { display: block; max-width: 100%; height: auto; border-radius: .75rem; margin-bottom: .6rem; }
  button { min-height: 2.75rem; padding: .4rem 1.1rem; font: inherit; font-weight: 600; color: var(--flamingo-accent); background: none; border: 1.5px solid; border-radius: 99rem; cursor: pointer; }
  button:focus-visible { outline: 3px solid var(--flamingo-accent); outline-offset: 3px; }
  progress { width: 100%; max-width: 24rem; display: block; accent-color: var(--flamingo-accent); }
  p, [part=stop] { margin: .3rem 0; }
  [part=result] { font-size: 1.15em; }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`);

// One engine per page, model and device, however many elements; freed some seconds after the last one has gone.
const shared = new Map();
const keepMs = 5000;

function borrow(model, options) {
  const key = JSON.stringify([new URL(model, document.baseURI).href, options]);
  let entry = shared.get(key);
  if (!entry) {
    const listeners = new Set();
    const loading = load(model, { ...options, onProgress: (progress) => listeners.forEach((listener) => listener(progress)) });
    entry = { loading, listeners, users: 0 };
    shared.set(key, entry);
    loading.catch(() => shared.delete(key));
  }
  clearTimeout(entry.timer);
  entry.users++;
  const giveBack = () => {
    if (--entry.users > 0) return;
    entry.timer = setTimeout(() => {
      shared.delete(key);
      entry.loading.then((flamingo) => flamingo.dispose(), () => {});
    }, keepMs);
  };
  // A crashed engine is forgotten, so that the next start loads a fresh one.
  const forget = () => shared.get(key) === entry && shared.delete(key);
  return { ...entry, giveBack, forget };
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function slotted(name, ...fallback) {
  const slot = make('slot', { name }, ...fallback);
  // Text goes into the page's own element where it has put one into the slot.
  const write = (text) => (slot.assignedElements()[0] ?? fallback[0]).replaceChildren(text);
  return { slot, write };
}

export class FlamingoCaption extends HTMLElement {
  static observedAttributes = ['src', 'for', 'model', 'device', 'no-worker'];

  #internals = this.attachInternals();
  #state = 'idle';
  #run;
  #engine;
  #seen;
  #restart;

  #picture = make('img', { part: 'picture', alt: '', hidden: true });
  #button = make('button', { part: 'button', type: 'button' }, 'Describe this picture');
  #stop = make('button', { part: 'stop', type: 'button', hidden: true }, 'Stop');
  #bar = make('progress', { part: 'bar', ariaLabel: 'Loading the model' });
  #figures = make('span');
  #poster = slotted('poster', this.#button);
  #progress = slotted('progress', make('div', { part: 'progress' }, this.#bar, this.#figures));
  // The stream is for the eye; #spoken says the finished sentence once to screen readers.
  #result = slotted('result', make('p', { part: 'result' }));
  #error = slotted('error', make('p', { part: 'error' }));
  #stream = make('div', { ariaHidden: 'true' }, this.#result.slot);
  #spoken = make('div', { className: 'spoken', role: 'status', ariaLive: 'polite' });
  #alert = make('div', { role: 'alert' }, this.#error.slot);

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [styles];
    root.append(this.#picture, this.#poster.slot, this.#progress.slot, this.#stream, this.#spoken, this.#alert, this.#stop);
    this.#poster.slot.addEventListener('click', () => this.start());
    this.#stop.addEventListener('click', () => this.stop());
    this.addEventListener('keydown', (event) => event.key === 'Escape' && this.stop());
    this.#show('idle');
  }

  get state() {
    return this.#state;
  }

  get caption() {
    return this.#spoken.textContent || (this.#result.slot.assignedElements()[0] ?? this.#stream).textContent.trim();
  }

  connectedCallback() {
    // An element that is only moved keeps its caption.
    if (this.#state !== 'done') this.#reset();
  }

  disconnectedCallback() {
    this.stop();
    this.#seen?.disconnect();
    this.#engine?.giveBack();
    this.#engine = undefined;
  }

  attributeChangedCallback(name, before, now) {
    if (before !== now && this.isConnected) this.#reset();
  }

  // Attributes change one at a time; one start follows the last of them.
  #reset() {
    this.stop();
    clearTimeout(this.#restart);
    this.#seen?.disconnect();
    this.#show('idle');
    const src = this.getAttribute('src');
    this.#picture.hidden = !src;
    if (src) this.#picture.src = src;
    const when = this.getAttribute('loading');
    if (when === 'eager') this.#restart = setTimeout(() => this.start());
    if (when === 'lazy') {
      this.#seen = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        this.#seen.disconnect();
        this.start();
      });
      this.#seen.observe(this);
    }
  }

  stop() {
    if (!this.#run) return;
    this.#run.abort();
    this.#run = undefined;
    this.#show('idle');
  }

  // start loads the model if need be and describes the picture; it resolves to the result, or to undefined when that
  // was stopped or failed (flamingo-error has the reason).
  async start() {
    this.stop();
    const controller = new AbortController();
    const mine = (this.#run = controller);
    this.#show('loading');
    try {
      const target = this.#target();
      const flamingo = await this.#load();
      if (this.#run !== mine) return undefined;
      this.#emit('ready', { info: flamingo.info });
      this.#show('running');
      const run = flamingo.caption(target, { signal: controller.signal });
      let text = '';
      for await (const piece of run) {
        if (this.#run !== mine) break;
        text += format.said(flamingo.info, piece);
        this.#result.write(text.trimStart());
        this.#emit('token', piece);
      }
      const result = await run;
      this.#finish(target, result, flamingo.info);
      return result;
    } catch (error) {
      if (error.code === 'internal' || error.code === 'device-lost') this.#engine?.forget();
      if (this.#run === mine) {
        this.#error.write(`${error.message}. ${error.hint ?? ''}`.trim());
        this.#show('error');
        this.#emit('error', { error });
      }
      return undefined;
    } finally {
      if (this.#run === mine) this.#run = undefined;
    }
  }

  #target() {
    const src = this.getAttribute('src');
    if (src) return src;
    const id = this.getAttribute('for');
    const element = id && this.getRootNode().getElementById(id);
    if (element) return element;
    const message = id ? `flamingo-caption: no element has the id "${id}"` : 'flamingo-caption: there is no picture';
    throw new FlamingoError('invalid-option', message, { hint: 'Set src, or set for to the id of an <img>.' });
  }

  async #load() {
    const model = this.getAttribute('model') ?? new URL('./models/nano/', import.meta.url).href;
    const options = { device: this.getAttribute('device') ?? 'auto', worker: !this.hasAttribute('no-worker') };
    this.#engine?.giveBack();
    const engine = (this.#engine = borrow(model, options));
    const listener = (progress) => {
      if (progress.total) Object.assign(this.#bar, { max: progress.total, value: progress.loaded });
      this.#figures.textContent = format.progress(progress);
      this.#emit('progress', progress);
    };
    engine.listeners.add(listener);
    try {
      return await engine.loading;
    } finally {
      engine.listeners.delete(listener);
    }
  }

  #finish(target, result, info) {
    const text = format.said(info, result).trim();
    this.#result.write(text);
    this.#spoken.textContent = text;
    this.#show('done');
    // An author's own words are never replaced, a caption of ours may be. Token ids describe nothing.
    const image = this.getAttribute('src') ? this.#picture : target;
    const ours = image.dataset?.altSource === 'generated';
    if (info.tokenizer && image.localName === 'img' && (image === this.#picture || (this.hasAttribute('fill-alt') && (!image.alt || ours)))) {
      image.alt = text;
      image.dataset.altSource = 'generated';
    }
    this.#emit('caption', result);
  }

  #show(state) {
    const had = this.shadowRoot.activeElement;
    this.#internals.states?.delete(this.#state);
    this.#state = state;
    this.#internals.states?.add(state);
    if (this.isConnected) this.setAttribute('state', state);
    this.#internals.ariaBusy = String(state === 'loading' || state === 'running');
    this.#poster.slot.hidden = state !== 'idle' && state !== 'error';
    this.#progress.slot.hidden = state !== 'loading';
    this.#stream.hidden = state !== 'running' && state !== 'done';
    this.#alert.hidden = state !== 'error';
    this.#stop.hidden = state !== 'running' && state !== 'loading';
    if (state === 'loading') {
      this.#spoken.textContent = '';
      this.#result.write('');
      this.#bar.removeAttribute('value');
      this.#figures.textContent = '';
    }
    // The button that was pressed has gone: keep the keyboard on the element, at what can be pressed now.
    if (had === this.#button && this.#button.matches('[hidden] *')) this.#stop.focus();
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(`flamingo-${name}`, { detail, bubbles: true, composed: true }));
  }
}

// Two copies of this script on one page must not be an error.
if (!customElements.get('flamingo-caption')) customElements.define('flamingo-caption', FlamingoCaption);
