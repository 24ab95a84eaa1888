package model

import (
	"maps"
	"slices"

	"flamingo/gpu"
	"flamingo/ops"
)

// LMConfig describes the language model. Family chooses the kind of decoder, see lmFamilies; the
// fields from KVHeads on are left out where a model does not need them.
type LMConfig struct {
	Family       string `json:"family"`
	Dim          int    `json:"dim"`
	Depth        int    `json:"depth"`
	Heads        int    `json:"heads"`
	Hidden       int    `json:"hidden"` // of the MLP
	Vocab        int    `json:"vocab"`
	MaxPositions int    `json:"maxPositions"`

	KVHeads    int     `json:"kvHeads,omitempty"`    // heads of keys and values; 0 for as many as Heads
	NormEps    float32 `json:"normEps,omitempty"`    // of the norms; 0 for 1e-5
	RotaryDims int     `json:"rotaryDims,omitempty"` // of each head, in families with rotary positions
	RotaryBase float32 `json:"rotaryBase,omitempty"`
	Parallel   bool    `json:"parallel,omitempty"` // attention and MLP both read the block's input
	PostNorm   bool    `json:"postNorm,omitempty"` // norms come after the residual sum, and there is no last one
	EmbedDim   int     `json:"embedDim,omitempty"` // width of the embeddings where projections lead to Dim and back
	Untied     bool    `json:"untied,omitempty"`   // the output matrix is not the embedding
}

// Resolve fills in what is left out.
func (c LMConfig) Resolve() LMConfig {
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.NormEps == 0 {
		c.NormEps = 1e-5
	}
	if c.EmbedDim == 0 {
		c.EmbedDim = c.Dim
	}
	return c
}

// KVWidth is the number of values that a token keeps in a block's cache: keys, then values.
func (c LMConfig) KVWidth() int {
	c = c.Resolve()
	return 2 * c.KVHeads * (c.Dim / c.Heads)
}

// A decoder is what distinguishes a family of decoder-only language models.
type decoder struct {
	rms       bool // RMSNorm in place of LayerNorm
	normBias  bool // norms have a bias
	bias      bool // linears have a bias
	qkNorm    bool // LayerNorm over all of the queries and all of the keys, before heads are split
	gated     bool // the MLP is SwiGLU
	act       ops.Activation
	positions positions
	offset    int // learned positions: the row of the first
}

// positions are the ways in which a decoder knows the order of tokens.
type positions int

const (
	alibi    positions = iota // scores are biased by distance (Press et al. 2022)
	rotary                    // queries and keys are rotated (Su et al. 2021)
	learned                   // a table is added to the embeddings
	relative                  // scores have a part that depends on distance (Dai et al. 2019)
)

// lmFamilies is filled by one file per family.
var lmFamilies = map[string]decoder{}

// Validate reports everything that is wrong with c.
func (c LMConfig) Validate() error {
	var e checks
	c.check(&e)
	return e.err()
}

func (c LMConfig) check(e *checks) {
	kind, known := lmFamilies[c.Family]
	e.that(known, "lm.family is %q, want one of %v", c.Family, slices.Sorted(maps.Keys(lmFamilies)))
	e.size("lm.dim", c.Dim, 1<<14)
	e.multiple("lm.dim", c.Dim)
	e.size("lm.depth", c.Depth, 512)
	e.size("lm.heads", c.Heads, 1024)
	e.size("lm.hidden", c.Hidden, 1<<17)
	e.multiple("lm.hidden", c.Hidden)
	e.size("lm.vocab", c.Vocab, 1<<20)
	e.size("lm.maxPositions", c.MaxPositions, 1<<20)
	c = c.Resolve()
	if c.Heads > 0 && c.KVHeads > 0 {
		head := c.Dim / c.Heads
		e.that(c.Dim%c.Heads == 0, "lm.dim %d is no multiple of lm.heads %d", c.Dim, c.Heads)
		e.that(c.Heads%c.KVHeads == 0, "lm.heads %d is no multiple of lm.kvHeads %d", c.Heads, c.KVHeads)
		e.heads("lm", c.Heads, head)
		if known && kind.positions == rotary {
			e.that(c.RotaryDims >= 2 && c.RotaryDims%2 == 0 && c.RotaryDims <= head, "lm.rotaryDims is %d, want an even number of 2 to %d", c.RotaryDims, head)
			e.that(c.RotaryBase > 1 && c.RotaryBase < 1e12, "lm.rotaryBase is %g, want more than 1", c.RotaryBase)
		} else {
			e.that(c.RotaryDims == 0 && c.RotaryBase == 0, "lm.rotaryDims and lm.rotaryBase are set, family %q has no rotary positions", c.Family)
		}
	}
	e.that(c.KVHeads > 0, "lm.kvHeads is %d, want 1 or more", c.KVHeads)
	e.that(kind.positions != relative || c.KVHeads == c.Heads, "lm.kvHeads is %d: relative positions need as many as lm.heads %d", c.KVHeads, c.Heads)
	e.that(!(c.Parallel && c.PostNorm), "lm.parallel and lm.postNorm exclude each other")
	e.that(c.NormEps > 0 && c.NormEps < 1, "lm.normEps is %g, want more than 0 and less than 1", c.NormEps)
	e.size("lm.embedDim", c.EmbedDim, 1<<14)
	e.multiple("lm.embedDim", c.EmbedDim)
}

// LM is a frozen decoder-only language model. Its blocks stand open, so that gated cross-attention
// goes between them.
type LM struct {
	Embedding             gpu.Tensor // [V, EmbedDim]
	Head                  gpu.Tensor // [V, EmbedDim], the output matrix; often the embedding
	Positions             gpu.Tensor // [MaxPositions+offset, Dim], where they are learned
	ProjectIn, ProjectOut Linear     // unset unless EmbedDim differs from Dim
	Blocks                []lmBlock
	Norm                  Norm // unset with PostNorm
	offset                int
}

func newLM(w Weights, c LMConfig, between func(i int)) LM {
	c = c.Resolve()
	kind := lmFamilies[c.Family]
	lm := LM{offset: kind.offset}
	lm.Embedding = w.Matrix("embed.weight", c.Vocab, c.EmbedDim)
	if c.EmbedDim != c.Dim {
		lm.ProjectIn = newLinear(w, "project_in", c.EmbedDim, c.Dim, false)
	}
	if kind.positions == learned {
		lm.Positions = w.Vector("positions.weight", c.MaxPositions+kind.offset, c.Dim)
	}
	for i := range c.Depth {
		between(i)
		lm.Blocks = append(lm.Blocks, newLMBlock(w.In("blocks.%d", i), c, kind))
	}
	if !c.PostNorm {
		lm.Norm = newLMNorm(w, "norm", c, kind)
	}
	if c.EmbedDim != c.Dim {
		lm.ProjectOut = newLinear(w, "project_out", c.Dim, c.EmbedDim, false)
	}
	if lm.Head = lm.Embedding; c.Untied {
		lm.Head = w.Matrix("head.weight", c.Vocab, c.EmbedDim)
	}
	return lm
}

func newLMNorm(w Weights, name string, c LMConfig, kind decoder) Norm {
	w = w.In("%s", name)
	n := Norm{Weight: w.Vector("weight", c.Dim), eps: c.NormEps, rms: kind.rms}
	if kind.normBias {
		n.Bias = w.Vector("bias", c.Dim)
	}
	return n
}

// Embed looks up token ids [T], which follow what the cache holds, and gives [T, D].
func (lm LM) Embed(p *gpu.Pass, ids gpu.Tensor, at schedule) gpu.Tensor {
	x := ops.Embed(p, ids, lm.Embedding)
	if lm.ProjectIn.Weight.Valid() {
		x = lm.ProjectIn.Forward(p, x, ops.Epilogue{})
	}
	if lm.Positions.Valid() {
		if at.listed() {
			return ops.AddPositionsListed(p, x, lm.Positions, at.places, lm.offset)
		}
		x = ops.AddPositions(p, x, lm.Positions, at.state, lm.offset)
	}
	return x
}

// Logits maps hidden states [T, D] to [T, V].
func (lm LM) Logits(p *gpu.Pass, x gpu.Tensor) gpu.Tensor {
	if lm.Norm.Weight.Valid() {
		x = lm.Norm.Forward(p, x)
	}
	if lm.ProjectOut.Weight.Valid() {
		x = lm.ProjectOut.Forward(p, x, ops.Epilogue{})
	}
	return ops.Matmul(p, x, lm.Head, ops.Epilogue{})
}
