// What the parts of the demo page share: short ways to the document, and how an error is shown.

export const query = new URLSearchParams(location.search);

export const at = (id) => document.getElementById(id);
export const show = (id, visible) => (at(id).hidden = !visible);
export const write = (id, text) => (at(id).textContent = text);
export const state = (name) => (document.documentElement.dataset.state = name);

// make gives a new element; on is its listener for clicks.
export function make(tag, { on, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  if (on) element.onclick = on;
  return element;
}

// speak says something to screen readers alone.
export const speak = (text) => write('spoken', text);

export const sentence = (text) => {
  const said = text.trim();
  return said && !/[.!?]$/.test(said) ? `${said}.` : said;
};

export function fail(error, retry) {
  state('error');
  // The first words say which part spoke, which is for the console.
  const what = error.message.replace(/^([a-z.]+: )+/, '');
  write('error-what', sentence(/^https?:/.test(what) ? what : what[0].toUpperCase() + what.slice(1)));
  write('error-next', sentence(error.hint ?? ''));
  show('error', true);
  show('retry', Boolean(retry));
  at('retry').onclick = retry ?? null;
  const needsGPU = ['webgpu-unavailable', 'no-adapter', 'limits-too-small', 'device-lost'].includes(error.code);
  show('use-cpu', needsGPU);
  if (needsGPU) {
    const other = new URLSearchParams(query);
    other.set('device', 'cpu');
    at('use-cpu').href = `?${other}`;
  }
  write('status', '');
  console.error(error.code, error);
}

export const clearError = () => show('error', false);
