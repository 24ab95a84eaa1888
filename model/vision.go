package model

import (
	"flamingo/gpu"
	"flamingo/ops"
)

// VisionConfig describes the vision encoder: its family, and the numbers of that family.
type VisionConfig struct {
	Family     string         `json:"family"` // "nfnet" or "clip"
	Activation ops.Activation `json:"activation"`
	NFNetConfig
	CLIPConfig
}

// A visionTower turns a normalised picture [H, W, 4] into visual features [V, Dim] and, where it has
// one, the embedding [1, Embed] by which pictures are compared.
type visionTower interface {
	Forward(p *gpu.Pass, x gpu.Tensor) (features, embedding gpu.Tensor)
}

func newVision(w Weights, c VisionConfig) visionTower {
	if c.Family == "clip" {
		return newCLIP(w, c.CLIPConfig, c.Activation)
	}
	return newNFNet(w, c.NFNetConfig, c.Activation)
}

// Dim is the width of the features.
func (c VisionConfig) Dim() int {
	if c.Family == "clip" {
		return c.Width
	}
	return c.dim()
}

// EmbeddingLen is the length of the vector by which pictures are compared.
func (c VisionConfig) EmbeddingLen() int {
	if c.Embed > 0 {
		return c.Embed
	}
	return c.Dim()
}

// GridOf is the extent of the features of a picture of h×w pixels.
func (c VisionConfig) GridOf(h, w int) (int, int) {
	if c.Family == "clip" {
		return h / c.Patch, w / c.Patch
	}
	return c.grid(h, w)
}

// Grid is the number of features of a size×size picture.
func (c VisionConfig) Grid(size int) int {
	h, w := c.GridOf(size, size)
	if c.Class {
		return h*w + 1
	}
	return h * w
}

func (c VisionConfig) check(e *checks) {
	switch c.Family {
	case "nfnet":
		e.that(c.CLIPConfig == CLIPConfig{}, "vision.family is \"nfnet\", but there are numbers of CLIP")
		c.NFNetConfig.check(e)
	case "clip":
		e.that(c.NFNetConfig == NFNetConfig{}, "vision.family is \"clip\", but there are numbers of an NFNet")
		c.CLIPConfig.check(e)
	default:
		e.that(false, "vision.family is %q, want \"nfnet\" or \"clip\"", c.Family)
	}
}

// takes reports pictures whose patches are not as many as the encoder has positions for.
func (c VisionConfig) takes(e *checks, size int) {
	if c.Family == "clip" && c.Patch > 0 {
		h, w := c.GridOf(size, size)
		e.that(h*w+1 == c.Positions, "vision.positions is %d, %d×%d pixels in patches of %d need %d", c.Positions, size, size, c.Patch, h*w+1)
	}
}
