package convert

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"flamingo/checkpoint"
	"flamingo/model"
	"flamingo/tokenizer"
)

// An assembly is a Flamingo being put together of several files.
type assembly struct {
	*Checkpoint
	trained *checkpoint.File
	lm      *languageModel
	clip    clipFile
}

// open opens the files.
func (b *assembly) open(f Files) error {
	open := func(path string) (*checkpoint.File, error) {
		file, err := checkpoint.Open(path)
		if err != nil {
			return nil, fmt.Errorf("convert: %w", err)
		}
		b.files = append(b.files, file)
		return file, nil
	}
	var err error
	if b.trained, err = open(f.Checkpoint); err != nil {
		return err
	}
	if b.lm, err = openLM(f.LM); err != nil {
		return err
	}
	if b.lm.file != nil {
		b.files = append(b.files, b.lm.file)
	}
	tower, err := open(f.Vision)
	if err != nil {
		return err
	}
	b.clip, err = findCLIP(newPart(tower))
	return err
}

// done reports what is wrong with the frozen parts.
func (b *assembly) done() error {
	if err := b.lm.done(b.lm.rest); err != nil {
		return err
	}
	if err := b.clip.done(b.clip.rest); err != nil {
		return err
	}
	return b.Config.Validate()
}

// vision describes CLIP.
func (b *assembly) vision(layout *Layout, embedding bool) error {
	heads, quick := 0, true
	if layout != nil {
		heads, quick = layout.Vision.Heads, layout.Vision.QuickGELU
	}
	clip, err := b.clip.config(heads, embedding)
	if err != nil {
		return err
	}
	b.Config.Vision = model.VisionConfig{Family: "clip", Activation: clipActivation(quick), CLIPConfig: clip}
	b.Config.Preprocess = model.Preprocess{Size: clipSize(clip), Fit: model.FitCrop, Mean: clipMean, Std: clipStd}
	if layout != nil {
		v := layout.Vision
		for _, x := range []struct {
			name      string
			said, has int
		}{
			{"image_size", v.ImageSize, b.Config.Preprocess.Size}, {"patch_size", v.PatchSize, clip.Patch}, {"width", v.Width, clip.Width},
			{"layers", v.Layers, clip.Depth}, {"width times mlp_ratio", int(math.Round(float64(v.Width) * v.MLPRatio)), clip.Hidden},
		} {
			if x.said != x.has {
				return fmt.Errorf("%w: %s: %s is %d by the layout and %d by the tensors; is this the vision encoder it was trained with?",
					ErrCheckpoint, b.clip.file.Path(), x.name, x.said, x.has)
			}
		}
	}
	b.clip.rules(clip, b.rules)
	return nil
}

// readTokenizer reads the named file, or the one beside the language model.
func readTokenizer(f Files) ([]byte, error) {
	if f.Tokenizer != "" {
		data, err := os.ReadFile(f.Tokenizer)
		if err != nil {
			return nil, fmt.Errorf("convert: %w", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(filepath.Join(f.LM, "tokenizer.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// tokens finds the ids with a meaning of their own. OpenFlamingo's training adds them to the
// tokenizer, in this order, behind its last.
func (b *assembly) tokens(f Files, layout *Layout) error {
	words, err := readTokenizer(f)
	if err != nil {
		return err
	}
	t := model.Tokens{BOS: -1, EOS: -1, Pad: -1}
	if layout != nil {
		t.EndOfChunk, t.Image, t.Pad = layout.EOCToken, layout.MediaToken, layout.PadToken
	}
	if words != nil {
		tok, err := tokenizer.Parse(words)
		if err != nil {
			return fmt.Errorf("convert: tokenizer.json: %w", err)
		}
		n := int32(tok.VocabSize())
		if layout == nil {
			t.EndOfChunk, t.Image, t.Pad = n, n+1, n+2
			if id, ok := tok.TokenID("<pad>"); ok { // OPT's
				t.Pad = id
			}
		}
		added := []addedToken{{"<|endofchunk|>", t.EndOfChunk}, {"<image>", t.Image}}
		if t.Pad >= n {
			added = append(added, addedToken{"<PAD>", t.Pad})
		}
		if b.Tokenizer, err = addTokens(words, added); err != nil {
			return err
		}
	} else if layout == nil {
		return fmt.Errorf("%w: nothing says which tokens mean <image> and <|endofchunk|>: want a tokenizer.json, beside the language model or by --tokenizer, or --release", ErrCheckpoint)
	}
	if b.lm.eos >= 0 && int(b.lm.eos) < b.Config.LM.Vocab {
		t.EOS = b.lm.eos
	}
	if k := b.Config.LM.Family; (k == "opt" || k == "llama") && b.lm.bos >= 0 {
		t.BOS = b.lm.bos // their tokenizers begin every text with it
	}
	b.Config.Tokens = t
	return nil
}

// comparedRows is how many rows of two embeddings are compared.
const comparedRows = 64

// sameWords compares the checkpoint's embedding with the language model's own: all rows but those of
// new tokens must agree, up to the precision they were saved with.
func (b *assembly) sameWords(embed part) error {
	own, err := b.lm.dim(b.lm.embed, 2, 0)
	if err != nil {
		return err
	}
	width := b.Config.LM.Resolve().EmbedDim
	known := min(own, int(b.Config.Tokens.EndOfChunk), b.Config.LM.Vocab)
	theirs := b.lm.tensor(b.lm.embed, own, width)
	ours := embed.tensor(b.lm.embed, b.Config.LM.Vocab, width)
	for i := range min(comparedRows, known) {
		row := i * known / min(comparedRows, known)
		x, err := theirs.read(row*width, (row+1)*width)
		if err != nil {
			return err
		}
		y, err := ours.read(row*width, (row+1)*width)
		if err != nil {
			return err
		}
		far, size := 0.0, 0.0
		for k := range x {
			far += math.Pow(float64(x[k]-y[k]), 2)
			size += math.Pow(float64(x[k]), 2)
		}
		if far > 1e-3*size {
			return fmt.Errorf("%w: %s: row %d of %s differs from that in %s by %.2g of its size: this is not the language model that the checkpoint was trained with",
				ErrCheckpoint, b.lm.file.Path(), row, b.lm.part.prefix+b.lm.embed, b.trained.Path(), math.Sqrt(far/size))
		}
	}
	return nil
}
