package model

import (
	"fmt"
	"math"

	"flamingo/gpu"
	"flamingo/ops"
)

// NFNetConfig describes an NFNet (Brock et al. 2021). Either a Variant of the table below, or all of
// the numbers.
type NFNetConfig struct {
	Variant    string `json:"variant,omitempty"`
	Widths     [4]int `json:"widths,omitzero"` // channels of the stages
	Depths     [4]int `json:"depths,omitzero"` // blocks of the stages
	GroupWidth int    `json:"groupWidth,omitempty"`
	Stem       [4]int `json:"stem,omitzero"`      // channels of the stem's convolutions
	Features   int    `json:"features,omitempty"` // channels of the final convolution; 0 for none
	// Without the final convolution the features are the last stage's. That is for variants, which
	// have one; with Features 0 there is none anyway.
	NoFinal bool `json:"noFinal,omitempty"`
}

// nfnets are the published variants and the one that is built in. F1…F6 repeat F0's blocks.
var nfnets = map[string]NFNetConfig{
	"F0":   nfnetF(1),
	"F1":   nfnetF(2),
	"F2":   nfnetF(3),
	"F3":   nfnetF(4),
	"F4":   nfnetF(5),
	"F5":   nfnetF(6),
	"F6":   nfnetF(7),
	"nano": {Widths: [4]int{32, 64, 192, 192}, Depths: [4]int{1, 2, 2, 1}, GroupWidth: 16, Stem: [4]int{4, 8, 16, 32}, Features: 384},
}

func nfnetF(times int) NFNetConfig {
	return NFNetConfig{
		Widths: [4]int{256, 512, 1536, 1536}, Depths: [4]int{times, 2 * times, 6 * times, 3 * times},
		GroupWidth: 128, Stem: [4]int{16, 32, 64, 128}, Features: 3072,
	}
}

// GammaGELU keeps the variance of a GELU's output at one (Brock et al. 2021, appendix).
const GammaGELU = 1.7015043497085571

// Alpha scales each residual branch.
const Alpha = 0.2

var (
	stemStrides  = [4]int{2, 1, 1, 2}
	stageStrides = [4]int{1, 2, 2, 2}
)

// Resolve replaces a variant's name by its numbers.
func (c NFNetConfig) Resolve() NFNetConfig {
	v, ok := nfnets[c.Variant]
	if !ok {
		v = c
	}
	if v.Variant = c.Variant; c.NoFinal {
		v.Features = 0
	}
	return v
}

func (c NFNetConfig) dim() int {
	c = c.Resolve()
	if c.Features > 0 {
		return c.Features
	}
	return c.Widths[3]
}

// grid is the extent of the features of a picture: five halvings, rounded up.
func (c NFNetConfig) grid(h, w int) (int, int) {
	for range 5 {
		h, w = (h+1)/2, (w+1)/2
	}
	return h, w
}

func (c NFNetConfig) check(e *checks) {
	if c.Variant != "" {
		if _, ok := nfnets[c.Variant]; !ok {
			e.that(false, "vision.variant is %q, want F0 to F6 or nano", c.Variant)
			return
		}
		c = c.Resolve()
	}
	e.size("vision.groupWidth", c.GroupWidth, 4096)
	e.multiple("vision.groupWidth", c.GroupWidth)
	for s := range 4 {
		e.size(fmt.Sprintf("vision.widths[%d]", s), c.Widths[s], 1<<14)
		e.size(fmt.Sprintf("vision.depths[%d]", s), c.Depths[s], 256)
		e.size(fmt.Sprintf("vision.stem[%d]", s), c.Stem[s], 1<<12)
		if c.GroupWidth > 0 {
			e.that(c.Widths[s]/2%c.GroupWidth == 0 && c.Widths[s]%2 == 0, "vision.widths[%d] is %d: its half is no multiple of groupWidth %d", s, c.Widths[s], c.GroupWidth)
		}
	}
	e.multiple("vision.stem[3]", c.Stem[3])
	e.that(c.Features >= 0 && c.Features <= 1<<14 && c.Features%4 == 0, "vision.features is %d, want a multiple of 4 from 0 to %d", c.Features, 1<<14)
}

// An NFBlockSpec is the shape of one residual block.
type NFBlockSpec struct {
	Name           string // "stages.2.0"
	In, Mid, Out   int    // channels
	Groups, Stride int
	Project        bool    // the shortcut has a convolution
	SE             int     // hidden width of squeeze and excitation
	Beta           float64 // 1/σ of the block's input
}

// Blocks lists the residual blocks in order. Beta follows the variance of the residual stream:
// each block adds α², a transition resets it to one.
func (c NFNetConfig) Blocks() []NFBlockSpec {
	c = c.Resolve()
	var list []NFBlockSpec
	in, variance := c.Stem[3], 1.0
	for s, out := range c.Widths {
		for i := range c.Depths[s] {
			stride := 1
			if i == 0 {
				stride = stageStrides[s]
			}
			list = append(list, NFBlockSpec{
				Name: fmt.Sprintf("stages.%d.%d", s, i), In: in, Mid: out / 2, Out: out,
				Groups: out / 2 / c.GroupWidth, Stride: stride, Project: stride > 1 || in != out, SE: out / 2,
				Beta: 1 / math.Sqrt(variance),
			})
			if i == 0 {
				variance = 1
			}
			variance += Alpha * Alpha
			in = out
		}
	}
	return list
}

// Pad4 rounds channels up to what kernels read at a time.
func Pad4(n int) int { return (n + 3) &^ 3 }

// NFNet is the encoder as it runs: weight standardisation, gains, γ and β are folded into its
// convolutions by the converter, so what is left is convolution, bias and GELU.
type NFNet struct {
	Stem   [4]Linear
	Blocks []nfBlock
	Final  Linear // unset when the features are the last stage's
	act    ops.Activation
}

func newNFNet(w Weights, c NFNetConfig, act ops.Activation) NFNet {
	c = c.Resolve()
	n := NFNet{act: act}
	in := 4 // RGB and a zero
	for i, out := range c.Stem {
		n.Stem[i] = newLinear(w, fmt.Sprintf("stem.%d", i), 9*in, Pad4(out), true)
		in = Pad4(out)
	}
	for _, b := range c.Blocks() {
		n.Blocks = append(n.Blocks, newNFBlock(w.In("%s", b.Name), b))
	}
	if c.Features > 0 {
		n.Final = newLinear(w, "final", c.Widths[3], c.Features, true)
	}
	return n
}

// Forward maps a normalised picture [H, W, 4] to visual features [h·w, Dim]. It has no embedding.
func (n NFNet) Forward(p *gpu.Pass, x gpu.Tensor) (features, embedding gpu.Tensor) {
	for i, c := range n.Stem {
		act := n.act
		if i == 3 {
			act = ops.Identity
		}
		x = ops.Conv2D(p, x, c.Weight, c.Bias, ops.Conv{Kernel: 3, Stride: stemStrides[i], Groups: 1, Act: act})
	}
	for _, b := range n.Blocks {
		x = b.Forward(p, x, n.act)
	}
	x = x.Reshape(x.Dim(0)*x.Dim(1), x.Dim(2))
	if n.Final.Weight.Valid() {
		x = ops.Activate(p, n.Final.Forward(p, x, ops.Epilogue{}), n.act, GammaGELU)
	}
	return x, embedding
}

type nfBlock struct {
	NFBlockSpec
	Short                      Linear
	Conv1, Conv2, Conv3, Conv4 Linear
	Squeeze, Excite            Linear
	Scale                      gpu.Tensor // 2·α·skip gain
}

func newNFBlock(w Weights, s NFBlockSpec) nfBlock {
	b := nfBlock{NFBlockSpec: s}
	if s.Project {
		b.Short = newLinear(w, "short", s.In, s.Out, true)
	}
	b.Conv1 = newLinear(w, "conv1", s.In, s.Mid, true)
	b.Conv2 = newLinear(w, "conv2", 9*s.Mid/s.Groups, s.Mid, true)
	b.Conv3 = newLinear(w, "conv3", 9*s.Mid/s.Groups, s.Mid, true)
	b.Conv4 = newLinear(w, "conv4", s.Mid, s.Out, true)
	b.Squeeze = newLinear(w, "squeeze", s.Out, s.SE, true)
	b.Excite = newLinear(w, "excite", s.SE, s.Out, true)
	b.Scale = w.Vector("scale", 1)
	return b
}

// Forward: x' = short(f(x)) + scale·SE(conv(f(x))), with f the activation.
func (b nfBlock) Forward(p *gpu.Pass, x gpu.Tensor, act ops.Activation) gpu.Tensor {
	defer p.In("%s", b.Name)()
	a, short := ops.Activate(p, x, act, 1), x
	if b.Project {
		short = a
		if b.Stride > 1 {
			short = ops.AvgPool2(p, a)
		}
		short = b.Short.Forward(p, short, ops.Epilogue{})
	}
	h := b.Conv1.Forward(p, a, ops.Epilogue{Act: act})
	h = ops.Conv2D(p, h, b.Conv2.Weight, b.Conv2.Bias, ops.Conv{Kernel: 3, Stride: b.Stride, Groups: b.Groups, Act: act})
	h = ops.Conv2D(p, h, b.Conv3.Weight, b.Conv3.Bias, ops.Conv{Kernel: 3, Stride: 1, Groups: b.Groups, Act: act})
	h = b.Conv4.Forward(p, h, ops.Epilogue{})
	s := b.Squeeze.Forward(p, ops.MeanRows(p, h), ops.Epilogue{Act: ops.ReLU})
	s = b.Excite.Forward(p, s, ops.Epilogue{Act: ops.Sigmoid})
	return ops.ScaleAdd(p, h, s, b.Scale, short)
}
