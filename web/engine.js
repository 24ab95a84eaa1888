// Starts Go in this realm (the worker's, or the page's when there is no worker) and hands out its engine object.
import './wasm_exec.js';
import './gpu.js';
import { FlamingoError } from './errors.js';
import { crashed, guard } from './guard.js';

let current;

// startEngine resolves to {engine, exited}: one per realm until Go exits, a fresh one after that.
export function startEngine(wasmURL) {
  current ??= start(wasmURL).catch((error) => {
    current = undefined;
    throw error;
  });
  return current;
}

async function start(wasmURL) {
  const go = new globalThis.Go();
  let code = 'unknown';
  go.exit = (status) => (code = status);
  const instance = await instantiate(wasmURL, go.importObject);

  // A trap inside a callback surfaces as an exception of _resume and never reaches run()'s promise.
  let trapped;
  const trap = new Promise((_, reject) => (trapped = reject));
  const resume = go._resume.bind(go);
  go._resume = () => {
    try {
      resume();
    } catch (error) {
      trapped(error);
      throw error;
    }
  };

  // The WebGPU binding finds the memory through this global.
  globalThis.wasm = { instance };
  delete globalThis.flamingoEngine;
  const run = go.run(instance);
  if (!globalThis.flamingoEngine) throw crashed('it started but published no flamingoEngine');

  const { engine, fail } = guard(globalThis.flamingoEngine);
  const exited = Promise.race([run, trap]).then(
    () => crashed(`Go exited with status ${code}`),
    (error) => crashed(error.message, error),
  );
  exited.then((error) => {
    current = undefined;
    fail(error);
  });
  return { engine, exited };
}

async function instantiate(wasmURL, imports) {
  let response;
  try {
    response = await fetch(wasmURL, { credentials: 'same-origin' });
  } catch (cause) {
    throw new FlamingoError('network', `engine: ${wasmURL} could not be fetched`, {
      hint: 'Check the connection, and that the page may connect there (CSP connect-src, CORS).', cause,
    });
  }
  if (!response.ok) {
    throw new FlamingoError('network', `engine: ${wasmURL} answered ${response.status}, want 200`, {
      hint: 'Build flamingo.wasm with make, or pass its address as wasmURL.',
    });
  }
  try {
    const streams = response.headers.get('Content-Type')?.startsWith('application/wasm');
    const { instance } = streams
      ? await WebAssembly.instantiateStreaming(response, imports)
      : await WebAssembly.instantiate(await response.arrayBuffer(), imports);
    return instance;
  } catch (cause) {
    throw new FlamingoError('internal', `engine: ${wasmURL} did not start: ${cause.message}`, {
      hint: "The page's CSP needs script-src 'wasm-unsafe-eval', and wasm_exec.js must come from the same build as flamingo.wasm.", cause,
    });
  }
}
