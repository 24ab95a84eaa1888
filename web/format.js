// Figures in words, as the demo and the widget show them.

export function bytes(n) {
  if (n < 1e3) return `${n} B`;
  const [unit, name] = n < 1e6 ? [1e3, 'kB'] : n < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
  const value = n / unit;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${name}`;
}

export function count(n) {
  if (n < 1e3) return String(n);
  const [unit, name] = n < 1e6 ? [1e3, 'thousand'] : n < 1e9 ? [1e6, 'million'] : [1e9, 'billion'];
  const value = n / unit;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${name}`;
}

export const milliseconds = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1e4 ? `${Math.round(ms)} ms` : `${(ms / 1e3).toFixed(1)} s`);

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// progress gives one line such as "1.2 of 2.1 MB · 3.4 MB/s · about 2 s left".
export function progress({ loaded, total, bytesPerSecond, etaSeconds }) {
  if (!total) return '';
  const done = bytes(loaded);
  const all = bytes(total);
  const sameUnit = done.split(' ')[1] === all.split(' ')[1];
  const parts = [`${sameUnit ? done.split(' ')[0] : done} of ${all}`];
  if (bytesPerSecond && loaded < total) parts.push(`${bytes(Math.round(bytesPerSecond))}/s`, `about ${duration(etaSeconds)} left`);
  return parts.join(' · ');
}

// said is a piece or a result in words, or in token ids where the model has no tokenizer.
export const said = ({ tokenizer }, { text, id, ids = [id] }) => (tokenizer ? text : ids.map((each) => ` ${each}`).join(''));

// altSnippet gives an <img> tag with the caption as its alt text.
export function altSnippet(file, caption) {
  const escape = (text) => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
  return `<img src="${escape(file)}" alt="${escape(caption)}">`;
}
