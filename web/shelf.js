// The database of examples. An example lies in two records, so that comparing reads vectors alone: {name, hash, text,
// question, image} in "examples" and {id, asks, model, vector} in "vectors", both under [name, id]. "changes" has a token
// for each name that is new after every change, by which a tab knows that what it has read is still so.
import { FlamingoError } from './errors.js';

const databaseName = 'flamingo-examples';
const stores = ['examples', 'vectors', 'changes'];

let opened;

const got = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function shelfError(cause) {
  if (cause instanceof FlamingoError) return cause;
  if (cause?.name === 'QuotaExceededError') {
    return new FlamingoError('quota-exceeded', 'examples: this browser gives no more room', {
      hint: 'Remove examples, clear the cache of models, or free disk space.', cause,
    });
  }
  return new FlamingoError('internal', `examples: the database failed: ${cause?.message ?? cause}`, {
    hint: 'Private windows and sandboxed frames may have no IndexedDB: open the page in a window of its own.', cause,
  });
}

function open() {
  const forget = () => (opened = undefined);
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(databaseName, 1);
    request.onupgradeneeded = () => {
      const [examples] = stores.map((name) => request.result.createObjectStore(name));
      examples.createIndex('content', ['name', 'hash'], { unique: true });
    };
    request.onsuccess = () => {
      const db = request.result;
      db.onclose = forget;
      db.onversionchange = () => {
        forget();
        db.close();
      };
      resolve(db);
    };
    request.onerror = () => reject(request.error);
  });
  opened.catch(forget);
  return opened;
}

// transact does work in one transaction and gives what it gives once that is complete: not before, and all or nothing.
// work may await nothing but requests.
async function transact(mode, work) {
  try {
    let tx;
    try {
      tx = (await open()).transaction(stores, mode);
    } catch (error) {
      if (error.name !== 'InvalidStateError') throw error;
      opened = undefined; // the connection was closed meanwhile
      tx = (await open()).transaction(stores, mode);
    }
    return await new Promise((resolve, reject) => {
      let result, failure;
      tx.oncomplete = () => resolve(result);
      tx.onabort = () => reject(tx.error ?? failure);
      work(...stores.map((name) => tx.objectStore(name))).then((value) => (result = value), (error) => {
        failure = error;
        try {
          tx.abort();
        } catch {} // it has ended already
      });
    });
  } catch (error) {
    throw shelfError(error);
  }
}

// An array sorts behind every number.
const all = (name) => IDBKeyRange.bound([name], [name, []]);

const shown = (id, { image, text, question }) => ({ id, image, text, ...(question !== undefined && { question }) });

// known gives the id of the example of a content, or undefined.
export const known = (name, hash) =>
  transact('readonly', async (examples) => (await got(examples.index('content').getKey([name, hash])))?.[1]);

// put stores those of some {hash, text, question, image, model, vector} whose content is new, all or none. It gives all
// their ids, which only grow, and how many are new.
export const put = (name, list) =>
  transact('readwrite', async (examples, vectors, changes) => {
    const last = await got(examples.openKeyCursor(all(name), 'prev'));
    let next = Math.max(Date.now(), (last?.key[1] ?? 0) + 1);
    const ids = [];
    let added = 0;
    for (const { model, vector, ...example } of list) {
      const there = await got(examples.index('content').getKey([name, example.hash]));
      ids.push(there ? there[1] : next);
      if (there) continue;
      examples.put({ name, ...example }, [name, next]);
      vectors.put({ id: next, asks: example.question !== undefined, model, vector }, [name, next]);
      next++;
      added++;
    }
    changes.put(Math.random(), name);
    return { ids, added };
  });

// update replaces the vectors of examples that are still there.
export const update = (name, rows) =>
  transact('readwrite', async (examples, vectors) => {
    for (const row of rows) {
      if (await got(vectors.getKey([name, row.id]))) vectors.put(row, [name, row.id]);
    }
  });

export const remove = (name, ids) =>
  transact('readwrite', async (examples, vectors, changes) => {
    for (const key of ids ? ids.map((id) => [name, id]) : [all(name)]) {
      examples.delete(key);
      vectors.delete(key);
    }
    changes.put(Math.random(), name);
  });

export const size = (name) => transact('readonly', (examples) => got(examples.count(all(name))));

export const list = (name) =>
  transact('readonly', async (examples) => {
    const keys = await got(examples.getAllKeys(all(name)));
    const found = await got(examples.getAll(all(name)));
    return found.map((example, i) => shown(keys[i][1], example));
  });

// take gives those of some examples that are there.
export const take = (name, ids) =>
  transact('readonly', async (examples) => {
    const found = [];
    for (const id of ids) {
      const example = await got(examples.get([name, id]));
      if (example) found.push(shown(id, example));
    }
    return found;
  });

export const token = (name) => transact('readonly', (examples, vectors, changes) => got(changes.get(name)));

export const rows = (name) =>
  transact('readonly', async (examples, vectors, changes) => ({
    token: await got(changes.get(name)),
    rows: await got(vectors.getAll(all(name))),
  }));

// everything is all examples with their vectors.
export const everything = (name) =>
  transact('readonly', async (examples, vectors) => {
    const parts = [await got(examples.getAll(all(name))), await got(vectors.getAll(all(name)))];
    return parts[0].map((example, i) => ({ ...example, ...parts[1][i] }));
  });
