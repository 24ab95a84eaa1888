package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"flamingo/tensor"
)

// packed is a safetensors file with the given header and n bytes of data.
func packed(header string, n int) []byte {
	p := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(p, header...), make([]byte, n)...)
}

func openBytes(p []byte) (*Safetensors, error) {
	return OpenSafetensors(bytes.NewReader(p), int64(len(p)))
}

func TestSafetensorsDTypes(t *testing.T) {
	file := packed(`{"__metadata__":{"format":"pt"},
"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"f":{"dtype":"F32","shape":[],"data_offsets":[8,12]},
"h":{"dtype":"F16","shape":[1,2],"data_offsets":[12,16]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},
"none":{"dtype":"F32","shape":[0,7],"data_offsets":[20,20]},
"i":{"dtype":"I64","shape":[1],"data_offsets":[20,28]},"t":{"dtype":"BOOL","shape":[3],"data_offsets":[28,31]}}  `, 0)
	file = binary.LittleEndian.AppendUint64(file, 0xC000000000000000) // -2
	file = binary.LittleEndian.AppendUint32(file, 0x3FC00000)         // 1.5
	file = append(file, 0x00, 0x3C, 0x00, 0xC1)                       // 1, -2.5
	file = append(file, 0x80, 0x3F, 0x20, 0xC1)                       // 1, -10
	file = append(file, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1)
	s, err := openBytes(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float32{"d": {-2}, "f": {1.5}, "h": {1, -2.5}, "b": {1, -10}, "none": {}} {
		if got, err := s.ReadFloats(name); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	if got, err := s.Read("t"); err != nil || !bytes.Equal(got, []byte{1, 0, 1}) {
		t.Errorf("t: %v, %v", got, err)
	}
	if _, err := s.ReadFloats("i"); err == nil || !strings.Contains(err.Error(), "I64") {
		t.Errorf("integers as fractions: %v", err)
	}
	if _, err := s.Read("x"); err == nil {
		t.Error("a tensor that is not there was read")
	}
	if s.Metadata["format"] != "pt" || len(s.Entries) != 7 {
		t.Errorf("%+v", s)
	}
}

func TestHostileSafetensors(t *testing.T) {
	const good = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}}`
	if _, err := openBytes(packed(good, 12)); err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		change string
		data   int
		want   string
	}{
		{"x -> x", 11, "cover 12 bytes, want 11"},
		{"x -> x", 13, "cover 12 bytes, want 13"},
		{`"b": -> "a":`, 12, `"a" appears twice`},
		{`"dtype":"F32" -> "dtype":"F32","dtype":"F32"`, 12, `"dtype" appears twice`},
		{`"F32" -> "F33"`, 12, "dtype"},
		{`"F32" -> "f32"`, 12, "dtype"},
		{`"F32" -> null`, 12, "got null"},
		{`"dtype":"F32", -> `, 12, "dtype"},
		{`"shape":[2], -> `, 12, "want a shape"},
		{`[2] -> [3]`, 12, "want 12 bytes for F32 of [3]"},
		{`[2] -> [-2]`, 12, "shape"},
		{`[2] -> [2.0]`, 12, "shape"},
		{`[2] -> [4294967296,4294967296,4294967296]`, 12, "2^53"},
		{`[2] -> [9223372036854775807,9223372036854775807]`, 12, "2^53"},
		{`[2] -> null`, 12, "shape"},
		{`[0,8] -> [0]`, 12, "two data_offsets"},
		{`[0,8] -> [0,8,9]`, 12, "two data_offsets"},
		{`[0,8] -> [8,0]`, 12, "data_offsets"},
		{`[0,8] -> [-8,0]`, 12, "data_offsets"},
		{`[0,8] -> [0,18446744073709551624]`, 12, "data_offsets"},
		{`[0,8] -> [4,12]`, 12, "starts at 4, want 0"},
		{`[8,12] -> [9,13]`, 13, "starts at 9, want 8"},
		{`[8,12] -> [4,8]`, 12, "starts at 4, want 8"},
		{`[8,12] -> [0,4]`, 12, "starts at 0, want 4"},
		{`"shape":[4] -> "shape":[4],"offset":1`, 12, `unknown field "offset"`},
		{`"b": -> "__metadata__":`, 8, "__metadata__"},
		{`{"a" -> {"__metadata__":{"k":1},"a"`, 12, "__metadata__.k"},
		{`{"a" -> {"__metadata__":{"k":"1","k":"2"},"a"`, 12, `"k" appears twice`},
		{`{"a" -> [{"a"`, 12, "does not start with {"},
		{`{"a" ->  {"a"`, 12, "does not start with {"},
		{`]}} -> ]}}x`, 12, "more data"},
		{`]}} -> ]}`, 12, "too early"},
	}
	for _, row := range rows {
		old, changed, _ := strings.Cut(row.change, " -> ")
		_, err := openBytes(packed(strings.Replace(good, old, changed, 1), row.data))
		if !errors.Is(err, ErrManifest) || !strings.Contains(fmt.Sprint(err), row.want) {
			t.Errorf("%s with %d bytes:\n got %v\nwant %q", row.change, row.data, err, row.want)
		}
	}
	for _, file := range [][]byte{nil, {1}, make([]byte, 8), packed("", 0), {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{'},
		{0, 0, 0, 0, 0, 0, 0, 0x80, '{'}, {2, 0, 0, 0, 0, 0, 0, 0, '{'}, append(binary.LittleEndian.AppendUint64(nil, maxHeader+1), make([]byte, 100)...)} {
		if _, err := openBytes(file); !errors.Is(err, ErrManifest) {
			t.Errorf("% x: got %v", file[:min(len(file), 9)], err)
		}
	}
}

func TestSafetensorsHeaderIsAligned(t *testing.T) {
	for n := range 9 {
		name := strings.Repeat("é", n) + `"\`
		header, err := safetensorsHeader([]SafetensorsEntry{{name, "F32", tensor.Shape{1}, 0, 4}, {"s", "U8", nil, 4, 1}})
		if err != nil || len(header)%8 != 0 {
			t.Fatalf("%d bytes, %v; want a multiple of 8", len(header), err)
		}
		s, err := openBytes(append(header, 1, 2, 3, 4, 5))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := s.Read(name); err != nil || !bytes.Equal(p, []byte{1, 2, 3, 4}) {
			t.Errorf("%q: %v, %v", name, p, err)
		}
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(packed(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8))
	f.Add(packed(`{"__metadata__":{"k":"v"},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[0],"data_offsets":[2,2]}}`, 2))
	f.Add(packed(`{}`, 0))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := openBytes(file)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Errorf("%v is not an ErrManifest", err)
			}
			return
		}
		var n int
		for _, e := range s.Entries {
			p, err := s.Read(e.Name)
			if err != nil {
				t.Error(err)
			}
			n += len(p)
			if _, err := s.ReadFloats(e.Name); err != nil && slices.Contains([]string{"F32", "F16", "BF16", "F64"}, e.DType) {
				t.Error(err)
			}
		}
		if header := int(binary.LittleEndian.Uint64(file)); n != len(file)-8-header {
			t.Errorf("the tensors have %d bytes of %d", n, len(file)-8-header)
		}
	})
}
