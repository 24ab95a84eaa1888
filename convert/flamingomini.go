package convert

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flamingo/checkpoint"
	"flamingo/model"
	"flamingo/ops"
	"flamingo/tokenizer"
)

// miniNames are those of flamingo-mini's gated cross-attention.
var miniNames = trainedNames{
	norm: "attn.norm", q: "attn.to_q.weight", kv: "attn.to_kv.weight", out: "attn.to_out.weight",
	attnGate: "alpha_attn", ffGate: "alpha_ffw", ff: "ffw",
}

// miniActivations are the values of resampler_act and xattn_act.
var miniActivations = map[string]ops.Activation{"gelu": ops.GELU, "relu": ops.ReLU, "sqrelu": ops.SquaredReLU}

// OpenFlamingoMini opens a release of flamingo-mini (Hansmair 2022, github.com/dhansmair/flamingo-mini)
// with OPT as its language model. f.Layout is the release's own config.json. The checkpoint holds all
// of OPT, so that f.LM needs no weights, only OPT's config.json, and tokenizer.json unless f.Tokenizer
// names one. f.Vision is empty where the checkpoint holds the vision encoder as well, which those of
// the published releases do not.
//
// A picture stands where "<image>" begins: that is text to flamingo-mini, and its first token, "<",
// marks the place. "<" behind a space is another token, which marks a place in the original only.
func OpenFlamingoMini(f Files) (c *Checkpoint, err error) {
	config, err := readMini(f.Layout)
	if err != nil {
		return nil, err
	}
	b := &assembly{Checkpoint: &Checkpoint{Config: config, rules: rules{}}}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	p, err := b.openMini(f)
	if err != nil {
		return nil, err
	}
	return b.Checkpoint, b.flamingoMini(f, p)
}

// readMini reads config.json: resampler, cross-attention and, of the language model, the width.
func readMini(path string) (c model.Config, err error) {
	if path == "" {
		return c, fmt.Errorf("%w: nothing says which sizes and activations flamingo-mini has: want the config.json beside its weights", ErrCheckpoint)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("convert: %w", err)
	}
	h, err := parseHF(path, data)
	if err != nil {
		return c, err
	}
	if lm := h.text("lm"); !strings.HasPrefix(lm, "facebook/opt") {
		h.fail("lm is %q, which is not supported; want facebook/opt-125m or another OPT", lm)
	}
	act := func(name string) ops.Activation {
		a, ok := miniActivations[h.text(name)]
		if !ok {
			h.fail("%s is %q, want one of %v", name, h.text(name), slices.Sorted(maps.Keys(miniActivations)))
		}
		return a
	}
	visual := h.whole("dim_visual")
	c.LM.Dim = h.whole("dim")
	c.Resampler = model.ResamplerConfig{
		InputDim: visual, Dim: visual, Depth: h.whole("resampler_depth"), Heads: h.whole("resampler_heads"), HeadDim: h.whole("resampler_dim_head"),
		Latents: h.whole("resampler_num_latents"), Hidden: visual * h.whole("resampler_ff_mult"), Activation: act("resampler_act"),
		Frames: h.whole("resampler_num_time_embeds"), Temporal: model.TemporalFirst,
	}
	c.XAttn = model.XAttnConfig{
		Every: h.whole("xattn_every"), Placement: model.PlacePaper, Heads: h.whole("xattn_heads"), HeadDim: h.whole("xattn_dim_head"),
		Hidden: c.LM.Dim * h.whole("xattn_ff_mult"), Activation: act("xattn_act"),
	}
	c.Prompts = map[string]string{"caption": "<image>"}
	return c, h.done()
}

// openMini opens the files and finds what is in them. The part is that of the checkpoint.
func (b *assembly) openMini(f Files) (p part, err error) {
	if b.trained, err = b.openFile(f.Checkpoint); err != nil {
		return p, err
	}
	p, err = newPart(rename(b.trained, func(name string) string {
		// Blocks of the language model lie one deeper where cross-attention stands before them.
		return strings.Replace(name, ".lm_block.", ".", 1)
	})).locate("resampler.latents", "flamingo.", "")
	if err != nil {
		return p, err
	}
	path := filepath.Join(f.LM, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return p, fmt.Errorf("convert: %w", err)
	}
	if b.lm, err = describeLM(path, data); err != nil {
		return p, err
	}
	if k := b.lm.config.Family; k != "opt" {
		return p, fmt.Errorf("%w: %s: model_type is %q, want \"opt\"; is this the language model it was trained with?", ErrCheckpoint, path, k)
	}
	b.lm.part, b.lm.beside = p.in("lm.decoder."), p
	if b.lm.config.Vocab, err = b.lm.dim(b.lm.embed, 2, 0); err != nil {
		return p, err
	}
	// Files of old versions have an output matrix of its own; those of later ones may leave it out.
	b.lm.config.Untied = p.has(b.lm.head)

	own := p.has("vision_encoder." + huggingFaceNames.patch)
	switch {
	case own && f.Vision != "":
		return p, fmt.Errorf("%w: %s has a vision encoder of its own, which may have been trained: leave out that in %s", ErrCheckpoint, b.trained.Path(), f.Vision)
	case !own && f.Vision == "":
		return p, fmt.Errorf("%w: %s has no vision encoder: want the weights of the CLIP that config.json names", ErrCheckpoint, b.trained.Path())
	}
	tower := p
	if !own {
		file, err := b.openFile(f.Vision)
		if err != nil {
			return p, err
		}
		tower = newPart(file)
	}
	b.clip, err = findCLIP(tower)
	return p, err
}

func (b *assembly) openFile(path string) (*checkpoint.File, error) {
	file, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	b.files = append(b.files, file)
	return file, nil
}

// flamingoMini puts an opened release together.
func (b *assembly) flamingoMini(f Files, p part) error {
	c := &b.Config
	if err := b.vision(nil, f.Embedding); err != nil {
		return err
	}
	c.Vision.Class = true // the class token is one of the features
	for _, x := range []struct {
		name      string
		said, has int
		of        string
	}{{"dim", c.LM.Dim, b.lm.config.Dim, "language model"}, {"dim_visual", c.Resampler.InputDim, c.Vision.Dim(), "vision encoder"}} {
		if x.said != x.has {
			return fmt.Errorf("%w: %s: %s is %d, but the %s has %d; is this the %[5]s it was trained with?", ErrCheckpoint, f.Layout, x.name, x.said, x.of, x.has)
		}
	}
	c.LM = b.lm.config
	if err := b.miniTokens(f); err != nil {
		return err
	}
	if err := c.Validate(); err != nil { // before numbers of config.json are counted up to
		return fmt.Errorf("convert: %s: %w", f.Layout, err)
	}
	miniRules(p, *c, b.rules)
	b.lm.make(b.rules, true)
	tower := func(name string) bool { return b.clip.ledger == p.ledger && strings.HasPrefix(name, b.clip.prefix) }
	if err := p.done(tower); err != nil {
		return err
	}
	return b.clip.done(b.clip.rest)
}

// miniRules are for what was trained, but for the language model.
func miniRules(p part, c model.Config, to rules) {
	r, s := c.Resampler, p.in("resampler.")
	to["resampler.latents"] = s.tensor("latents", r.Latents, r.Dim)
	to["resampler.time"] = s.tensor("time_pos_emb", r.Frames, 1, r.Dim)
	for i := range r.Depth {
		l, out := s.in("layers.%d.", i), fmt.Sprintf("resampler.layers.%d.", i)
		inner := r.Heads * r.HeadDim
		l.layer("0.norm_media", out+"norm_media", []int{r.Dim}, to)
		l.layer("0.norm_latents", out+"norm_latents", []int{r.Dim}, to)
		to[out+"q.weight"] = l.tensor("0.to_q.weight", inner, r.Dim)
		to[out+"kv.weight"] = stack(l.tensor("0.to_k.weight", inner, r.Dim), l.tensor("0.to_v.weight", inner, r.Dim))
		to[out+"out.weight"] = l.tensor("0.to_out.weight", r.Dim, inner)
		l.feedForward("1", out, r.Dim, r.Hidden, to)
	}
	s.layer("norm", "resampler.norm", []int{r.Dim}, to)
	for i := range c.LM.Depth {
		if c.XAttn.Before(i) {
			miniNames.block(p.in("lm.decoder.layers.%d.xattn_block.", i), i, c, to)
		}
	}
}

// miniTokens finds the ids with a meaning of their own. Only <EOC> is new; training adds it behind
// the tokenizer's last, while the embedding may have rows that no token uses.
func (b *assembly) miniTokens(f Files) error {
	words, err := readTokenizer(f)
	if err != nil {
		return err
	}
	if words == nil {
		return fmt.Errorf("%w: nothing says which token is the \"<\" of <image>: want OPT's tokenizer.json, in %s or by --tokenizer", ErrCheckpoint, f.LM)
	}
	tok, err := tokenizer.Parse(words)
	if err != nil {
		return fmt.Errorf("convert: tokenizer.json: %w", err)
	}
	t := model.Tokens{BOS: b.lm.bos, EOS: b.lm.eos, Pad: -1, EndOfChunk: int32(tok.VocabSize())}
	if id, ok := tok.TokenID("<EOC>"); ok { // one that was saved after training
		t.EndOfChunk = id
	}
	if id, ok := tok.TokenID("<pad>"); ok {
		t.Pad = id
	}
	ids := tok.EncodeTemplate("<image>")
	mark, ok := tok.TokenID("<")
	if !ok || len(ids) == 0 || ids[0] != mark {
		return fmt.Errorf("%w: tokenizer.json encodes <image> as %v, want it to begin with the token \"<\"; is this OPT's, without an <image> of its own?", ErrCheckpoint, ids)
	}
	t.Image = mark
	b.Config.Tokens = t
	b.Tokenizer, err = addTokens(words, []addedToken{{"<EOC>", t.EndOfChunk}})
	return err
}
