package convert

import (
	"fmt"
	"math"

	"flamingo/model"
	"flamingo/tensor"
)

// A Flavour is one of the two published ways to standardise an NFNet's weights. They place ε
// differently, which matters by about a percent per convolution.
type Flavour int

const (
	TimmFlavour     Flavour = iota // (w−μ)·gain / √fan / √(σ²+1e-5)
	DeepMindFlavour                // (w−μ)·gain / √max(σ²·fan, 1e-4)
)

// An nfnetFold knows how the runtime's tensors follow from a checkpoint with timm's dm_nfnet names.
type nfnetFold struct {
	weights
	from    string // prefix of the checkpoint's names
	flavour Flavour
	out     nfnetRules
	to      string // prefix of the runtime's names
}

// foldNFNet gives a rule for every runtime tensor of the encoder. What is folded, all of it exact:
// standardisation and gain into each kernel; the activation's γ into the kernel that follows it,
// since conv(γ·a) = γ·conv(a); β of a block's input likewise; 2·α·skip gain into one scalar.
// Kernels become rows of (ky, kx, channel), channels padded to a multiple of four.
func foldNFNet(c weights, from, to string, config model.VisionConfig, flavour Flavour) nfnetRules {
	f := &nfnetFold{c, from, flavour, nfnetRules{}, to}
	config = config.Resolve()
	in := 3
	for i, out := range config.Stem {
		gamma := model.GammaGELU
		if i == 0 {
			gamma = 1 // its input is the picture
		}
		f.conv(fmt.Sprintf("stem.%d", i), fmt.Sprintf("stem.conv%d", i+1), convShape{out, in, 3}, gamma)
		in = out
	}
	for _, b := range config.Blocks() {
		n := b.Name + "."
		first := model.GammaGELU * b.Beta
		if b.Project {
			f.conv(n+"short", n+"downsample.conv", convShape{b.Out, b.In, 1}, first)
		}
		f.conv(n+"conv1", n+"conv1", convShape{b.Mid, b.In, 1}, first)
		f.conv(n+"conv2", n+"conv2", convShape{b.Mid, b.Mid / b.Groups, 3}, model.GammaGELU)
		f.conv(n+"conv3", n+"conv2b", convShape{b.Mid, b.Mid / b.Groups, 3}, model.GammaGELU)
		f.conv(n+"conv4", n+"conv3", convShape{b.Out, b.Mid, 1}, model.GammaGELU)
		f.linear(n+"squeeze", n+"attn_last.fc1", b.SE, b.Out)
		f.linear(n+"excite", n+"attn_last.fc2", b.Out, b.SE)
		f.out[to+n+"scale"] = func() ([]float32, error) {
			gain, err := f.scalar(from + n + "skipinit_gain")
			return []float32{float32(2 * model.Alpha * float64(gain))}, err
		}
	}
	if config.Features > 0 {
		f.conv("final", "final_conv", convShape{config.Features, config.Widths[3], 1}, 1)
	}
	return f.out
}

type convShape struct{ out, in, kernel int } // in: channels of one group

func (f *nfnetFold) conv(runtime, name string, s convShape, factor float64) {
	f.out[f.to+runtime+".weight"] = func() ([]float32, error) {
		w, err := f.read(f.from+name+".weight", tensor.Shape{s.out, s.in, s.kernel, s.kernel})
		if err != nil {
			return nil, err
		}
		gain, err := f.read(f.from+name+".gain", tensor.Shape{s.out, 1, 1, 1})
		if err != nil {
			return nil, err
		}
		return f.standardise(w, gain, s, factor), nil
	}
	f.out[f.to+runtime+".bias"] = func() ([]float32, error) {
		b, err := f.read(f.from+name+".bias", tensor.Shape{s.out})
		return append(b, make([]float32, model.Pad4(s.out)-s.out)...), err
	}
}

func (f *nfnetFold) standardise(w, gain []float32, s convShape, factor float64) []float32 {
	area := s.kernel * s.kernel
	fan, in := s.in*area, model.Pad4(s.in)
	out := make([]float32, model.Pad4(s.out)*in*area)
	for o := range s.out {
		row := w[o*fan : (o+1)*fan]
		mean, variance := 0.0, 0.0
		for _, x := range row {
			mean += float64(x)
		}
		mean /= float64(fan)
		for _, x := range row {
			variance += (float64(x) - mean) * (float64(x) - mean)
		}
		variance /= float64(fan)
		scale := factor * float64(gain[o])
		if f.flavour == DeepMindFlavour {
			scale /= math.Sqrt(max(variance*float64(fan), 1e-4))
		} else {
			scale /= math.Sqrt(float64(fan)) * math.Sqrt(variance+1e-5)
		}
		for c := range s.in {
			for k := range area {
				out[(o*area+k)*in+c] = float32((float64(row[c*area+k]) - mean) * scale)
			}
		}
	}
	return out
}

// linear copies a squeeze-and-excitation layer, which timm stores as a 1×1 convolution.
func (f *nfnetFold) linear(runtime, name string, out, in int) {
	f.out[f.to+runtime+".weight"] = func() ([]float32, error) {
		return f.read(f.from+name+".weight", tensor.Shape{out, in, 1, 1})
	}
	f.out[f.to+runtime+".bias"] = func() ([]float32, error) {
		return f.read(f.from+name+".bias", tensor.Shape{out})
	}
}
