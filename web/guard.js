// guard: the engine object with the one promise Go cannot make by itself: that every call settles.
import { FlamingoError, asFlamingoError } from './errors.js';

export const calls = ['probe', 'load', 'generate', 'batch', 'score', 'embed', 'count', 'dispose', 'isCached', 'clearCache', 'stats'];

export const crashed = (detail, cause) =>
  new FlamingoError('internal', `internal: the engine stopped: ${detail}`, {
    hint: 'Load the model again; the next load() starts a fresh engine. The browser console has the details.',
    cause,
  });

// guard wraps the functions that Go published. When Go has exited a call returns undefined, throws, or never
// settles: all three become a rejection with code "internal". fail(error) is called by whoever sees the exit.
export function guard(raw) {
  const pending = new Set();
  let dead;
  const fail = (error) => {
    dead ??= error;
    for (const reject of pending) reject(dead);
    pending.clear();
  };
  const call = (name, args) =>
    new Promise((resolve, reject) => {
      if (dead) return reject(dead);
      pending.add(reject);
      const settle = (how) => (value) => {
        pending.delete(reject);
        how(value);
      };
      const refuse = settle((error) => reject(asFlamingoError(error)));
      try {
        const answer = raw[name](...args);
        if (typeof answer?.then === 'function') answer.then(settle(resolve), refuse);
        else fail(crashed(`${name} did not answer`));
      } catch (error) {
        refuse(error);
      }
    });
  const engine = Object.fromEntries(calls.map((name) => [name, (...args) => call(name, args)]));
  return { engine, fail };
}
