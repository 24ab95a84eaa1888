// <flamingo-caption>: what a picture or video shows as an element, on the public API only. Attributes, properties and
// events are documented in flamingo.d.ts.
//
//   <flamingo-caption src="cat.jpg"></flamingo-caption>
//   <img id="photo" src="cat.jpg"> <flamingo-caption for="photo" fill-alt></flamingo-caption>
//   <flamingo-caption src="cat.jpg" mode="classify" labels="a cat, a dog"></flamingo-caption>
//
// Slots       poster, progress, result, error     Parts  picture, button, progress, bar, result, stop, error
// States      idle, loading, running, done, error: as :state(name) and in the attribute "state"
import { FlamingoError, load } from './flamingo.js';
import * as format from './format.js';

const styles = new CSSStyleSheet();
styles.replaceSync(`
  :host { display: block; font: 1rem/1.5 system-ui, sans-serif; --flamingo-accent: light-dark(#b3274a, #ff9dac); }
  :host([hidden]), [hidden] { display: none !important; }
  img, video { display: block; max-width: 100%; height: auto; border-radius: .75rem; margin-bottom: .6rem; }
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

// What each mode begins, as a run or a promise of labels.
const tasks = {
  caption: (flamingo, { prompt }, media, signal) => flamingo.caption(media, { prompt: prompt || undefined, signal }),
  ask: (flamingo, { question }, media, signal) => flamingo.ask(media, question, { signal }),
  classify: (flamingo, { labels }, media, signal) =>
    flamingo.classify(media, labels.split(',').map((label) => label.trim()).filter(Boolean), { signal }),
};

const refuse = (message, hint) => new FlamingoError('invalid-option', `flamingo-caption: ${message}`, { hint });
const isVideo = (src) => /\.(mp4|m4v|mov|ogv|webm)([?#]|$)/i.test(src);

// Properties and the attributes that they are, with what stands where there is none.
const texts = { src: '', htmlFor: '', model: '', device: 'auto', loading: 'interaction', mode: 'caption', prompt: '', question: '', labels: '' };
const flags = { noWorker: 'no-worker', fillAlt: 'fill-alt' };
const attributeOf = (name) => flags[name] ?? (name === 'htmlFor' ? 'for' : name);

export class FlamingoCaption extends HTMLElement {
  static observedAttributes = ['src', 'for', 'model', 'device', 'no-worker', 'mode', 'prompt', 'question', 'labels'];

  #internals = this.attachInternals();
  #state = 'idle';
  #run;
  #engine;
  #seen;
  #restart;

  #picture = make('img', { part: 'picture', alt: '', hidden: true });
  #video = make('video', { part: 'picture', controls: true, muted: true, playsInline: true, hidden: true });
  #button = make('button', { part: 'button', type: 'button' });
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
    root.append(this.#picture, this.#video, this.#poster.slot, this.#progress.slot, this.#stream, this.#spoken, this.#alert, this.#stop);
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
    // What was set before this script came hides the accessors.
    for (const name of Object.keys({ ...texts, ...flags })) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
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
    const { src, mode, question, loading: when } = this;
    const filmed = src ? isVideo(src) : this.#named()?.localName === 'video';
    for (const [view, wanted] of [[this.#picture, !filmed], [this.#video, filmed]]) {
      view.hidden = !src || !wanted;
      if (view.hidden) view.removeAttribute('src');
      else view.src = src;
    }
    const what = filmed ? 'video' : 'picture';
    this.#button.textContent = mode === 'ask' && question ? question : `${mode === 'classify' ? 'Classify' : 'Describe'} this ${what}`;
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

  // start loads the model if need be and does what the mode says; it resolves to what flamingo-caption tells, or to
  // undefined when that was stopped or failed (flamingo-error has the reason).
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
      // Of a video that the model cannot take, the picture that is shown.
      const media = target.localName === 'video' && !(flamingo.info.frames > 1) ? { image: target } : target;
      const run = tasks[this.mode](flamingo, this, media, controller.signal);
      if (this.mode === 'classify') {
        const labels = await run;
        if (this.#run !== mine) return undefined;
        const shown = labels.map(({ label, probability }) => `${label} ${Math.round(100 * probability)} %`).join(', ');
        return this.#finish(target, { text: labels[0].label, labels }, flamingo.info, shown);
      }
      let text = '';
      for await (const piece of run) {
        if (this.#run !== mine) break;
        text += format.said(flamingo.info, piece);
        this.#result.write(text.trimStart());
        this.#emit('token', piece);
      }
      return this.#finish(target, await run, flamingo.info);
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

  #named() {
    return this.htmlFor ? this.getRootNode().getElementById?.(this.htmlFor) : undefined;
  }

  #target() {
    const { src, htmlFor: id, mode } = this;
    if (!Object.hasOwn(tasks, mode)) throw refuse(`mode is "${mode}", want caption, ask or classify`, 'Correct the attribute "mode".');
    const target = src || this.#named();
    if (target) return target;
    throw refuse(id ? `no element has the id "${id}"` : 'there is no picture', 'Set src, or set for to the id of an <img> or <video>.');
  }

  async #load() {
    const model = this.model || new URL('./models/sticker/', import.meta.url).href;
    const options = { device: this.device, worker: !this.noWorker };
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

  #finish(target, result, info, shown = format.said(info, result).trim()) {
    this.#result.write(shown);
    this.#spoken.textContent = shown;
    this.#show('done');
    // An author's own words are never replaced, a caption of ours may be. Token ids describe nothing.
    const image = this.src ? this.#picture : target;
    const ours = image.dataset?.altSource === 'generated';
    if (info.tokenizer && image.localName === 'img' && (image === this.#picture || (this.fillAlt && (!image.alt || ours)))) {
      image.alt = result.text.trim();
      image.dataset.altSource = 'generated';
    }
    this.#emit('caption', result);
    return result;
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

for (const name of Object.keys({ ...texts, ...flags })) {
  const attribute = attributeOf(name);
  Object.defineProperty(FlamingoCaption.prototype, name, {
    configurable: true,
    enumerable: true,
    get() {
      return name in flags ? this.hasAttribute(attribute) : this.getAttribute(attribute) || texts[name];
    },
    set(value) {
      if (name in flags) this.toggleAttribute(attribute, Boolean(value));
      else if (value == null) this.removeAttribute(attribute);
      else this.setAttribute(attribute, value);
    },
  });
}

// Two copies of this script on one page must not be an error.
if (!customElements.get('flamingo-caption')) customElements.define('flamingo-caption', FlamingoCaption);
