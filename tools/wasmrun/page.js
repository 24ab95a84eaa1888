// The page only starts the worker: file calls are synchronous requests, and a
// page may not wait for those with binary answers.

fetch('alive') // stays open for as long as this page lives

const fail = (message) => fetch('exit?code=1', { method: 'POST', body: message })

const worker = new Worker('worker.js', { type: 'module' })
worker.addEventListener('error', (e) => fail(`worker failed: ${e.message ?? 'it could not be loaded'}`))
