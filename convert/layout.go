package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// A Layout is what the files of an OpenFlamingo do not say themselves.
type Layout struct {
	Vision     VisionLayout `json:"vision"`
	Every      int          `json:"cross_attn_every_n_layers"`
	MediaToken int32        `json:"media_token_id"`
	EOCToken   int32        `json:"eoc_token_id"`
	PadToken   int32        `json:"pad_token_id"` // -1 for none
}

// VisionLayout is CLIP's image tower as open_clip describes it.
type VisionLayout struct {
	ImageSize int     `json:"image_size"`
	PatchSize int     `json:"patch_size"`
	Width     int     `json:"width"`
	Layers    int     `json:"layers"`
	Heads     int     `json:"heads"`
	MLPRatio  float64 `json:"mlp_ratio"`
	OutputDim int     `json:"output_dim"`
	QuickGELU bool    `json:"quick_gelu"`
}

func readLayout(path string) (*Layout, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return parseLayout(path, data)
}

// parseLayout reads the layout in the file at path.
func parseLayout(path string, data []byte) (*Layout, error) {
	l := &Layout{MediaToken: -1, EOCToken: -1, PadToken: -1, Vision: VisionLayout{QuickGELU: true}}
	err := decodeStrict(data, l)
	if err == nil {
		err = l.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCheckpoint, path, err)
	}
	return l, nil
}

// check reports numbers that are missing or absurd. Whether the rest is true the tensors tell.
func (l *Layout) check() error {
	const most = 1 << 20 // nothing comes near it, and no product overflows
	var errs []error
	v := l.Vision
	for _, n := range []struct {
		name       string
		got, least int
	}{
		{"vision.image_size", v.ImageSize, 1}, {"vision.patch_size", v.PatchSize, 1}, {"vision.width", v.Width, 1},
		{"vision.layers", v.Layers, 1}, {"vision.heads", v.Heads, 1}, {"vision.output_dim", v.OutputDim, 0},
		{"cross_attn_every_n_layers", l.Every, 1},
		{"media_token_id", int(l.MediaToken), 0}, {"eoc_token_id", int(l.EOCToken), 0}, {"pad_token_id", int(l.PadToken), -1},
	} {
		if n.got < n.least || n.got > most {
			errs = append(errs, fmt.Errorf("%s is %d, want %d to %d", n.name, n.got, n.least, most))
		}
	}
	if !(v.MLPRatio > 0 && v.MLPRatio < 100) {
		errs = append(errs, fmt.Errorf("vision.mlp_ratio is %g, want more than 0, as 4", v.MLPRatio))
	}
	if l.MediaToken == l.EOCToken || l.MediaToken == l.PadToken || l.EOCToken == l.PadToken {
		errs = append(errs, fmt.Errorf("media_token_id %d, eoc_token_id %d and pad_token_id %d are not three tokens", l.MediaToken, l.EOCToken, l.PadToken))
	}
	return errors.Join(errs...)
}

// decodeStrict decodes one JSON value, which must not have fields that are not known.
func decodeStrict(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON at byte %d, want its end", d.InputOffset())
	}
	return nil
}
