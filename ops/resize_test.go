package ops

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"flamingo/gpu"
	"flamingo/tensor"
)

func init() {
	for _, s := range [][4]int{
		{1, 1, 3, 65}, {7, 5, 96, 69}, {257, 63, 65, 16}, {63, 257, 3, 9}, {640, 480, 96, 72}, {64, 64, 64, 64},
		{2, 3100, 1400, 2}, // more workgroups than one axis holds
	} {
		addRows(row{
			op: &resize, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor {
				return []tensor.Tensor{r.pixels(s[0], s[1]), ResizeTable(s[0], s[2]), ResizeTable(s[1], s[3])}
			},
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{Resize(p, in[0], in[1], in[2], s[2], s[3])}
			},
		})
	}
	for _, s := range [][5]int{{1, 1, 1, 0, 0}, {96, 63, 96, 0, 16}, {96, 65, 65, -16, 0}, {3, 5, 63, 30, 60}, {9, 7, 5, -2, -1}, {4, 4, 6, -8, 1}} {
		addRows(row{
			op: &normalise, name: fmt.Sprint(s),
			inputs: func(r *random) []tensor.Tensor { return []tensor.Tensor{r.pixels(s[0], s[1])} },
			record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
				return []gpu.Tensor{Normalise(p, in[0], s[2], s[3], s[4], [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225})}
			},
		})
	}
}

// pixels are w·h random RGBA pixels, half of their channels at an end of the range, where a bicubic
// filter overshoots.
func (r *random) pixels(w, h int) tensor.Tensor {
	t := tensor.New(tensor.I32, h, w)
	for i := range t.Data {
		t.Data[i] = byte(min(max(r.IntN(512)-128, 0), 255))
	}
	return t
}

// lcgPixels are the pictures behind testdata/resize/pil.json, which names only their sizes.
func lcgPixels(w, h int) tensor.Tensor {
	t := tensor.New(tensor.I32, h, w)
	x := uint32(w*65537 + h)
	for i := range w * h {
		for c := range 3 {
			x = x*1664525 + 1013904223
			v := byte(x >> 24)
			if v < 64 {
				v = 0
			} else if v >= 192 {
				v = 255
			}
			t.Data[4*i+c] = v
		}
		t.Data[4*i+3] = 255
	}
	return t
}

func TestResizeIsPIL(t *testing.T) {
	text, err := os.ReadFile("../testdata/resize/pil.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			From, To [2]int
			RGB      []byte
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		want := c.RGB
		if len(want) != 3*c.To[0]*c.To[1] {
			t.Fatalf("%v to %v: %d bytes", c.From, c.To, len(want))
		}
		got := resized(t, lcgPixels(c.From[0], c.From[1]), c.From, c.To)
		for i := range c.To[0] * c.To[1] {
			pixel := [4]byte(got.Data[4*i:])
			if pixel != [4]byte{want[3*i], want[3*i+1], want[3*i+2], 255} {
				t.Errorf("%v to %v: pixel %d is %v, want %v and 255", c.From, c.To, i, pixel, want[3*i:3*i+3])
				break
			}
		}
	}
}

func resized(t *testing.T, image tensor.Tensor, from, to [2]int) tensor.Tensor {
	t.Helper()
	c := row{op: &resize, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		return []gpu.Tensor{Resize(p, in[0], in[1], in[2], to[0], to[1])}
	}}
	return c.execute(t, device, []tensor.Tensor{image, ResizeTable(from[0], to[0]), ResizeTable(from[1], to[1])})[0]
}

func TestNormaliseByHand(t *testing.T) {
	image := tensor.FromI32([]int32{0x00ff_0033, 0x7f33_00ff}, 1, 2)
	c := row{op: &normalise, record: func(p *gpu.Pass, in []gpu.Tensor) []gpu.Tensor {
		mean, std := [3]float32{0, 0.5, 1}, [3]float32{0.5, 1, 0.25}
		return []gpu.Tensor{Normalise(p, in[0], 2, 0, 1, mean, std), Normalise(p, in[0], 1, -1, 0, mean, std)}
	}}
	out := c.execute(t, device, []tensor.Tensor{image})
	near(t, "placed", out[0].F32(), []float32{0, 0, 0, 0, 0, 0, 0, 0, 0.4, -0.5, 0, 0, 2, -0.5, -3.2, 0}, 1e-6)
	near(t, "cropped", out[1].F32(), []float32{2, -0.5, -3.2, 0}, 1e-6)
}
