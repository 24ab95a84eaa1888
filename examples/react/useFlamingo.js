// A model in React: loaded once, however many components name it, and freed some seconds after the last one has gone.
import { useCallback, useEffect, useRef, useState } from 'react';
import { load } from '../../web/flamingo.js';

/** @import { CaptionOptions, Flamingo, FlamingoError, Media, Progress, Run } from '../../web/flamingo.js' */
/** @typedef {{ loading: Promise<Flamingo>, listeners: Set<(progress: Progress) => void>, timer?: number }} Entry */

/** @type {Map<string, Entry>} */
const shared = new Map();
const keepMs = 5000;

/** @param {string} model */
function open(model) {
  const listeners = new Set();
  const entry = { listeners, loading: load(model, { onProgress: (progress) => listeners.forEach((tell) => tell(progress)) }) };
  entry.loading.catch(() => shared.delete(model));
  shared.set(model, entry);
  return entry;
}

/**
 * `caption` begins a run, to be awaited or iterated, once `ready` is true; runs end when their component is unmounted or
 * names another model. `error` says why the model could not be loaded.
 *
 * @param {string} model  As for `load`.
 */
export function useFlamingo(model) {
  const [state, setState] = useState(/** @type {{ ready: boolean, progress?: Progress, error?: FlamingoError }} */ ({ ready: false }));
  const held = useRef(/** @type {{ flamingo: Flamingo, signal: AbortSignal } | null} */ (null));

  useEffect(() => {
    /** @type {Entry} */
    const entry = shared.get(model) ?? open(model);
    const controller = new AbortController();
    const { signal } = controller;
    const tell = (/** @type {Progress} */ progress) => setState({ ready: false, progress });
    clearTimeout(entry.timer);
    entry.listeners.add(tell);
    entry.loading.then(
      (flamingo) => {
        if (signal.aborted) return;
        held.current = { flamingo, signal };
        setState({ ready: true });
      },
      (error) => signal.aborted || setState({ ready: false, error }),
    );
    return () => {
      controller.abort();
      held.current = null;
      setState({ ready: false });
      entry.listeners.delete(tell);
      if (entry.listeners.size > 0) return;
      // Not at once: React mounts twice in development, and the next page may name the same model.
      entry.timer = window.setTimeout(() => {
        shared.delete(model);
        entry.loading.then((flamingo) => flamingo.dispose(), () => {});
      }, keepMs);
    };
  }, [model]);

  const caption = useCallback(
    /** @type {(media: Media, options?: CaptionOptions) => Run} */
    (media, options) => {
      if (!held.current) throw new Error('useFlamingo: the model is not loaded yet, wait for ready');
      const { flamingo, signal } = held.current;
      return flamingo.caption(media, { ...options, signal: options?.signal ? AbortSignal.any([signal, options.signal]) : signal });
    },
    [],
  );
  return { ...state, caption };
}
