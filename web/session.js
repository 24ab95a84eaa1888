// Session: a conversation, kept as a list on the page. Each run sends the whole of it; the engine finds what it has
// computed before, so that only what is new costs something.
import { FlamingoError, asFlamingoError } from './errors.js';
import { checkGeneration, checkOptions, refuse } from './options.js';
import { partsOf, partsRequest } from './request.js';
import { Source } from './source.js';

export class Session {
  #start;
  #info;
  #defaults;
  #entries; // {text}, {source}, or {answer: {ids, ended}}, whose answer is filled in by its run; dropped: true was undone
  #runs = new Set();
  #disposed;

  // start is a Flamingo's, info too.
  constructor(start, info, defaults, entries = []) {
    this.#start = start;
    this.#info = info;
    this.#defaults = checkGeneration('session', defaults);
    this.#entries = entries;
  }

  async add(...parts) {
    this.#checkAlive('session.add');
    const added = partsOf('session.add', parts).map((part) => (typeof part === 'string' ? { text: part } : { source: new Source(part, undefined, this.#info) }));
    this.#entries.push(...added);
    try {
      for (const { source } of added) await source?.describe();
    } catch (error) {
      this.#drop(added);
      throw asFlamingoError(error);
    }
  }

  ask(question, options) {
    return this.#run('session.ask', options, () => {
      if (typeof question !== 'string' || question.trim() === '') {
        throw refuse('session.ask: there is no question', "Pass a string, such as 'What is this?'.");
      }
      const template = this.#info.prompts?.ask;
      if (!template) {
        throw refuse('session.ask: this model has no prompt template for questions', "Spell it yourself: add('Question: what is this? Answer:'), then continue().");
      }
      // The picture stands in the conversation already.
      return [{ text: template.replaceAll('<image>', '').split('{question}').join(question) }];
    });
  }

  continue(options) {
    return this.#run('session.continue', options, () => []);
  }

  // #run writes what follows all entries so far and those that extend gives.
  #run(call, options, extend) {
    const slot = {};
    let said = [];
    const run = this.#start(call, () => {
      this.#checkAlive(call);
      const { signal, ...generation } = checkGeneration(call, { ...this.#defaults, ...checkOptions(call, options) });
      said = extend();
      const before = [...this.#entries, ...said];
      if (before.length === 0) throw refuse(`${call}: the session is empty`, "Add something first: add({image: file}, 'Output:').");
      this.#entries.push(...said, slot);
      return {
        signal,
        media: before.flatMap(({ source }) => source ?? []),
        // Answers that are still being written now are there when the turn has come.
        request: () => partsRequest(before.flatMap(wordsOf), generation).request,
        finish: (result) => {
          slot.answer = { ids: result.ids, ended: result.finish === 'stop' };
          return result;
        },
      };
    });
    this.#runs.add(run);
    run.then(() => {}, () => this.#drop([...said, slot])).then(() => this.#runs.delete(run));
    return run;
  }

  // #drop undoes entries, also for forks that were made meanwhile.
  #drop(entries) {
    for (const entry of entries) entry.dropped = true;
    this.#entries = this.#entries.filter(({ dropped }) => !dropped);
  }

  fork() {
    this.#checkAlive('session.fork');
    return new Session(this.#start, this.#info, this.#defaults, [...this.#entries]);
  }

  reset() {
    this.#checkAlive('session.reset');
    this.#entries = [];
  }

  async dispose() {
    this.#disposed = true;
    this.#entries = [];
    const runs = [...this.#runs];
    for (const run of runs) run.abort();
    await Promise.allSettled(runs);
  }

  #checkAlive(call) {
    if (this.#disposed) {
      throw new FlamingoError('invalid-option', `${call}: this session was disposed`, { hint: 'Call session() for a new one.' });
    }
  }
}

// wordsOf is what an entry says in a prompt, as a list.
function wordsOf({ text, source, answer, dropped }) {
  if (dropped) return [];
  return [text ?? source ?? answer ?? []].flat();
}

if (Symbol.asyncDispose) {
  Session.prototype[Symbol.asyncDispose] = function () {
    return this.dispose();
  };
}
