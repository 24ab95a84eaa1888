package model

import "flamingo/ops"

// Papers are the models of Alayrac et al. 2022, whose weights were never released: what they would
// cost can be known all the same. Layer counts are those that the published parameter counts imply;
// for the 9B the paper's table of layers (40, cross-attention before 10) contradicts its table of
// parameters (7.1 billion in the language model), which 32 and 8 fit.
var Papers = map[string]Config{
	"Flamingo-3B":  paper(2048, 24, 16, 1),
	"Flamingo-9B":  paper(4096, 32, 32, 4),
	"Flamingo-80B": paper(8192, 80, 64, 7),
}

func paper(dim, depth, heads, every int) Config {
	const features, visual = 3072, 1536
	return Config{
		Vision: VisionConfig{Family: "nfnet", Activation: ops.GELUTanh, NFNetConfig: NFNetConfig{Variant: "F6"}},
		Preprocess: Preprocess{
			Size: 320, Fit: FitPad,
			Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
		},
		Resampler: ResamplerConfig{
			InputDim: features, Dim: visual, Depth: 6, Heads: 16, HeadDim: 128, Latents: 64, Hidden: 4 * visual,
			Activation: ops.SquaredReLU, Frames: 8,
		},
		XAttn: XAttnConfig{
			Every: every, Placement: PlacePaper, Heads: heads, HeadDim: 128, Hidden: 4 * dim,
			Activation: ops.SquaredReLU, NormMedia: true,
		},
		LM: LMConfig{
			Family: "chinchilla", Dim: dim, Depth: depth, Heads: heads, Hidden: 4 * dim,
			Vocab: 32002, MaxPositions: 2048, // 32,000 and <EOC>; <image> is text there and a token here
		},
		Tokens:  Tokens{BOS: 1, EOS: 2, Pad: -1, EndOfChunk: 32000, Image: 32001},
		Prompts: map[string]string{"caption": "<image>Output:"},
	}
}
