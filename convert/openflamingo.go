package convert

import (
	"fmt"
	"strings"

	"flamingo/model"
	"flamingo/ops"
)

// innerHead is the width of a head in the resampler and in cross-attention, in every OpenFlamingo.
const innerHead = 64

// Files are what a Flamingo is put together of.
type Files struct {
	Checkpoint string // what was trained: resampler, gated cross-attention, embeddings
	LM         string // directory of the frozen language model
	Vision     string // CLIP's weights
	Tokenizer  string // tokenizer.json; by default the one beside the language model, if there is one
	Layout     string // JSON that says what the files do not: OpenFlamingo's release.json, flamingo-mini's config.json
	Embedding  bool   // keep CLIP's embedding, by which pictures are compared
}

// openFlamingoNames are those of the trained tensors.
var openFlamingoNames = trainedNames{
	norm: "attn.norm", q: "attn.to_q.weight", kv: "attn.to_kv.weight", out: "attn.to_out.weight",
	attnGate: "attn_gate", ffGate: "ff_gate", ff: "ff",
}

// openFlamingoPrompts are those that OpenFlamingo was evaluated with (Awadalla et al. 2023, section 3.4):
// no space behind the colon, and a line for each example of a caption or an answer.
var openFlamingoPrompts = map[string]string{
	"caption":       "<image>Output:",
	"caption.shot":  "<image>Output:{text}<|endofchunk|>\n",
	"ask":           "<image>Question:{question} Short answer:",
	"ask.shot":      "<image>Question:{question} Short answer:{text}<|endofchunk|>\n",
	"classify":      "<image>Output:",
	"classify.shot": "<image>Output:{text}<|endofchunk|>",
}

// OpenOpenFlamingo opens a release of OpenFlamingo (Awadalla et al. 2023).
func OpenOpenFlamingo(f Files) (c *Checkpoint, err error) {
	var layout *Layout
	if f.Layout != "" {
		if layout, err = readLayout(f.Layout); err != nil {
			return nil, err
		}
	}
	b := &assembly{Checkpoint: &Checkpoint{rules: rules{}}}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if err := b.open(f); err != nil {
		return nil, err
	}
	return b.Checkpoint, b.openFlamingo(f, layout)
}

// openFlamingo puts an opened release together.
func (b *assembly) openFlamingo(f Files, layout *Layout) error {
	trained := newPart(rename(b.trained, func(name string) string {
		// Files of v1 have each block a second time, by its number alone.
		if rest, ok := strings.CutPrefix(name, "lang_encoder.gated_cross_attn_layers."); ok {
			i, inner, _ := strings.Cut(rest, ".")
			name = fmt.Sprintf("lang_encoder.%s.%s.gated_cross_attn_layer.%s", b.lm.layers, i, inner)
			if _, twice := b.trained.Find(name); twice {
				return ""
			}
		}
		return name
	}))
	c := &b.Config
	c.LM = b.lm.config
	embed, err := trained.locate(b.lm.embed, "lang_encoder."+b.lm.part.prefix)
	own := err == nil // the embedding was trained, or at least resized
	if own {
		if c.LM.Vocab, err = embed.dim(b.lm.embed, 2, 0); err != nil {
			return err
		}
		b.lm.config.Vocab = c.LM.Vocab
	}
	if err := b.vision(layout, f.Embedding); err != nil {
		return err
	}
	if c.Resampler, err = resamplerShape(trained.in("perceiver."), c.Vision.Dim(), innerHead); err != nil {
		return err
	}
	every := 0
	if layout != nil {
		every = layout.Every
	}
	if c.XAttn, err = xattnShape(trained.in("lang_encoder.%s.", b.lm.layers), c.LM.Depth, every); err != nil {
		return err
	}
	if err := b.tokens(f, layout); err != nil {
		return err
	}
	c.Prompts = openFlamingoPrompts
	openFlamingoRules(trained, *c, b.lm.layers, b.rules)
	b.lm.make(b.rules, !own)
	if own {
		b.rules["lm.embed.weight"] = embed.tensor(b.lm.embed, c.LM.Vocab, c.LM.Resolve().EmbedDim)
		if c.LM.Untied {
			b.rules["lm.head.weight"] = trained.tensor("lang_encoder."+b.lm.head, c.LM.Vocab, c.LM.Resolve().EmbedDim)
		}
	}
	if err := trained.done(among(".decoder_layer.", "old_decoder_blocks.", "vision_encoder.", "lang_encoder.lm_head.", ".inv_freq", ".masked_bias")); err != nil {
		return err
	}
	if err := b.done(); err != nil {
		return err
	}
	if own {
		return b.sameWords(embed)
	}
	return nil
}

// openFlamingoRules are for what was trained.
func openFlamingoRules(trained part, c model.Config, layers string, to rules) {
	p := trained.in("perceiver.")
	r := c.Resampler
	to["resampler.latents"] = p.tensor("latents", r.Latents, r.Dim)
	if r.Frames > 0 {
		to["resampler.time"] = p.tensor("frame_embs", r.Frames, r.Dim)
	}
	for i := range r.Depth {
		l, out := p.in("layers.%d.", i), fmt.Sprintf("resampler.layers.%d.", i)
		inner := r.Heads * r.HeadDim
		l.layer("0.norm_media", out+"norm_media", []int{r.Dim}, to)
		l.layer("0.norm_latents", out+"norm_latents", []int{r.Dim}, to)
		to[out+"q.weight"] = l.tensor("0.to_q.weight", inner, r.Dim)
		to[out+"kv.weight"] = l.tensor("0.to_kv.weight", 2*inner, r.Dim)
		to[out+"out.weight"] = l.tensor("0.to_out.weight", r.Dim, inner)
		l.feedForward("1", out, r.Dim, r.Hidden, to)
	}
	p.layer("norm", "resampler.norm", []int{r.Dim}, to)
	for i := range c.LM.Depth {
		if c.XAttn.Before(i) {
			openFlamingoNames.block(trained.in("lang_encoder.%s.%d.gated_cross_attn_layer.", layers, i), i, c, to)
		}
	}
}

// trainedNames are what a family calls the tensors of a gated cross-attention block.
type trainedNames struct {
	norm, q, kv, out, attnGate, ffGate, ff string
}

// block gives the rules of the block before LM block i.
func (n trainedNames) block(p part, i int, c model.Config, to rules) {
	x, out := c.XAttn, fmt.Sprintf("xattn.%d.", i)
	inner := x.Heads * x.HeadDim
	p.layer(n.norm, out+"norm", []int{c.LM.Dim}, to)
	to[out+"q.weight"] = p.tensor(n.q, inner, c.LM.Dim)
	to[out+"kv.weight"] = p.tensor(n.kv, 2*inner, c.Resampler.Dim)
	to[out+"out.weight"] = p.tensor(n.out, c.LM.Dim, inner)
	to[out+"attn_gate"], to[out+"ff_gate"] = p.tensor(n.attnGate, 1), p.tensor(n.ffGate, 1)
	p.feedForward(n.ff, out, c.LM.Dim, x.Hidden, to)
}

// feedForward is a sequence of a norm, a linear, an activation and a linear.
func (p part) feedForward(name, out string, dim, hidden int, to rules) {
	p.layer(name+".0", out+"ff_norm", []int{dim}, to)
	to[out+"up.weight"] = p.tensor(name+".1.weight", hidden, dim)
	to[out+"down.weight"] = p.tensor(name+".3.weight", dim, hidden)
}

// resamplerShape reads OpenFlamingo's resampler off its tensors.
func resamplerShape(p part, visual, head int) (model.ResamplerConfig, error) {
	c := model.ResamplerConfig{InputDim: visual, HeadDim: head, Activation: ops.GELU}
	var err error
	dim := func(name string, axis int) (n int) {
		if err == nil {
			n, err = p.dim(name, 2, axis)
		}
		return n
	}
	c.Latents, c.Dim = dim("latents", 0), dim("latents", 1)
	if err == nil && c.Dim != visual {
		return c, fmt.Errorf("%w: %s: %slatents has %d channels, the vision encoder gives %d; is this the one it was trained with?",
			ErrCheckpoint, p.file.Path(), p.prefix, c.Dim, visual)
	}
	c.Heads = dim("layers.0.0.to_q.weight", 0) / head
	c.Hidden = dim("layers.0.1.1.weight", 0)
	c.Depth = p.count("layers.%d.0.to_q.weight")
	if s, ok := p.shape("frame_embs"); ok {
		c.Frames, c.Temporal = s[0], model.TemporalFirst
	}
	return c, err
}

// xattnShape reads OpenFlamingo's blocks off their tensors: which LM blocks have one, and how large
// they are. every is 0 when nothing is known of it.
func xattnShape(p part, depth, every int) (model.XAttnConfig, error) {
	c := model.XAttnConfig{Every: every, Placement: model.PlaceOpenFlamingo, HeadDim: innerHead, Activation: ops.GELU}
	first := -1
	for i := range depth {
		has := p.has(fmt.Sprintf("%d.gated_cross_attn_layer.attn_gate", i))
		if has && first < 0 {
			if first = i; c.Every == 0 {
				c.Every = i + 1
			}
		}
		if c.Every > 0 && has != c.Before(i) {
			return c, fmt.Errorf("%w: %s: gated cross-attention before block %d: found %t, but every %d blocks means %t; is this the language model it was trained with?",
				ErrCheckpoint, p.file.Path(), i, has, c.Every, c.Before(i))
		}
	}
	if first < 0 {
		return c, fmt.Errorf("%w: %s: no %s%d.gated_cross_attn_layer… of a language model with %d blocks%s", ErrCheckpoint, p.file.Path(), p.prefix, 0, depth, p.sample())
	}
	block := p.in("%d.gated_cross_attn_layer.", first)
	inner, err := block.dim("attn.to_q.weight", 2, 0)
	if err != nil {
		return c, err
	}
	c.Heads = inner / innerHead
	c.Hidden, err = block.dim("ff.1.weight", 2, 0)
	return c, err
}
