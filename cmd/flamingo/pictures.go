package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"flamingo/gpu"
	"flamingo/model"
	"flamingo/picture"
)

// pictures is what all commands take that answer about pictures.
type pictures struct {
	source
	examples
	results
	JSON      bool     `name:"json" help:"Print one JSON object a line."`
	Recursive bool     `short:"r" help:"Take the pictures of a directory's sub-directories too."`
	Frames    bool     `help:"All pictures are the frames of one video, in order."`
	Images    []string `arg:"" name:"image" help:"Picture files, directories of them, or - for standard input."`
}

// A result is what there is to tell about a picture.
type result struct {
	object any      // in JSON
	lines  []string // in words, the best first
	told   bool     // it is on the terminal already
}

// An answerer answers about a group of pictures, with a result for each.
type answerer func(ctx context.Context, group []taken) ([]result, error)

// A round is a command at work on its pictures.
type round struct {
	*pictures
	*program
	model     *model.Flamingo
	captioner *model.Captioner
	shots     []model.Shot
	group     int // how many pictures are answered about at once at most
	// One picture that was named is answered by its text alone, and as it comes.
	alone bool
	sinks []sink
}

// A task is what tells the answers of one command from those of others, in a file of results too.
type task struct {
	field    string // of the answer in JSON
	question string // "" for none; examples without one of their own are asked it
}

// answer has every picture answered and tells the results.
func (c *pictures) answer(ctx context.Context, p *program, t task, prepare func(*round) (answerer, error)) (err error) {
	files := expand(c.Images, c.Recursive)
	r := &round{pictures: c, program: p, group: 1}
	r.alone = c.Frames || len(c.Images) == 1 && slices.Equal(files, c.Images)
	open := r.picture
	if c.Frames {
		open, files = r.video(files), c.Images[:1]
	}
	if r.sinks, err = c.open(p, t); err != nil {
		return err
	}
	defer func() {
		for _, s := range r.sinks {
			err = errors.Join(err, s.close())
		}
	}()
	if len(r.sinks) > 0 {
		if files, err = r.left(files); err != nil || len(files) == 0 {
			return err
		}
	}
	if r.shots, err = c.shotsFor(p, t.question); err != nil {
		return err
	}
	m, err := c.load(ctx, p)
	if err != nil {
		return err
	}
	defer m.Model.Device().Close()
	r.model, r.captioner = m.Model, m.Model.NewCaptioner()
	defer r.captioner.Close()
	answer, err := prepare(r)
	if err != nil {
		return err
	}
	return r.run(ctx, files, open, answer)
}

// run answers about all pictures. An interruption waits for those at hand, unless there is only one.
func (r *round) run(ctx context.Context, files []string, open opener, answer answerer) error {
	work := ctx
	if len(files) > 1 {
		work = context.WithoutCancel(ctx)
	}
	failed, done, began := false, 0, time.Now()
	for group := range ahead(ctx, files, r.group, open) {
		for _, x := range r.answered(work, group, answer) {
			r.unlive()
			done++
			switch err := x.err; {
			case err == nil:
				if err := r.tell(x.file, x.result); err != nil {
					return fmt.Errorf("%s: %w", x.file, err)
				}
			case ofPicture(err) && work.Err() == nil:
				failed = true
				if err := r.fail(x.file, err, r.JSON); !errors.Is(err, errReported) {
					return err
				}
			default:
				return fmt.Errorf("%s: %w", x.file, err)
			}
		}
		if r.liveErr && len(files) > 1 {
			fmt.Fprint(r.err, progress(done, len(files), time.Since(began)))
		}
	}
	r.unlive()
	switch {
	case done < len(files):
		return fmt.Errorf("%w behind %d of %d pictures", context.Cause(ctx), done, len(files))
	case failed:
		return errReported
	}
	return nil
}

// progress is the line about pictures that are done, for a terminal.
func progress(done, total int, took time.Duration) string {
	each := took / time.Duration(max(done, 1))
	left := (each * time.Duration(total-done)).Round(time.Second)
	return fmt.Sprintf("%d of %d pictures, %.3g a second, %v left", done, total, 1/max(each.Seconds(), 1e-9), left)
}

// An answered picture has a result, or an error in place of it.
type answered struct {
	file string
	result
	err error
}

// answered answers about a group, and where that fails for what may be one picture's fault about each
// alone.
func (r *round) answered(ctx context.Context, group []taken, answer answerer) []answered {
	all := make([]answered, len(group))
	var good []taken
	var of []int
	for i, x := range group {
		if all[i] = (answered{file: x.file, err: x.err}); x.err == nil {
			good, of = append(good, x), append(of, i)
		}
	}
	if len(good) == 0 {
		return all
	}
	list, err := answer(ctx, good)
	for i, at := range of {
		switch {
		case err == nil:
			all[at].result = list[i]
		case len(good) > 1 && ofPicture(err):
			all[at] = r.answered(ctx, good[i:i+1], answer)[0]
		default:
			all[at].err = err
		}
	}
	return all
}

// each answers about one picture after another.
func each(answer func(ctx context.Context, x taken) (result, error)) answerer {
	return func(ctx context.Context, group []taken) (list []result, err error) {
		for _, x := range group {
			one, err := answer(ctx, x)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		return list, nil
	}
}

// ofPicture tells the errors that say nothing about the next picture.
func ofPicture(err error) bool {
	return errors.Is(err, picture.ErrDecode) || errors.Is(err, gpu.ErrLimits) || errors.Is(err, gpu.ErrOutOfMemory)
}

// streams reports whether a text appears on the terminal as it is written.
func (r *round) streams() bool { return r.alone && r.liveOut && !r.JSON && len(r.sinks) == 0 }

func (r *round) tell(file string, x result) error {
	for _, s := range r.sinks {
		if err := s.put(file, x); err != nil {
			return err
		}
	}
	switch {
	case x.told || len(r.sinks) > 0:
		return nil
	case r.JSON:
		return r.print(x.object)
	}
	for _, line := range x.lines {
		if !r.alone {
			line = file + "\t" + line
		}
		if _, err := fmt.Fprintln(r.out, line); err != nil {
			return err
		}
	}
	return nil
}

// told tells what made a command fail, where JSON is wanted.
func (c *pictures) told(p *program, err error) error {
	if err != nil && !errors.Is(err, errReported) && c.JSON {
		return p.fail("", err, true)
	}
	return err
}
