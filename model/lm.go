package model

import (
	"maps"
	"slices"

	"flamingo/gpu"
	"flamingo/ops"
)

// LMConfig describes the language model. Family chooses the kind of decoder, see lmFamilies.
type LMConfig struct {
	Family       string `json:"family"`
	Dim          int    `json:"dim"`
	Depth        int    `json:"depth"`
	Heads        int    `json:"heads"`
	Hidden       int    `json:"hidden"` // of the MLP
	Vocab        int    `json:"vocab"`
	MaxPositions int    `json:"maxPositions"`
}

// A decoder is what distinguishes a family of decoder-only language models.
type decoder struct {
	normBias bool // LayerNorms have a bias
	bias     bool // linears have a bias
	alibi    bool // attention is biased by distance (Press et al. 2022)
	act      ops.Activation
}

// lmFamilies is filled by one file per family.
var lmFamilies = map[string]decoder{}

func (c LMConfig) check(e *checks) {
	_, known := lmFamilies[c.Family]
	e.that(known, "lm.family is %q, want one of %v", c.Family, slices.Sorted(maps.Keys(lmFamilies)))
	e.size("lm.dim", c.Dim, 1<<14)
	e.multiple("lm.dim", c.Dim)
	e.size("lm.depth", c.Depth, 512)
	e.size("lm.heads", c.Heads, 1024)
	if c.Heads > 0 {
		e.that(c.Dim%c.Heads == 0, "lm.dim %d is no multiple of lm.heads %d", c.Dim, c.Heads)
		e.heads("lm", c.Heads, c.Dim/c.Heads)
	}
	e.size("lm.hidden", c.Hidden, 1<<17)
	e.multiple("lm.hidden", c.Hidden)
	e.size("lm.vocab", c.Vocab, 1<<20)
	e.size("lm.maxPositions", c.MaxPositions, 1<<20)
}

// LM is a frozen decoder-only language model with tied embeddings. Its blocks stand open, so that
// gated cross-attention goes between them.
type LM struct {
	Embedding gpu.Tensor // [V, D], also the output head
	Blocks    []lmBlock
	Norm      Norm
	heads     int
}

func newLM(w Weights, c LMConfig, between func(i int)) LM {
	kind := lmFamilies[c.Family]
	lm := LM{heads: c.Heads}
	lm.Embedding = w.Matrix("embed.weight", c.Vocab, c.Dim)
	for i := range c.Depth {
		between(i)
		lm.Blocks = append(lm.Blocks, newLMBlock(w.In("blocks.%d", i), c, kind))
	}
	lm.Norm = newLMNorm(w, "norm", c.Dim, kind)
	return lm
}

func newLMNorm(w Weights, name string, dim int, kind decoder) Norm {
	w = w.In("%s", name)
	n := Norm{Weight: w.Vector("weight", dim), eps: 1e-5}
	if kind.normBias {
		n.Bias = w.Vector("bias", dim)
	}
	return n
}

// Embed looks up token ids [T] and gives [T, D].
func (lm LM) Embed(p *gpu.Pass, ids gpu.Tensor) gpu.Tensor { return ops.Embed(p, ids, lm.Embedding) }

// Logits maps hidden states [T, D] to [T, V].
func (lm LM) Logits(p *gpu.Pass, x gpu.Tensor) gpu.Tensor {
	return ops.Matmul(p, lm.Norm.Forward(p, x), lm.Embedding, ops.Epilogue{})
}

// lmBlock is one decoder layer, pre-norm and sequential.
type lmBlock struct {
	Norm1, Norm2       Norm
	QKV, Out, Up, Down Linear
	kind               decoder
	heads, headDim     int
}

func newLMBlock(w Weights, c LMConfig, kind decoder) lmBlock {
	return lmBlock{
		Norm1: newLMNorm(w, "norm1", c.Dim, kind),
		QKV:   newLinear(w, "qkv", c.Dim, 3*c.Dim, kind.bias), // rows of queries, keys, values
		Out:   newLinear(w, "out", c.Dim, c.Dim, kind.bias),
		Norm2: newLMNorm(w, "norm2", c.Dim, kind),
		Up:    newLinear(w, "up", c.Dim, c.Hidden, kind.bias),
		Down:  newLinear(w, "down", c.Hidden, c.Dim, kind.bias),
		kind:  kind, heads: c.Heads, headDim: c.Dim / c.Heads,
	}
}

// Forward: x ← x + Attn(N₁(x));  x ← x + MLP(N₂(x)). It appends the keys and values of x [T, D] to
// the cache [capacity, 2·D] at position state[StatePos].
func (b lmBlock) Forward(p *gpu.Pass, x, cache, state gpu.Tensor) gpu.Tensor {
	dim := b.heads * b.headDim
	qkv := b.QKV.Forward(p, b.Norm1.Forward(p, x), ops.Epilogue{})
	ops.Append(p, qkv, cache, state, ops.AppendOptions{
		From: dim, Slot: ops.StatePos, Stride: 1, Heads: b.heads, HeadDim: b.headDim,
	})
	a := ops.Attention(p, qkv, cache, state, ops.AttentionOptions{
		Heads: b.heads, KVHeads: b.heads, HeadDim: b.headDim, Mode: ops.Causal, ALiBi: b.kind.alibi,
	})
	x = b.Out.Forward(p, a, ops.Epilogue{Residual: x})
	h := b.Up.Forward(p, b.Norm2.Forward(p, x), ops.Epilogue{Act: b.kind.act})
	return b.Down.Forward(p, h, ops.Epilogue{Residual: x})
}
