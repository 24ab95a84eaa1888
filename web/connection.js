// Connections to engines: one worker per (workerURL, wasmURL), shared by every model of the page, or the page's own realm.
import { FlamingoError } from './errors.js';
import { crashed } from './guard.js';
import { connect } from './protocol.js';

// How long an unused worker is kept: enough for probe(), isCached() and load() in a row to share one.
const idleMs = 1000;

const connections = new Map();

// acquire resolves to {engine, worker, release}; release is to be called once, when the engine is not needed any more.
export async function acquire({ worker = true, wasmURL, workerURL }) {
  const base = globalThis.document?.baseURI;
  const wasm = wasmURL ? new URL(wasmURL, base).href : new URL('./flamingo.wasm', import.meta.url).href;
  const key = `${worker} ${workerURL ?? ''} ${wasm}`;
  if (!connections.has(key)) {
    const forget = () => connections.delete(key);
    const opening = worker ? openWorker(wasm, workerURL, forget) : openHere(wasm, forget);
    connections.set(key, opening);
    opening.catch(forget);
  }
  const connection = await connections.get(key);
  connection.users++;
  clearTimeout(connection.idle);
  return {
    engine: connection.engine,
    worker: connection.worker,
    release() {
      if (--connection.users === 0) connection.idle = setTimeout(connection.close, idleMs);
    },
  };
}

async function openHere(wasm, forget) {
  let module;
  try {
    module = await import('./engine.js');
  } catch (cause) {
    throw new FlamingoError('network', `engine: engine.js could not be loaded: ${cause.message}`, {
      hint: 'Check the connection; engine.js, gpu.js and wasm_exec.js must lie beside flamingo.js.', cause,
    });
  }
  const { engine, exited } = await module.startEngine(wasm);
  exited.then(forget);
  // Go cannot be unloaded from a page, so an idle engine stays.
  return { engine, worker: false, users: 0, close() {} };
}

async function openWorker(wasm, workerURL, forget) {
  let worker;
  try {
    worker = workerURL
      ? new Worker(workerURL, { type: 'module' })
      : new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch {
    // No Worker at all, a script of another origin, or a sandboxed frame.
    return openHere(wasm, forget);
  }
  const stop = (error) => {
    forget();
    fail(error);
    worker.terminate();
  };
  const { engine, fail, start } = connect(worker, stop);
  // An error event before start has answered means that the script itself cannot run here (CSP, 404).
  const unusable = new Promise((resolve) => {
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(true);
    };
  });
  try {
    if (await Promise.race([start(wasm).then(() => false), unusable])) {
      worker.terminate();
      return openHere(wasm, forget);
    }
  } catch (error) {
    worker.terminate();
    throw error;
  }
  worker.onerror = (event) => {
    event.preventDefault();
    stop(crashed(event.message || 'its worker failed'));
  };
  return { engine, worker: true, users: 0, close: () => stop(crashed('it was closed')) };
}
