package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	l := &Layout{PadToken: -1, Vision: VisionLayout{QuickGELU: true}}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(l); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCheckpoint, path, err)
	}
	return l, nil
}
