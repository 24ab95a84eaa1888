import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../format.js';

test('figures in words', () => {
  assert.deepEqual([0, 999, 1000, 2_134_016, 45_600_000, 3.2e9].map(format.bytes), ['0 B', '999 B', '1.0 kB', '2.1 MB', '46 MB', '3.2 GB']);
  assert.deepEqual([12, 1_642_113, 3.1e9].map(format.count), ['12', '1.6 million', '3.1 billion']);
  assert.deepEqual([6.31, 41.2, 12_345].map(format.milliseconds), ['6.3 ms', '41 ms', '12.3 s']);
  assert.deepEqual([0.2, 14.4, 120, 7200].map(format.duration), ['1 s', '14 s', '2 min', '2.0 h']);
});

test('progress says what is known', () => {
  assert.equal(format.progress({ loaded: 0, total: 0 }), '');
  assert.equal(format.progress({ loaded: 1_200_000, total: 2_134_016 }), '1.2 of 2.1 MB');
  assert.equal(format.progress({ loaded: 854_000, total: 2_134_016, bytesPerSecond: 351_234.5, etaSeconds: 3.6 }), '854 kB of 2.1 MB · 351 kB/s · about 4 s left');
});

test('a model without a tokenizer speaks in ids', () => {
  assert.equal(format.said({ tokenizer: true }, { text: ' a cat', id: 7 }), ' a cat');
  assert.equal(format.said({ tokenizer: false }, { text: '', id: 7 }), ' 7');
  assert.equal(format.said({ tokenizer: false }, { text: '', ids: [7, 8] }), ' 7 8');
});

test('an alt snippet cannot break out of its attributes', () => {
  assert.equal(format.altSnippet('a".png', '"><script> & more'), '<img src="a&quot;.png" alt="&quot;>&lt;script> &amp; more">');
});
