package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"syscall/js"
	"time"

	"flamingo/gpu/webgpu"
	"flamingo/model"
	"flamingo/tensor"
)

// A request is what generate and score are asked, without their options: a task of the model's, or
// parts of an interleaved prompt. Everything names media by their index.
type request struct {
	Media []struct {
		Key    string
		Frames int
	}
	Task     string // "caption", "ask", "classify", or "" for parts
	Query    int    // the media that are asked about
	Queries  []int  // in a batch, in place of Query
	Question string
	Prompt   words
	Shots    []struct {
		Media          *int // absent for words alone
		Question, Text string
	}
	Parts []passage
}

// words are a text, or a whole prompt as token ids.
type words struct {
	text string
	ids  []int32
}

// UnmarshalJSON is part of json.Unmarshaler.
func (w *words) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &w.text)
	}
	return json.Unmarshal(data, &w.ids)
}

// A passage is a part as it is written: a string, or an object.
type passage struct {
	text string
	object
}

type object struct {
	Media *int
	IDs   []int32
	Ended bool
}

// UnmarshalJSON is part of json.Unmarshaler.
func (p *passage) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &p.text)
	}
	return json.Unmarshal(data, &p.object)
}

// A job is a call that runs a prompt.
type job struct {
	call
	*loaded
	prompt   model.Prompt
	logProbs bool          // are wanted
	waited   time.Duration // for frames from JavaScript
}

// media are a request's, whose frames JavaScript has.
func (j *job) media(q *request) (list []model.Media) {
	for i, x := range q.Media {
		list = append(list, model.Media{Key: x.Key, Count: x.Frames, Frames: j.frames(i, x.Frames)})
	}
	return list
}

// promptOf is the model's prompt for a request.
func (j *job) promptOf(q *request) (model.Prompt, error) {
	media := j.media(q)
	var wrong error
	at := func(i int) model.Media {
		if i < 0 || i >= len(media) {
			wrong = fmt.Errorf("%w: %s: media %d of %d", model.ErrOption, j.name, i, len(media))
			return model.Media{}
		}
		return media[i]
	}
	if q.Task == "" {
		var parts []part
		for _, x := range q.Parts {
			p := part{text: x.text, ids: x.IDs, ended: x.Ended}
			if x.Media != nil {
				picture := at(*x.Media)
				p.media = &picture
			}
			parts = append(parts, p)
		}
		if wrong != nil {
			return model.Prompt{}, wrong
		}
		return interleave(j.Model, parts)
	}
	o := model.CaptionOptions{Task: q.Task, Question: q.Question, Prompt: q.Prompt.text, IDs: q.Prompt.ids}
	for _, s := range q.Shots {
		shot := model.Shot{Question: s.Question, Text: s.Text}
		if s.Media != nil {
			shot.Media = at(*s.Media)
		}
		o.Shots = append(o.Shots, shot)
	}
	x := at(q.Query)
	if wrong != nil {
		return model.Prompt{}, wrong
	}
	return j.Model.PromptOf(x, o)
}

// frames asks JavaScript for the frames of media one by one, each when the one before it is on its
// way through the encoder; for media that are not encoded again it asks for none.
func (j *job) frames(media, count int) iter.Seq2[model.Image, error] {
	return func(yield func(model.Image, error) bool) {
		for i := range count {
			img, err := j.frame(media, i)
			if !yield(img, err) || err != nil {
				return
			}
		}
	}
}

func (j *job) frame(media, i int) (img model.Image, err error) {
	began := time.Now()
	v, err := webgpu.Await(j.ctx, j.hooks().Call("onFrame", encode(struct {
		Media int `json:"media"`
		Frame int `json:"frame"`
	}{media, i})))
	if j.waited += time.Since(began); err != nil {
		return img, err
	}
	if v.Type() != js.TypeObject || v.Get("data").Type() != js.TypeObject {
		return img, fmt.Errorf("%w: %s: frame %d of media %d is not {data, width, height}", model.ErrOption, j.name, i, media)
	}
	return model.Image{Width: v.Get("width").Int(), Height: v.Get("height").Int(), Pixels: pixels{v.Get("data")}}, nil
}

// pixels are bytes of a picture in JavaScript. They reach the GPU without passing through Go.
type pixels struct{ array js.Value }

// Slice is part of tensor.Bytes.
func (p pixels) Slice(from, to int) tensor.Bytes { return pixels{p.array.Call("subarray", from, to)} }

func (p pixels) Len() int              { return p.array.Get("byteLength").Int() }
func (p pixels) JS() js.Value          { return p.array }
func (p pixels) CopyTo(dst []byte) int { return js.CopyBytesToGo(dst, p.array) }
