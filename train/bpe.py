"""Byte-level BPE: learn merges from text, encode, and write a Hugging Face tokenizer.json.

The vocabulary is the special tokens, then the 256 bytes in GPT-2's alphabet, then the
merges. The training text is ASCII, so GPT-2's splitting pattern needs no Unicode classes
here; a full implementation gives the same ids for every text this program writes.
"""
import collections
import json
import re

SPECIALS = ("<BOS>", "<EOS>", "<PAD>", "<EOC>", "<image>")
BOS, EOS, PAD, EOC, IMAGE = range(5)
SPLIT = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def alphabet():
    """GPT-2's printable stand-in for each byte value, in GPT-2's order: {byte: char}."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in plain}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(plain))
    return table


ALPHABET = alphabet()
BYTE_OF = {c: b for b, c in ALPHABET.items()}


def _spell(text):
    return tuple(ALPHABET[b] for b in text.encode())


def _merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def learn(texts, size):
    """Learn merges until the vocabulary has `size` tokens; ties go to the smaller pair.

    Returns the list of merges. Raises ValueError when the text runs out of pairs.
    """
    words = collections.Counter(_spell(w) for t in texts for w in SPLIT.findall(t))
    merges, pairs, holders = [], collections.Counter(), collections.defaultdict(set)

    def count(word, n):
        for pair in zip(word, word[1:]):
            pairs[pair] += n
            holders[pair].add(word)

    for word, n in words.items():
        count(word, n)
    while len(SPECIALS) + 256 + len(merges) < size:
        best = min(pairs, key=lambda p: (-pairs[p], p), default=None)
        if not pairs[best]:
            raise ValueError(f"bpe: learn: every word is one token after {len(merges)} merges; "
                             f"want a vocabulary of at most {len(SPECIALS) + 256 + len(merges)}, got {size}")
        merges.append(best)
        for word in holders.pop(best):
            n, merged = words.pop(word, 0), _merge(word, best)
            words[merged] += n
            count(word, -n)
            count(merged, n)
        del pairs[best]
    return merges


class Tokenizer:
    """Encodes and decodes with a list of merges."""

    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.tokens = [*SPECIALS, *ALPHABET.values(), *(a + b for a, b in self.merges)]
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self._words = {}

    def __len__(self):
        return len(self.tokens)

    def _word(self, text):
        if text not in self._words:
            word = _spell(text)
            while len(word) > 1:
                best = min(zip(word, word[1:]), key=lambda p: self.rank.get(p, len(self.rank)))
                if best not in self.rank:
                    break
                word = _merge(word, best)
            self._words[text] = [self.ids[t] for t in word]
        return self._words[text]

    def encode(self, text):
        """Text -> ids; special tokens are recognised literally."""
        ids = []
        for part in re.split("(" + "|".join(map(re.escape, SPECIALS)) + ")", text):
            if part in SPECIALS:
                ids.append(SPECIALS.index(part))
            else:
                for word in SPLIT.findall(part):
                    ids += self._word(word)
        return ids

    def decode(self, ids):
        """Ids -> text, special tokens left out."""
        chars = "".join(self.tokens[i] for i in ids if i >= len(SPECIALS))
        return bytes(BYTE_OF[c] for c in chars).decode("utf-8", "replace")

    def save(self, path):
        """Write a Hugging Face tokenizer.json."""
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        doc = {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False,
                              "rstrip": False, "normalized": False, "special": True}
                             for i, t in enumerate(SPECIALS)],
            "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False,
                      "vocab": self.ids, "merges": [f"{a} {b}" for a, b in self.merges]},
        }
        with open(path, "w", encoding="utf-8") as f:
            json.dump(doc, f, ensure_ascii=False, indent=1)
            f.write("\n")

    @classmethod
    def load(cls, path):
        """Read a tokenizer.json written by save()."""
        with open(path, encoding="utf-8") as f:
            return cls([m.split(" ") for m in json.load(f)["model"]["merges"]])
