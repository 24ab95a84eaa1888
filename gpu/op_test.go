package gpu

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestUniformBytes encodes params as encoding/binary would, padded to 16 bytes.
func TestUniformBytes(t *testing.T) {
	type inner struct{ A, B int32 }
	for _, c := range []any{
		nil,
		struct{ N uint32 }{7},
		struct {
			N uint32
			inner
			F    float32
			List [3]uint32
			I    int32
		}{1, inner{-2, math.MinInt32}, -0.5, [3]uint32{1, 2, math.MaxUint32}, -1},
	} {
		var want []byte
		if c != nil {
			want, _ = binary.Append(nil, binary.LittleEndian, c)
		}
		for len(want) == 0 || len(want)%16 != 0 {
			want = append(want, 0)
		}
		got, err := Call{Params: c}.UniformBytes()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v: %v, %v, want %v", c, got, err, want)
		}
	}
	if _, err := (Call{Params: struct{ X int64 }{1}}).UniformBytes(); err == nil || !strings.Contains(err.Error(), "int64") {
		t.Errorf("a field of 64 bits: %v", err)
	}
}
