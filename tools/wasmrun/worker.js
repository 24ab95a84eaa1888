// Runs the test binary. Its file calls (Node's fs module, which Go's js port
// expects as globalThis.fs) become synchronous requests to wasmrun, so output
// arrives in order and nothing is lost when the binary exits.

const config = await (await fetch('config.json')).json()

function request(op, query, body) {
  const xhr = new XMLHttpRequest()
  xhr.open('POST', `fs/${op}?${new URLSearchParams(query)}`, false)
  xhr.responseType = 'arraybuffer'
  xhr.send(body)
  const bytes = new Uint8Array(xhr.response)
  if (xhr.status === 200) return bytes
  const code = new TextDecoder().decode(bytes).trim()
  throw Object.assign(new Error(`${op} ${query.path ?? query.fd}: ${code}`), { code })
}

const call = (op, query) => JSON.parse(new TextDecoder().decode(request(op, query)))

const position = (p) => (p === null || p === undefined ? -1 : p)

function stats(s) {
  const { mode, size, mtimeMs, isDir } = s
  return {
    mode, size, mtimeMs, atimeMs: mtimeMs, ctimeMs: mtimeMs,
    dev: 0, ino: 0, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 4096, blocks: Math.ceil(size / 512),
    isDirectory: () => isDir,
  }
}

let dir = config.dir

globalThis.path = {
  resolve(...segments) {
    let out = dir
    for (const s of segments) out = s.startsWith('/') ? s : `${out}/${s}`
    return out
  },
}
const at = (p) => globalThis.path.resolve(p)

const operations = {
  open: (path, flags, mode) => call('open', { path: at(path), flags, mode }),
  close: (fd) => call('close', { fd }),
  read(fd, buffer, offset, length, pos) {
    const bytes = request('read', { fd, count: length, pos: position(pos) })
    buffer.set(bytes, offset)
    return bytes.length
  },
  write(fd, buffer, offset, length, pos) {
    const answer = request('write', { fd, pos: position(pos) }, buffer.slice(offset, offset + length))
    return JSON.parse(new TextDecoder().decode(answer))
  },
  stat: (path) => stats(call('stat', { path: at(path) })),
  lstat: (path) => stats(call('lstat', { path: at(path) })),
  fstat: (fd) => stats(call('fstat', { fd })),
  readdir: (path) => call('readdir', { path: at(path) }),
  mkdir: (path, mode) => call('mkdir', { path: at(path), mode }),
  rmdir: (path) => call('rmdir', { path: at(path) }),
  unlink: (path) => call('unlink', { path: at(path) }),
  rename: (path, to) => call('rename', { path: at(path), to: at(to) }),
  chmod: (path, mode) => call('chmod', { path: at(path), mode }),
  fchmod: (fd, mode) => call('fchmod', { fd, mode }),
  truncate: (path, count) => call('truncate', { path: at(path), count }),
  ftruncate: (fd, count) => call('ftruncate', { fd, count }),
  fsync: (fd) => call('fsync', { fd }),
  readlink: (path) => call('readlink', { path: at(path) }),
  symlink: (path, to) => call('symlink', { path, to: at(to) }),
  link: (path, to) => call('link', { path: at(path), to: at(to) }),
  utimes: (path, atime, mtime) => call('utimes', { path: at(path), pos: atime, count: mtime }),
  chown() {}, fchown() {}, lchown() {},
}

globalThis.fs = {
  constants: config.constants,
  writeSync: (fd, buffer) => operations.write(fd, buffer, 0, buffer.length, null),
}
for (const [name, run] of Object.entries(operations)) {
  globalThis.fs[name] = (...args) => {
    const callback = args.pop()
    let value
    try {
      value = run(...args)
    } catch (err) {
      callback(err)
      return
    }
    callback(null, value)
  }
}

globalThis.process = {
  pid: 1, ppid: 0,
  getuid: () => 0, getgid: () => 0, geteuid: () => 0, getegid: () => 0, getgroups: () => [],
  umask: () => 0o22,
  cwd: () => dir,
  chdir(path) { dir = at(path) },
}

const encoder = new TextEncoder()
const print = (text) => globalThis.fs.writeSync(2, encoder.encode(`${text}\n`))
for (const level of ['warn', 'error']) {
  console[level] = (...args) => print(`console.${level}: ${args.map((a) => a?.stack ?? String(a)).join(' ')}`)
}

let exited = false
function exit(code) {
  if (exited) return
  exited = true
  const xhr = new XMLHttpRequest()
  xhr.open('POST', `exit?code=${code}`, false)
  xhr.send()
}

try {
  await import('./wasm_exec.js')
  if (config.gpu) await import('./web/gpu.js')
  const go = new globalThis.Go()
  go.argv = config.args
  go.env = config.env
  go.exit = exit
  const { instance } = await WebAssembly.instantiateStreaming(fetch('test.wasm'), go.importObject)
  globalThis.wasm = { instance }
  await go.run(instance)
} catch (err) {
  print(err?.stack ?? String(err))
  exit(2)
}
