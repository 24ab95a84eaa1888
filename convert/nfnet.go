package convert

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"flamingo/model"
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
	from    part
	flavour Flavour
	to      rules
}

// foldNFNet gives a rule for every runtime tensor of the encoder. What is folded, all of it exact:
// standardisation and gain into each kernel; the activation's γ into the kernel that follows it,
// since conv(γ·a) = γ·conv(a); β of a block's input likewise; 2·α·skip gain into one scalar.
func foldNFNet(from part, config model.NFNetConfig, flavour Flavour, to rules) {
	f := nfnetFold{from, flavour, to}
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
		gain := from.tensor(n + "skipinit_gain")
		to["vision."+n+"scale"] = gain.scaled(2 * model.Alpha)
	}
	if config.Features > 0 {
		f.conv("final", "final_conv", convShape{config.Features, config.Widths[3], 1}, 1)
	}
}

// scaled is every value times a factor.
func (v values) scaled(factor float64) values {
	return values{v.len, func(from, to int) ([]float32, error) {
		x, err := v.read(from, to)
		for i := range x {
			x[i] = float32(factor * float64(x[i]))
		}
		return x, err
	}}
}

type convShape struct{ out, in, kernel int } // in: channels of one group

func (f nfnetFold) conv(runtime, name string, s convShape, factor float64) {
	area := s.kernel * s.kernel
	w := f.from.tensor(name+".weight", s.out, s.in, s.kernel, s.kernel)
	gain := f.from.tensor(name+".gain", s.out, 1, 1, 1)
	f.to["vision."+runtime+".weight"] = w.kernels(s.out, s.in, area, func(o int, kernel []float32) error {
		g, err := gain.read(o, o+1)
		if err == nil {
			f.flavour.standardise(kernel, factor*float64(g[0]))
		}
		return err
	})
	bias := f.from.tensor(name+".bias", s.out)
	f.to["vision."+runtime+".bias"] = stack(bias, zeros(model.Pad4(s.out)-s.out))
}

// standardise gives a kernel mean zero and a size by its fan-in, times a factor.
func (f Flavour) standardise(kernel []float32, factor float64) {
	mean, variance, fan := 0.0, 0.0, float64(len(kernel))
	for _, x := range kernel {
		mean += float64(x)
	}
	mean /= fan
	for _, x := range kernel {
		variance += (float64(x) - mean) * (float64(x) - mean)
	}
	variance /= fan
	if f == DeepMindFlavour {
		factor /= math.Sqrt(max(variance*fan, 1e-4))
	} else {
		factor /= math.Sqrt(fan) * math.Sqrt(variance+1e-5)
	}
	for i, x := range kernel {
		kernel[i] = float32((float64(x) - mean) * factor)
	}
}

// linear copies a squeeze-and-excitation layer, which timm stores as a 1×1 convolution.
func (f nfnetFold) linear(runtime, name string, out, in int) {
	f.to["vision."+runtime+".weight"] = f.from.tensor(name+".weight", out, in, 1, 1)
	f.to["vision."+runtime+".bias"] = f.from.tensor(name+".bias", out)
}

// ParseNFNet reads what an NFNet looks like: a variant from F0 to F6, also as timm's dm_nfnet_f0, or
// JSON with channels, depths, group_size, stem_channels and num_features. final is whether the
// features are those of the final convolution or of the last stage. Errors wrap ErrCheckpoint.
func ParseNFNet(text []byte, final bool) (model.NFNetConfig, error) {
	var c model.NFNetConfig
	var err error
	if name := strings.TrimSpace(string(text)); strings.HasPrefix(name, "{") {
		c, err = parseNFNetJSON(text)
	} else {
		c.Variant, err = nfnetVariant(name)
	}
	c.NoFinal = !final
	if err != nil {
		return c, fmt.Errorf("%w: the NFNet's configuration: %w", ErrCheckpoint, err)
	}
	return c, nil
}

// nfnetVariant gives F0 to F6 for the names of those.
func nfnetVariant(name string) (string, error) {
	lower := strings.ToLower(name)
	n, found := strings.CutPrefix(strings.TrimPrefix(lower, "dm_nfnet_"), "f")
	if found && isVariant(n) {
		return "F" + n, nil
	}
	if n, found := strings.CutPrefix(lower, "nfnet_f"); found && isVariant(n) {
		return "", fmt.Errorf("%q is timm's own variant, which pads and scales differently from DeepMind's and has no skip gains; want dm_%s", name, lower)
	}
	return "", fmt.Errorf("got %.40q, want F0 to F6, dm_nfnet_f0 to dm_nfnet_f6, or JSON", name)
}

func isVariant(n string) bool { return len(n) == 1 && n >= "0" && n <= "6" }

// nfnetJSON is the configuration of an NFNet that has no name.
type nfnetJSON struct {
	Architecture string   `json:"architecture"` // for people
	Channels     []int    `json:"channels"`
	Depths       []int    `json:"depths"`
	GroupSize    int      `json:"group_size"`
	Stem         int      `json:"stem_channels"` // of the last of its convolutions
	Features     int      `json:"num_features"`
	Bottleneck   *float64 `json:"bottle_ratio"`
	SE           *float64 `json:"se_ratio"`
	Alpha        *float64 `json:"alpha"`
	Parameters   int      `json:"parameters"` // for people
}

func parseNFNetJSON(text []byte) (c model.NFNetConfig, err error) {
	var j nfnetJSON
	if err := decodeStrict(text, &j); err != nil {
		return c, err
	}
	var errs []error
	for _, fixed := range []struct {
		name string
		got  *float64
		want float64
	}{{"bottle_ratio", j.Bottleneck, 0.5}, {"se_ratio", j.SE, 0.5}, {"alpha", j.Alpha, model.Alpha}} {
		if fixed.got != nil && *fixed.got != fixed.want {
			errs = append(errs, fmt.Errorf("%s is %g, which is not supported; want %g", fixed.name, *fixed.got, fixed.want))
		}
	}
	for _, stages := range []struct {
		name string
		got  []int
		to   *[4]int
	}{{"channels", j.Channels, &c.Widths}, {"depths", j.Depths, &c.Depths}} {
		if copy(stages.to[:], stages.got); len(stages.got) != len(stages.to) {
			errs = append(errs, fmt.Errorf("%s has %d numbers, want one for each of %d stages", stages.name, len(stages.got), len(stages.to)))
		}
	}
	if j.Stem < 8 || j.Stem%8 != 0 {
		errs = append(errs, fmt.Errorf("stem_channels is %d, want a multiple of 8: its convolutions have an eighth, a quarter, half and all of them", j.Stem))
	}
	c.GroupWidth, c.Features = j.GroupSize, j.Features
	c.Stem = [4]int{j.Stem / 8, j.Stem / 4, j.Stem / 2, j.Stem}
	return c, errors.Join(errs...)
}
