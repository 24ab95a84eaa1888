// The one error class of the package, and its journey through postMessage.
// Codes are listed and explained in flamingo.d.ts.

export class FlamingoError extends Error {
  constructor(code, message, { hint = '', cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    // fetch-style callers test for name === 'AbortError', so an abort keeps the platform's name.
    this.name = code === 'aborted' ? 'AbortError' : 'FlamingoError';
    this.code = code;
    this.hint = hint;
  }
}

export const aborted = (cause) =>
  new FlamingoError('aborted', 'aborted: the signal was aborted or the run was stopped', { cause });

export function throwIfAborted(signal) {
  if (signal?.aborted) throw aborted(signal.reason);
}

// asFlamingoError turns whatever was thrown (a plain Error from Go with a code, a DOMException, a string) into a FlamingoError.
export function asFlamingoError(thrown) {
  if (thrown instanceof FlamingoError) return thrown;
  if (typeof thrown?.code === 'string') {
    return new FlamingoError(thrown.code, String(thrown.message), { hint: thrown.hint || '', cause: thrown });
  }
  if (thrown?.name === 'AbortError') return aborted(thrown);
  return new FlamingoError('internal', `internal: ${thrown?.message ?? thrown}`, {
    hint: 'This is a bug; the browser console has the details. Load the model again.',
    cause: thrown,
  });
}

// Error subclasses lose their own fields in a structured clone, so errors cross as plain records.
export function toWire(thrown) {
  const { code, message, hint, stack } = asFlamingoError(thrown);
  return { code, message, hint, stack };
}

export function fromWire({ code, message, hint, stack }) {
  const error = new FlamingoError(code, message, { hint });
  if (stack) error.cause = stack;
  return error;
}
