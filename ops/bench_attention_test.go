package ops

import (
	"fmt"

	"flamingo/gpu"
	"flamingo/tensor"
)

// attentionWorkload has t queries over a cache of the given number of keys; causal ones come last.
func attentionWorkload(t, keys int, o AttentionOptions) workload {
	o.Keys = keys
	kind := [...]string{"full", "causal", "media"}[o.Mode]
	return workload{
		name: fmt.Sprintf("%s/%dx%dx%d/%dx%d", kind, t, o.Heads, o.HeadDim, keys, o.KVHeads), op: &attention,
		mflop: 4e-6 * float64(t*keys*o.Heads*o.HeadDim),
		inputs: func(r *random) []tensor.Tensor {
			index := tensor.FromI32([]int32{int32(keys - t), 0, 0, 0}, StateLen)
			if o.Mode == Media {
				phi := make([]int32, t)
				for i := range phi {
					phi[i] = 1
				}
				index = tensor.FromI32(phi, t)
			}
			return []tensor.Tensor{r.normal(t, o.Heads*o.HeadDim), r.normal(keys, 2*o.KVHeads*o.HeadDim), index}
		},
		record: func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Attention(p, in[0], in[1], in[2], o) },
	}
}

func init() {
	heads := func(heads, kv, dim int, m Mode) AttentionOptions {
		return AttentionOptions{Heads: heads, KVHeads: kv, HeadDim: dim, Mode: m}
	}
	workloads = append(workloads,
		attentionWorkload(64, 256, heads(8, 8, 64, Full)),
		attentionWorkload(256, 256, heads(16, 16, 64, Full)),
		attentionWorkload(64, 320, heads(8, 8, 64, Full)), // the resampler on one image of 16x16 features
		attentionWorkload(16, 25, heads(4, 4, 32, Full)),  // and the built-in model's
		attentionWorkload(1, 512, heads(16, 16, 64, Causal)),
		attentionWorkload(1, 512, heads(16, 4, 64, Causal)),
		attentionWorkload(1, 2048, heads(16, 16, 128, Causal)),
		attentionWorkload(1, 32, heads(4, 4, 24, Causal)), // the built-in model's decode step
		attentionWorkload(1, 64, heads(8, 8, 64, Media)),
		attentionWorkload(128, 128, heads(16, 16, 128, Causal)),
		workload{
			name: "50432", op: &argmax, mflop: 0.05,
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.normal(50432), r.normal(50432), tensor.FromI32(make([]int32, StateLen), StateLen), tensor.New(tensor.I32, 16)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor {
				token := p.TensorOf(tensor.I32, 1)
				Argmax(p, in[0], in[1], token, in[3], in[2])
				return token
			},
		},
		workload{
			name: "40 of 50432", op: &topk, mflop: 0.05,
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(50432), r.normal(50432)} },
			record: func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor {
				_, ids := TopK(p, in[0], in[1], 40)
				return ids
			},
		},
		workload{
			name: "1920x1080 to 96x54", op: &resize, mflop: 0,
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.pixels(1920, 1080), ResizeTable(1920, 96), ResizeTable(1080, 54)}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Resize(p, in[0], in[1], in[2], 96, 54) },
		},
	)
}
