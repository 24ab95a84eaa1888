package ops

import (
	"fmt"
	"math"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, c := range []struct {
		rows, v int
		name    string
		change  func(x []float32)
	}{
		{1, 1, "", nil},
		{33, 1, "", nil},
		{3, 63, "", nil},
		{33, 257, "", nil},
		{2, 50280, "", nil},
		{3, 65, "of equal logits", func(x []float32) { clear(x) }},
		{2, 300, "of large logits", func(x []float32) {
			for i := range x {
				x[i] *= 1000
			}
		}},
		{2, 300, "of forbidden logits but one", func(x []float32) {
			for i := range x {
				x[i] = Impossible
			}
			x[7] = 3
		}},
	} {
		inputs := func(r *random) []tensor.Tensor {
			x, ids := r.normal(c.rows, c.v).F32(), r.ints(c.v, c.rows).I32()
			if c.change != nil {
				c.change(x)
			}
			ids[c.rows-1] = int32(c.v - 1)
			return []tensor.Tensor{tensor.FromF32(x, c.rows, c.v), tensor.FromI32(ids, c.rows)}
		}
		name := fmt.Sprintf("%d×%d %s", c.rows, c.v, c.name)
		addRows(row{
			op: &logSumExp, name: name, inputs: inputs,
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{LogSumExp(p, in[0])} },
		}, row{
			op: &logProbs, name: name, inputs: inputs,
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{LogProbs(p, in[0], in[1])} },
		})
	}
	// In a row of its own, since nothing else counts beside -1e30.
	addRows(row{
		op: &logProbs, name: "ids outside",
		inputs: func(r *random) []tensor.Tensor {
			return []tensor.Tensor{r.normal(4, 65), tensor.FromI32([]int32{65, -1, math.MinInt32, math.MaxInt32}, 4)}
		},
		record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor { return []gpu.Tensor{LogProbs(p, in[0], in[1])} },
	})
}

func TestLogProbsByHand(t *testing.T) {
	// Probabilities ¼, ½, ¼, then 1 of 2 with logits that overflow the exponential.
	ln2 := float32(math.Ln2)
	logits := tensor.FromF32([]float32{0, ln2, 0, 1000, 1000, -1000}, 2, 3)
	close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return LogSumExp(p, in[0]) }, logits),
		2*math.Ln2, float64(float32(1000+math.Ln2)))
	for _, c := range []struct {
		ids  []int32
		want []float64
	}{
		{[]int32{0, 0}, []float64{-2 * math.Ln2, -math.Ln2}},
		{[]int32{1, 2}, []float64{-math.Ln2, float64(float32(-2000 - math.Ln2))}},
		{[]int32{2, 3}, []float64{-2 * math.Ln2, Impossible}},
		{[]int32{-1, 1}, []float64{Impossible, -math.Ln2}},
	} {
		close32(t, run(t, func(p *gpu.Pass, in []gpu.Tensor) gpu.Tensor { return LogProbs(p, in[0], in[1]) },
			logits, tensor.FromI32(c.ids, 2)), c.want...)
	}
}

// The probabilities of a row sum to one.
func TestLogProbsSumToOne(t *testing.T) {
	const v = 300
	one := (&random{newRand(3)}).normal(v).F32()
	var logits []float32
	ids := make([]int32, v)
	for i := range v {
		logits, ids[i] = append(logits, one...), int32(i)
	}
	c := row{op: &logProbs, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		return []gpu.Tensor{LogProbs(p, in[0], in[1])}
	}}
	total := 0.0
	for _, y := range c.execute(t, device, []tensor.Tensor{tensor.FromF32(logits, v, v), tensor.FromI32(ids, v)})[0].F32() {
		total += math.Exp(float64(y))
	}
	if math.Abs(total-1) > 1e-5 {
		t.Errorf("the sum is %v", total)
	}
}

func TestLogProbsRefuses(t *testing.T) {
	d := gpu.NewCPU()
	x, _ := gpu.Alloc(d, "test", tensor.F32, 4, 3)
	none, _ := gpu.Alloc(d, "test", tensor.F32, 4, 0)
	ids, _ := gpu.Alloc(d, "test", tensor.I32, 4)
	floats, _ := gpu.Alloc(d, "test", tensor.F32, 4)
	recordError(t, "log_sum_exp: logits is [4]", func(p *gpu.Pass) { LogSumExp(p, floats) })
	recordError(t, "logits is i32", func(p *gpu.Pass) { LogSumExp(p, ids.Reshape(2, 2)) })
	recordError(t, "at least one column", func(p *gpu.Pass) { LogProbs(p, none, ids) })
	recordError(t, "ids is [4], want [2]", func(p *gpu.Pass) { LogProbs(p, x.Reshape(2, 6), ids) })
	recordError(t, "ids are f32", func(p *gpu.Pass) { LogProbs(p, x, floats) })
}
