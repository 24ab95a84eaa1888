package ops

import (
	"math"

	"flamingo/gpu"
	"flamingo/tensor"
)

var (
	logSumExp = gpu.Op{
		Name: "log_sum_exp",
		In:   []string{"logits"},
		Out:  []string{"y"},
		CPU:  logSumExpCPU,
	}
	logProbs = gpu.Op{
		Name: "log_probs",
		In:   []string{"logits", "ids"},
		Out:  []string{"y"},
		CPU:  logProbsCPU,
	}
)

// Impossible is the logarithm of a probability of zero, and the bias that forbids a token: far below
// any other, and unlike an infinity every driver calculates with it.
const Impossible = -1e30

type logProbsParams struct{ V uint32 }

// LogSumExp returns log Σ exp over each row of logits [R, V], f32, as [R]. Logits are finite.
func LogSumExp(p *gpu.Pass, logits gpu.Tensor) gpu.Tensor {
	return runLogits(p, &logSumExp, logits)
}

// LogProbs returns the logarithm of the probability that row r of logits [R, V], f32, gives to id r
// of ids, i32 [R], as [R]: logits[r, ids[r]] − log Σ exp. An id outside of the vocabulary is
// Impossible. Logits are finite.
func LogProbs(p *gpu.Pass, logits, ids gpu.Tensor) gpu.Tensor {
	p.Want(&logProbs, 1, ids, logits.Dim(0))
	if ids.DType != tensor.I32 {
		p.Fail(&logProbs, "ids are %v, want i32", ids.DType)
	}
	return runLogits(p, &logProbs, logits, ids)
}

// runLogits records an op with one result for each row of logits.
func runLogits(p *gpu.Pass, op *gpu.Op, logits gpu.Tensor, more ...gpu.Tensor) gpu.Tensor {
	p.Want(op, 0, logits, -1, -1)
	wantF32(p, op, 0, logits)
	rows, v := logits.Rows(), logits.Dim(-1)
	if v < 1 {
		p.Fail(op, "logits are %v, want at least one column", logits.Shape)
	}
	y := p.Tensor(rows)
	p.Run(op, gpu.Call{
		Consts: gpu.Consts{"WG": 256},
		Params: logProbsParams{uint32(v)},
		Groups: [3]int{rows},
	}, append(append([]gpu.Tensor{logits}, more...), y)...)
	return y
}

func logSumExpCPU(r *gpu.Run) {
	y, v := r.F32(1), int(r.Params.(logProbsParams).V)
	gpu.Parallel(len(y), func(row int) {
		most, sum := sumExp(r.F32(0)[row*v:][:v])
		y[row] = float32(most + math.Log(sum))
	})
}

func logProbsCPU(r *gpu.Run) {
	y, v := r.F32(2), int(r.Params.(logProbsParams).V)
	gpu.Parallel(len(y), func(row int) {
		id := int(r.I32(1)[row])
		if id < 0 || id >= v {
			y[row] = Impossible
			return
		}
		logits := r.F32(0)[row*v:][:v]
		most, sum := sumExp(logits)
		y[row] = float32(float64(logits[id]) - most - math.Log(sum))
	})
}

// sumExp returns the largest of x and Σ exp(x−largest), which does not overflow.
func sumExp(x []float32) (most, sum float64) {
	most = math.Inf(-1)
	for _, v := range x {
		most = max(most, float64(v))
	}
	for _, v := range x {
		sum += math.Exp(float64(v) - most)
	}
	return most, sum
}
