package main

import (
	"fmt"

	"flamingo/model"
)

// embed gives the vector by which a picture is compared with others. The prompt that comes next does
// not encode the picture again.
func (e *engine) embed(c call) (any, error) {
	l, err := e.take(c)
	if err != nil {
		return nil, err
	}
	defer l.mutex.Unlock()
	var o request
	if err := decode(c.name, c.arg(1), &o); err != nil {
		return nil, err
	}
	q := job{call: c, loaded: l}
	media := q.media(&o)
	if len(media) != 1 {
		return nil, fmt.Errorf("%w: %s: %d media, want one", model.ErrOption, c.name, len(media))
	}
	before := l.Model.Encoded()
	if _, err := l.Model.Encode(c.ctx, media[0]); err != nil {
		return nil, err
	}
	v, err := l.Model.Embedding(c.ctx)
	if err != nil {
		return nil, err
	}
	return struct {
		Vector  []float32 `json:"vector"`
		Encoded int       `json:"encoded"`
	}{v.F32(), l.Model.Encoded() - before}, nil
}
