// The service worker's list of what the page needs to open without a network.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

test('the shell has every module', () => {
  const web = new URL('../', import.meta.url);
  const shell = readFileSync(new URL('sw.js', web), 'utf8').match(/const shell = \[(.*?)\];/s)[1];
  const listed = [...shell.matchAll(/'\.\/([^']+\.js)'/g)].map(([, file]) => file).filter((file) => file !== 'wasm_exec.js');
  assert.deepEqual(listed.sort(), readdirSync(web).filter((file) => /\.js$/.test(file) && !['sw.js', 'wasm_exec.js'].includes(file)).sort());
});
