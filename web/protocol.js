// The worker protocol, both ends. An engine object on one side of a port looks the same on the other side.
//
//   page → worker   {id, call, args}   {id, abort: true}   {id, reply, ok} or {id, reply, error}
//   worker → page   {id, event, value}*   {id, event, value, ask}*   then {id, ok} or {id, error};   {exit: error} when the engine is gone
//
// Functions and signals cannot be cloned, so hooks (always the last argument of the calls that have some) stay on the
// page: an event carries the hook's name, and an abort is a message. An event with a number as ask wants what the hook
// gives, which is sent as the reply of that number.
import { FlamingoError, fromWire, toWire } from './errors.js';
import { calls } from './guard.js';

const hooked = { load: 2, generate: 2, batch: 2, score: 2, embed: 2 };

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

  const reply = async ({ id, event, value, ask }, hooks) => {
    try {
      const ok = await hooks[event](value);
      port.postMessage({ id, reply: ask, ok }, ok.fresh ? [ok.data.buffer] : []);
    } catch (error) {
      port.postMessage({ id, reply: ask, error: toWire(error) });
    }
  };

  port.onmessage = ({ data }) => {
    if (data.exit) return onExit(fromWire(data.exit));
    const call = pending.get(data.id);
    if (!call) return;
    if (data.ask) return reply(data, call.hooks);
    if (data.event) return call.hooks?.[data.event]?.(data.value);
    pending.delete(data.id);
    if (data.error) call.reject(fromWire(data.error));
    else call.resolve(data.ok);
  };

  const call = (name, args) => {
    if (dead) return Promise.reject(dead);
    const id = ++lastID;
    const hooks = name in hooked ? args[hooked[name]] : undefined;
    const signal = hooks?.signal;
    const abort = () => port.postMessage({ id, abort: true });
    const answer = new Promise((resolve, reject) => pending.set(id, { resolve, reject, hooks }));
    try {
      port.postMessage({ id, call: name, args: name in hooked ? args.slice(0, hooked[name]) : args });
    } catch (error) {
      pending.delete(id);
      return Promise.reject(error);
    }
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    return answer.finally(() => signal?.removeEventListener('abort', abort));
  };

  const engine = Object.fromEntries(calls.map((name) => [name, (...args) => call(name, args)]));
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
    const asked = new Map();
    running.set(id, { controller, asked });
    let asks = 0;
    const send = (event) => (value) => port.postMessage({ id, event, value });
    const wonder = (event) => (value) =>
      new Promise((resolve, reject) => {
        asked.set(++asks, { resolve, reject });
        port.postMessage({ id, event, value, ask: asks });
      });
    const hooks = { signal: controller.signal, onProgress: send('onProgress'), onPiece: send('onPiece'), onFrame: wonder('onFrame') };
    return engine[name](...args, hooks);
  };

  const answered = ({ id, reply, ok, error }) => {
    const asked = running.get(id)?.asked;
    const { resolve, reject } = asked?.get(reply) ?? {};
    asked?.delete(reply);
    if (error) reject?.(fromWire(error));
    else resolve?.(ok);
  };

  port.onmessage = async ({ data }) => {
    const { id, call, args } = data;
    if (data.abort) return running.get(id)?.controller.abort();
    if (data.reply) return answered(data);
    try {
      port.postMessage({ id, ok: await run(id, call, args) });
    } catch (error) {
      port.postMessage({ id, error: toWire(error) });
    } finally {
      running.delete(id);
    }
  };
}
