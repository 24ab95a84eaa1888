// Package ops holds the operations that models are made of: for each one its shape rule, its
// dispatch and its CPU twin. The kernel stands in shaders/ under the op's name. Ops are functions
// on a pass; they know no layers and no weights' names.
package ops

import "fmt"

// An Activation is applied elementwise, mostly as the epilogue of another op. The numbers are
// those of shaders/lib/activation.wgsl.
type Activation uint32

const (
	Identity    Activation = iota
	GELU                   // x·Φ(x)
	GELUTanh               // its tanh approximation
	QuickGELU              // x·σ(1.702x)
	SquaredReLU            // max(x,0)²
	SiLU                   // x·σ(x)
	ReLU
	Sigmoid
)

var activationNames = [...]string{"identity", "gelu", "gelu_tanh", "quick_gelu", "squared_relu", "silu", "relu", "sigmoid"}

func (a Activation) String() string { return activationNames[a] }

// MarshalText and UnmarshalText let an Activation stand in a configuration under its name.
func (a Activation) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func (a *Activation) UnmarshalText(b []byte) error {
	for i, name := range activationNames {
		if name == string(b) {
			*a = Activation(i)
			return nil
		}
	}
	return fmt.Errorf("ops: activation %q is not known, want one of %v", b, activationNames)
}
