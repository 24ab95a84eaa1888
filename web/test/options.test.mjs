import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkOptions, manifestURL } from '../options.js';

const refused = (run, ...parts) =>
  assert.throws(run, (error) => {
    assert.equal(error.code, 'invalid-option');
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
    return error.hint !== '';
  });

test('an unknown option names the call, the key and what is allowed', () => {
  refused(() => checkOptions('caption', { num_beams: 4 }), 'caption', '"num_beams"', 'maxTokens, minTokens, n, prompt, repetitionPenalty, retrieve, seed');
  refused(() => checkOptions('load', { constructor: 1 }), 'load', '"constructor"');
  refused(() => checkOptions('probe', { device: 'cpu' }), 'probe', '"device"');
});

test('an ill-typed option names the key, what it got and what it wants', () => {
  const rows = [
    ['load', 'device', 'gpu', '"gpu"', '"auto", "webgpu", "cpu"'],
    ['load', 'worker', 1, '1', 'true or false'],
    ['load', 'signal', {}, 'an object', 'an AbortSignal'],
    ['load', 'onProgress', 'x', '"x"', 'a function'],
    ['load', 'wasmURL', null, 'null', 'a URL or a string'],
    ['caption', 'maxTokens', 0, '0', 'a whole number'],
    ['caption', 'maxTokens', 1.5, '1.5', 'a whole number'],
    ['caption', 'temperature', NaN, 'NaN', 'a number from 0 up'],
    ['caption', 'temperature', -1, '-1', 'a number from 0 up'],
    ['caption', 'topP', 0, '0', 'above 0 and at most 1'],
    ['caption', 'topP', '0.5', '"0.5"', 'above 0 and at most 1'],
    ['caption', 'seed', 2 ** 60, String(2 ** 60), 'a whole number'],
    ['caption', 'prompt', 4, '4', 'a string'],
    ['caption', 'prompt', ['a'], 'an array', 'token ids'],
    ['caption', 'prompt', [4, -1], 'an array', 'token ids'],
    ['caption', 'prompt', [], 'an array', 'one or more token ids'],
  ];
  for (const [call, key, value, got, want] of rows) refused(() => checkOptions(call, { [key]: value }), call, `"${key}"`, got, want);
});

test('options that are no object are refused', () => {
  for (const value of [null, 4, 'fast', []]) refused(() => checkOptions('load', value), 'load', 'want an object');
});

test('good options pass and undefined means the default', () => {
  const signal = new AbortController().signal;
  assert.deepEqual(checkOptions('caption', { maxTokens: 5, temperature: 0, topP: 1, seed: 0, signal, prompt: undefined }),
    { maxTokens: 5, temperature: 0, topP: 1, seed: 0, signal });
  assert.deepEqual(checkOptions('caption', { prompt: [4, 0] }), { prompt: [4, 0] });
  assert.deepEqual(checkOptions('load'), {});
});

test('a model has one manifest URL however it is spelt', () => {
  const at = (model, options) => manifestURL('load', model, options, 'https://site.test/app/index.html');
  const nano = 'https://site.test/app/models/nano/flamingo.json';
  for (const model of ['./models/nano', './models/nano/', 'models/nano/', 'models/nano/flamingo.json', '/app/models/nano#x', nano, new URL(nano)]) {
    assert.equal(at(model), nano, String(model));
  }
  assert.equal(at('./nano?v=2'), 'https://site.test/app/nano/flamingo.json?v=2');
  assert.equal(at('org/name'), 'https://huggingface.co/org/name/resolve/main/flamingo.json');
  assert.equal(at('org/na.me-2', { revision: 'pr/1' }), 'https://huggingface.co/org/na.me-2/resolve/pr%2F1/flamingo.json');
});

test('a model that cannot be fetched is refused before anything runs', () => {
  const at = (model, options) => () => manifestURL('load', model, options, 'https://site.test/');
  refused(at(''), 'load', 'hub id');
  refused(at(undefined), 'undefined', 'hub id');
  refused(at(7), '7', 'hub id');
  refused(at('javascript:alert(1)'), 'javascript:', 'http or https');
  refused(at('file:///etc/'), 'file:', 'http or https');
  refused(at('http://['), 'not a URL');
  refused(at('./nano', { revision: 'main' }), '"revision"', 'hub id');
});
