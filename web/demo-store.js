// Examples that this browser keeps, of which the most similar are found for each picture.
import { at, clearError, fail, make, speak, write } from './demo-dom.js';
import { shots } from './demo-tray.js';

let store;
let size = 0;

// retrieve is the option that puts the most similar examples before a picture.
export const retrieve = () => (at('retrieve').checked && size ? { retrieve: { from: store, n: 4 } } : {});

async function refresh() {
  size = await store.size();
  write('kept', size);
  for (const id of ['retrieve', 'export', 'forget']) at(id).disabled = !size;
}

// act runs one action on the store and says what it did.
const act = (action) => async (event) => {
  const target = event.currentTarget;
  clearError();
  target.disabled = true;
  try {
    const said = await action(target);
    write('store-said', said);
    speak(said);
  } catch (error) {
    fail(error);
  } finally {
    target.disabled = false;
    await refresh().catch(console.warn);
  }
};

export function fit(flamingo) {
  store = flamingo.examples();
  refresh().catch((error) => console.warn('no store:', error.message));
}

export function listen() {
  at('keep-all').onclick = act(async () => {
    const kept = shots().filter(({ image }) => image);
    if (kept.length) await store.add(kept);
    return `${kept.length} of the tray’s pictures kept.`;
  });
  at('export').onclick = act(async () => {
    const href = URL.createObjectURL(await store.export());
    make('a', { href, download: 'examples.flamingo' }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
    return 'Exported.';
  });
  at('import').onchange = act(async (input) => {
    const [file] = input.files;
    input.value = '';
    return `${file ? await store.import(file) : 0} examples imported.`;
  });
  at('forget').onclick = act(async () => {
    await store.clear();
    return 'All forgotten.';
  });
}
