// Writes NAME.expected.json for each tokenizer.json named on the command line, with the `tokenizers` library itself
// (npm package "tokenizers" 0.23.2; install it anywhere and set NODE_PATH):
//
//   node oracle.cjs byte-level sentencepiece metaspace split
//
// "encode" cases hold the ids of a text without what the post-processor adds; "decode" cases hold the text of random
// ids with and without special tokens; "affixed" is the empty text with what the post-processor adds.
const fs = require('fs')
const { Tokenizer } = require('tokenizers')

const texts = JSON.parse(fs.readFileSync(__dirname + '/texts.json'))

// A small generator (Lehmer, modulus 2^31-1), so that the same ids come every time.
let state = 1
const below = (n) => (state = (state * 48271) % 2147483647) % n

async function main() {
  for (const name of process.argv.slice(2)) {
    const file = fs.readFileSync(`${__dirname}/${name}.json`, 'utf8')
    const tokenizer = Tokenizer.fromString(file)
    const { model, added_tokens } = JSON.parse(file)
    const ids = Object.values(model.vocab).concat(added_tokens.map((a) => a.id))
    const encode = []
    for (const text of texts) {
      const got = (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds()
      encode.push({ text, ids: got, decoded: await tokenizer.decode(got, false) })
    }
    const decode = []
    for (let i = 0; i < 60; i++) {
      const some = Array.from({ length: 1 + below(12) }, () => ids[below(ids.length)])
      decode.push({ ids: some, all: await tokenizer.decode(some, false), skipped: await tokenizer.decode(some, true) })
    }
    const affixed = (await tokenizer.encode('', null, { addSpecialTokens: true })).getIds()
    const lines = (list) => '[\n' + list.map((x) => JSON.stringify(x)).join(',\n') + '\n]'
    fs.writeFileSync(`${__dirname}/${name}.expected.json`,
      `{"source":"tokenizers 0.23.2","affixed":${JSON.stringify(affixed)},\n"encode":${lines(encode)},\n"decode":${lines(decode)}}\n`)
  }
}

main()
