package ops

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"flamingo/gpu"
	"flamingo/tensor"
)

// A workload is one op at a size that models have.
type workload struct {
	name   string
	op     *gpu.Op
	mflop  float64 // multiplications and additions
	inputs func(r *random) []tensor.Tensor
	record func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor
}

func matmulWorkload(m, n, k int, d tensor.DType) workload {
	op := &matmul
	if m <= matvecRows {
		op = &matvec
	}
	return workload{
		name: fmt.Sprintf("%v/%dx%dx%d", d, m, n, k), op: op, mflop: 2e-6 * float64(m*n*k),
		inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.normal(m, k), r.weights(d, n, k)} },
		record: func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Matmul(p, in[0], in[1], Epilogue{}) },
	}
}

func convWorkload(h, w, c, out int, d tensor.DType, o Conv) workload {
	k := o.Kernel * o.Kernel * c / o.Groups
	return workload{
		name: fmt.Sprintf("%v/%dx%dx%d-%d/g%d/s%d", d, h, w, c, out, o.Groups, o.Stride), op: &conv2D,
		mflop: 2e-6 * float64(ceilDiv(h, o.Stride)*ceilDiv(w, o.Stride)*out*k),
		inputs: func(r *random) []tensor.Tensor {
			return []tensor.Tensor{r.normal(h, w, c), r.weights(d, out, k), r.normal(out)}
		},
		record: func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return Conv2D(p, in[0], in[1], in[2], o) },
	}
}

var workloads = []workload{
	matmulWorkload(512, 512, 512, tensor.F32),
	matmulWorkload(512, 512, 512, tensor.F16),
	matmulWorkload(576, 64, 32, tensor.F16), // the built-in model's 1x1 convolutions
	matmulWorkload(36, 192, 96, tensor.F16),
	matmulWorkload(64, 2048, 2048, tensor.Q4),
	matmulWorkload(1, 384, 96, tensor.F16),
	matmulWorkload(1, 96, 384, tensor.F16),
	matmulWorkload(1, 2048, 2048, tensor.F16),
	matmulWorkload(1, 2048, 2048, tensor.Q8),
	matmulWorkload(1, 2048, 2048, tensor.Q4),
	matmulWorkload(1, 8192, 2048, tensor.Q4),
	matmulWorkload(4, 2048, 2048, tensor.Q4),
	convWorkload(32, 32, 512, 512, tensor.F32, Conv{Kernel: 3, Stride: 1, Groups: 4}),
	convWorkload(160, 160, 16, 32, tensor.F32, Conv{Kernel: 3, Stride: 1, Groups: 1}),
	convWorkload(96, 96, 4, 4, tensor.F16, Conv{Kernel: 3, Stride: 2, Groups: 1}),
	convWorkload(24, 24, 32, 32, tensor.F16, Conv{Kernel: 3, Stride: 1, Groups: 1}),
	convWorkload(12, 12, 64, 64, tensor.F16, Conv{Kernel: 3, Stride: 1, Groups: 2}),
	convWorkload(3, 3, 96, 96, tensor.F16, Conv{Kernel: 3, Stride: 1, Groups: 3}),
}

// BenchmarkOps times each kernel that the device under test offers, without reading results back.
// compile-ms includes the first run, when drivers may compile late.
func BenchmarkOps(b *testing.B) {
	for _, w := range workloads {
		eachKernel(w.op, func(kernel string) {
			b.Run(kernel+"/"+w.name, func(b *testing.B) { w.bench(b) })
		})
	}
}

func (w *workload) bench(b *testing.B) {
	ctx := context.Background()
	var in []gpu.Tensor
	var bytes float64
	for _, v := range w.inputs(&random{rand.New(rand.NewPCG(1, 1))}) {
		x, err := gpu.Upload(device, w.name, v)
		if err != nil {
			b.Fatal(err)
		}
		defer x.Free(device)
		in = append(in, x)
		bytes += float64(len(v.Data))
	}
	start := time.Now()
	p := gpu.NewPass(device)
	y := w.record(p, in)
	p.Keep(y)
	plan, err := p.Compile(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer plan.Release()
	y = plan.Tensor(y)
	run := func(times int) {
		for ; times > 0; times -= 8 {
			if err := plan.Submit(min(times, 8)); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := y.Read(ctx, device); err != nil { // waits for all of it
			b.Fatal(err)
		}
	}
	run(1)
	compile := time.Since(start)
	b.ResetTimer()
	run(b.N)
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(w.mflop/1e3/seconds, "GFLOP/s")
	b.ReportMetric(bytes/1e9/seconds, "GB/s")
	if b.N == 1 { // later rounds find the pipeline made
		compiles[b.Name()] = compile
	}
	b.ReportMetric(float64(compiles[b.Name()].Milliseconds()), "compile-ms")
}

var compiles = map[string]time.Duration{}
