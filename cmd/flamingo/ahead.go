package main

import (
	"context"
	"fmt"
	"iter"

	"flamingo/model"
)

// A taken picture or video is read, or could not be.
type taken struct {
	file  string
	media model.Media
	err   error
}

// An opener reads a picture or video. pixels is how many of them are in memory.
type opener func(file string) (x model.Media, pixels int, err error)

func (r *round) picture(file string) (model.Media, int, error) {
	img, err := r.read(file)
	if err != nil {
		return model.Media{}, 0, err
	}
	return model.Picture(img), img.Width * img.Height, nil
}

// video is the opener of the one video that files are the frames of. A frame is read when the model
// wants it, since all together may not fit in memory.
func (r *round) video(files []string) opener {
	return func(string) (model.Media, int, error) {
		return model.Media{Key: "frames", Count: len(files), Frames: func(yield func(model.Image, error) bool) {
			for _, file := range files {
				img, err := r.read(file)
				if err != nil {
					err = fmt.Errorf("%s: %w", file, err)
				}
				if !yield(img, err) || err != nil {
					return
				}
			}
		}}, 0, nil
	}
}

// groupPixels bounds what the pictures of a group, and those of the next one, take in memory: 256 MiB
// each, beyond the last picture.
const groupPixels = 64 << 20

// ahead yields files in order, in groups of at most size. The next group is read while the loop's body
// runs. An interruption ends the loop.
func ahead(ctx context.Context, files []string, size int, open opener) iter.Seq[[]taken] {
	return func(yield func([]taken) bool) {
		// The reader is not waited for: it may hang in a read that nothing can interrupt.
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		groups := make(chan []taken)
		go func() {
			defer close(groups)
			var group []taken
			pixels := 0
			for i, file := range files {
				if ctx.Err() != nil {
					return
				}
				x, n, err := open(file)
				group, pixels = append(group, taken{file, x, err}), pixels+n
				if len(group) < size && pixels < groupPixels && i+1 < len(files) {
					continue
				}
				select {
				case groups <- group:
					group, pixels = nil, 0
				case <-ctx.Done():
					return
				}
			}
		}()
		for ctx.Err() == nil {
			select {
			case group, more := <-groups:
				if !more || !yield(group) {
					return
				}
			case <-ctx.Done():
			}
		}
	}
}
