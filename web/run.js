// Run: one generation, to be awaited, iterated or read as a stream; all three may be used at once.
import { asFlamingoError, throwIfAborted } from './errors.js';

export class Run {
  #pieces = [];
  #settled = false;
  #wake;
  #more;
  #result;
  #stream;
  #controller = new AbortController();

  // work({signal, onPiece}) does the generating and resolves to the result.
  constructor(work, signal) {
    this.#await();
    const abort = () => this.abort(signal.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });

    this.#result = (async () => {
      try {
        throwIfAborted(this.#controller.signal);
        return await work({
          signal: this.#controller.signal,
          onPiece: (piece) => {
            this.#pieces.push(piece);
            this.#notify();
          },
        });
      } catch (error) {
        throw asFlamingoError(error);
      } finally {
        this.#settled = true;
        signal?.removeEventListener('abort', abort);
        this.#notify();
      }
    })();
    // A caller who only iterates meets the error there; the unread promise must not be reported as unhandled as well.
    this.#result.catch(() => {});
  }

  #await() {
    this.#more = new Promise((resolve) => (this.#wake = resolve));
  }

  #notify() {
    const wake = this.#wake;
    this.#await();
    wake();
  }

  abort(reason) {
    if (!this.#settled) this.#controller.abort(reason);
  }

  then(onResult, onError) {
    return this.#result.then(onResult, onError);
  }

  catch(onError) {
    return this.#result.catch(onError);
  }

  finally(onEnd) {
    return this.#result.finally(onEnd);
  }

  // Every iterator starts at the first piece.
  async *[Symbol.asyncIterator]() {
    let next = 0;
    try {
      for (;;) {
        while (next < this.#pieces.length) yield this.#pieces[next++];
        if (this.#settled) break;
        await this.#more;
      }
      await this.#result;
    } finally {
      // Reached early when the loop is left with break, return or throw.
      if (!this.#settled) {
        this.abort();
        await this.#result.catch(() => {});
      }
    }
  }

  get stream() {
    if (!this.#stream) {
      const pieces = this[Symbol.asyncIterator]();
      this.#stream = new ReadableStream({
        async pull(controller) {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(value.text);
        },
        cancel: (reason) => this.abort(reason),
      });
    }
    return this.#stream;
  }

  get [Symbol.toStringTag]() {
    return 'Run';
  }
}
