// web/flamingo.d.ts against the modules that it describes, and against api.ts, which is to use all of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import * as flamingo from '../../web/flamingo.js';
import { schemas } from '../../web/options.js';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const typesFile = path('../../web/flamingo.d.ts');
const program = ts.createProgram([typesFile], { strict: true, target: ts.ScriptTarget.ESNext, types: [] });
const checker = program.getTypeChecker();
const declared = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(typesFile)));
const isValue = ({ flags }) => flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Function);
const classes = declared.filter(({ flags }) => flags & ts.SymbolFlags.Class);

// membersOf lists an exported class's own members by name; symbols as [Symbol.name].
const membersOf = ({ declarations }) =>
  [...new Set(declarations.flatMap(({ members = [] }) => [...members]).flatMap(({ name }) => name?.getText() ?? []))];

const symbolNames = new Map(Object.getOwnPropertyNames(Symbol).map((name) => [Symbol[name], `[Symbol.${name}]`]));

// madeOf lists what a class has when it runs: on its prototype, and given in its constructor.
function madeOf(made) {
  const written = [...made.toString().matchAll(/^ {4}this\.(\w+) = /gm)].map(([, name]) => name);
  const inherited = Reflect.ownKeys(made.prototype).map((key) => symbolNames.get(key) ?? key);
  return [...inherited, ...written].filter((name) => !platform.includes(name));
}

// What every class has, and what every error has.
const platform = ['constructor', '[Symbol.toStringTag]', 'name'];

// calls lists what takes options: {call, keys}, named as in errors.
function calls() {
  const list = [];
  const take = (call, symbol) => {
    const type = checker.getTypeOfSymbol(symbol);
    for (const parameter of type.getCallSignatures().flatMap((signature) => signature.parameters)) {
      if (parameter.name !== 'options') continue;
      const keys = checker.getPropertiesOfType(checker.getNonNullableType(checker.getTypeOfSymbol(parameter))).map(({ name }) => name);
      list.push({ call, keys: keys.sort() });
    }
  };
  for (const symbol of declared) {
    if (symbol.flags & ts.SymbolFlags.Function) take(symbol.name, symbol);
  }
  for (const symbol of classes) {
    const prefix = symbol.name === 'Flamingo' ? '' : `${symbol.name.toLowerCase()}.`;
    symbol.members.forEach((member, name) => take(prefix + name, member));
  }
  return list;
}

test('what is exported is declared, and the reverse', () => {
  assert.deepEqual(declared.filter(isValue).map(({ name }) => name).sort(), Object.keys(flamingo).sort());
});

for (const symbol of classes) {
  test(`${symbol.name}: what it has is declared, and the reverse`, () => {
    assert.deepEqual(membersOf(symbol).sort(), madeOf(flamingo[symbol.name]).sort());
  });
}

test('<flamingo-caption>: what it has is declared, and the reverse', async () => {
  let made;
  globalThis.HTMLElement = class {};
  globalThis.CSSStyleSheet = class { replaceSync() {} };
  globalThis.customElements = { get() {}, define: (name, element) => (made = element) };
  await import('../../web/flamingo-caption.js');
  const has = madeOf(made).filter((name) => !name.endsWith('Callback'));
  assert.deepEqual(membersOf(declared.find(({ name }) => name === 'FlamingoCaptionElement')).sort(), has.sort());
});

test('every option is declared, and every declared option is taken', () => {
  const taken = Object.entries(schemas).map(([call, schema]) => ({ call, keys: Object.keys(schema).sort() }));
  const byCall = (a, b) => (a.call < b.call ? -1 : 1);
  assert.deepEqual(calls().sort(byCall), taken.sort(byCall));
});

test('api.ts uses every name, option and field', () => {
  const words = new Set(readFileSync(path('api.ts'), 'utf8').match(/\w+/g));
  const names = declared.flatMap((symbol) => [symbol.name, ...membersOf(symbol)]);
  assert.deepEqual(names.filter((name) => !name.startsWith('[') && !words.has(name)), []);
});
