// The service worker keeps the page's shell, so that the page opens without a network. Weights are not its business:
// they are in IndexedDB.
//
// The shell is kept in sets. A set is complete, made at one moment, and never changed: its files come from one build.
// Each navigation first compares the whole shell with the server's (conditional requests, answered 304 when nothing has
// changed). When anything differs, a new set is made and becomes the current one; when the network does not answer in
// time, the current set is used as it is. A client is answered from one set for as long as it lives, so a page or a
// worker never gets the wasm_exec.js of one build and the flamingo.wasm of another.

const shell = [
  './', './demo.css', './demo.js', './demo-answer.js', './demo-dom.js', './demo-follow.js', './demo-media.js', './demo-store.js', './demo-task.js', './demo-tray.js', './demo-video.js',
  './demo-board.css', './demo-about.js', './demo-board.js', './demo-drawer.js', './demo-grounds.js', './demo-scene.js', './demo-stickers.js', './demo-teach.js', './samples/stickers.json',
  './embed.html', './icon.svg', './picture.svg', './manifest.webmanifest', './format.js', './captions.js',
  './archive.js', './examples.js', './rank.js', './shelf.js',
  './flamingo.js', './flamingo-caption.js', './connection.js', './errors.js', './guard.js', './media.js', './options.js',
  './protocol.js', './rate.js', './request.js', './run.js', './session.js', './sniff.js', './source.js', './video.js', './worker.js',
  './engine.js', './gpu.js', './wasm_exec.js', './flamingo.wasm',
];
const prefix = 'flamingo-shell ';
const pointer = new URL('./.current-set', registration.scope).href; // an entry of the cache "flamingo-shell", not a file
const patienceMs = 2500;

const absolute = (path) => new URL(path, registration.scope).href;
const setOf = new Map(); // client id → name of its set
let refreshing;

async function currentSet() {
  const entry = await (await caches.open('flamingo-shell')).match(pointer);
  const name = entry && (await entry.text());
  return name && (await caches.has(name)) ? name : undefined;
}

// refresh makes the current set equal to what the server has now; it rejects when the server cannot be reached.
function refresh() {
  refreshing ??= makeSet().finally(() => (refreshing = undefined));
  return refreshing;
}

async function makeSet() {
  const get = async (url) => {
    const response = await fetch(url, { cache: 'no-cache', credentials: 'same-origin' });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    return [url, response];
  };
  const samples = await Promise.all(['./samples/', './samples/sticker/'].map(absolute).map(async (folder) => {
    const list = await get(`${folder}samples.json`).catch((error) => {
      if (error instanceof TypeError) throw error; // no network, as opposed to no samples
    });
    const rows = list ? await list[1].clone().json() : [];
    return [list, ...(await Promise.all(rows.map(({ file }) => get(folder + file))))];
  }));
  const files = [...samples.flat().filter(Boolean), ...(await Promise.all(shell.map(absolute).map(get)))];

  const name = prefix + (await signature(files));
  if (name === (await currentSet())) {
    for (const [, response] of files) response.body?.cancel().catch(() => {});
    return name;
  }
  const set = await caches.open(name);
  await Promise.all(files.map(([url, response]) => set.put(url, response)));
  await (await caches.open('flamingo-shell')).put(pointer, new Response(name));
  return name;
}

// The signature of a set: a hash over every file's validator, or over its bytes where the server sends none.
async function signature(files) {
  const digest = async (data) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', data))].map((b) => b.toString(16).padStart(2, '0')).join('');
  const parts = files.map(async ([url, response]) => `${url} ${response.headers.get('ETag') ?? (await digest(await response.clone().arrayBuffer()))}`);
  return digest(new TextEncoder().encode((await Promise.all(parts)).join('\n')));
}

// Sets that no open page uses any more are dropped.
async function sweep() {
  const live = new Set((await clients.matchAll({ includeUncontrolled: true, type: 'all' })).map((client) => client.id));
  for (const id of setOf.keys()) if (!live.has(id)) setOf.delete(id);
  const kept = new Set([await currentSet(), ...setOf.values()]);
  for (const name of await caches.keys()) if (name.startsWith(prefix) && !kept.has(name)) await caches.delete(name);
}

// chooseSet gives the set of a navigation: the newest that can be had without keeping the visitor waiting.
async function chooseSet() {
  const fresh = refresh();
  fresh.catch(() => {});
  const patience = new Promise((resolve) => setTimeout(resolve, patienceMs));
  const known = await currentSet();
  return known ? Promise.race([fresh, patience.then(() => known)]).catch(() => known) : fresh;
}

const isShell = ({ method, url }) => {
  const { origin, pathname } = new URL(url);
  if (method !== 'GET' || origin !== location.origin) return undefined;
  const path = `${origin}${pathname}`;
  if (path === absolute('./index.html')) return absolute('./');
  return path.startsWith(absolute('./samples/')) || shell.some((file) => absolute(file) === path) ? path : undefined;
};

async function answer(event, path) {
  const navigation = event.request.mode === 'navigate';
  try {
    const name = navigation ? await chooseSet() : setOf.get(event.clientId) ?? (await currentSet());
    if (event.resultingClientId) setOf.set(event.resultingClientId, name);
    if (!navigation && event.clientId) setOf.set(event.clientId, name);
    const kept = name && (await (await caches.open(name)).match(path));
    if (kept) return kept;
  } catch (error) {
    console.warn('service worker:', error.message);
  }
  return fetch(event.request);
}

addEventListener('install', (event) => event.waitUntil(refresh().then(() => skipWaiting())));
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  const path = isShell(event.request);
  if (!path) return;
  const answered = answer(event, path);
  event.respondWith(answered);
  if (event.request.mode === 'navigate') event.waitUntil(answered.then(() => refreshing).catch(() => {}).then(sweep));
});
