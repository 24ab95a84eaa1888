// The worker protocol, both ends. An engine object on one side of a port looks the same on the other side.
//
//   page → worker   {id, call, args}   {id, abort: true}
//   worker → page   {id, event, value}*   then {id, ok} or {id, error};   {exit: error} when the engine is gone
//
// Functions and signals cannot be cloned, so hooks (always the last argument of load and caption) stay on the page:
// an event carries the hook's name, and an abort is a message.
import { FlamingoError, fromWire, toWire } from './errors.js';
import { calls } from './guard.js';

const hooked = { load: 2, caption: 3 };

// connect gives the engine object of the worker behind port. start(wasmURL) must have resolved before the first call;
// onExit(error) is called when the other side reports that its engine is gone.
export function connect(port, onExit) {
  const pending = new Map();
  let lastID = 0;
  let dead;

  const fail = (error) => {
    dead ??= error;
    for (const { reject } of pending.values()) reject(dead);
    pending.clear();
  };

  port.onmessage = ({ data }) => {
    if (data.exit) return onExit(fromWire(data.exit));
    const call = pending.get(data.id);
    if (!call) return;
    if (data.event) return call.hooks?.[data.event]?.(data.value);
    pending.delete(data.id);
    if (data.error) call.reject(fromWire(data.error));
    else call.resolve(data.ok);
  };

  const call = (name, args, transfer = []) => {
    if (dead) return Promise.reject(dead);
    const id = ++lastID;
    const hooks = name in hooked ? args[hooked[name]] : undefined;
    const signal = hooks?.signal;
    const abort = () => port.postMessage({ id, abort: true });
    const answer = new Promise((resolve, reject) => pending.set(id, { resolve, reject, hooks }));
    try {
      port.postMessage({ id, call: name, args: name in hooked ? args.slice(0, hooked[name]) : args }, transfer);
    } catch (error) {
      pending.delete(id);
      return Promise.reject(error);
    }
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    return answer.finally(() => signal?.removeEventListener('abort', abort));
  };

  const engine = Object.fromEntries(calls.map((name) => [name, (...args) => call(name, args)]));
  engine.caption = (handle, image, options, hooks) => call('caption', [handle, image, options, hooks], [image.data.buffer]);
  return { engine, fail, start: (wasmURL) => call('start', [wasmURL]) };
}

// serve answers the messages of port. start(wasmURL) resolves to {engine, exited}; exited resolves to the error when Go is gone.
export function serve(port, start) {
  const running = new Map();
  let engine;

  const run = async (id, name, args) => {
    if (name === 'start') {
      const started = await start(...args);
      engine = started.engine;
      started.exited.then((error) => port.postMessage({ exit: toWire(error) }));
      return undefined;
    }
    if (!engine || !calls.includes(name)) {
      throw new FlamingoError('internal', `worker: call "${name}", want start first and then one of ${calls.join(', ')}`);
    }
    if (!(name in hooked)) return engine[name](...args);
    const controller = new AbortController();
    running.set(id, controller);
    const send = (event) => (value) => port.postMessage({ id, event, value });
    const hooks = { signal: controller.signal, onProgress: send('onProgress'), onPiece: send('onPiece') };
    return engine[name](...args, hooks);
  };

  port.onmessage = async ({ data: { id, call, args, abort } }) => {
    if (abort) return running.get(id)?.abort();
    try {
      port.postMessage({ id, ok: await run(id, call, args) });
    } catch (error) {
      port.postMessage({ id, error: toWire(error) });
    } finally {
      running.delete(id);
    }
  };
}
