package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall/js"

	"flamingo/tensor"
)

// NewSource is a source for the model at an absolute http or https address.
func NewSource(location string) (Source, error) { return NewHTTPSource(location) }

func openURL(ctx context.Context, url, ranges string) (*response, error) {
	controller := js.Global().Get("AbortController").New()
	stop := context.AfterFunc(ctx, func() { controller.Call("abort") })
	headers := map[string]any{}
	if ranges != "" {
		headers["Range"] = ranges
	}
	var r js.Value
	err := attempt(func() {
		r = js.Global().Call("fetch", url, map[string]any{
			"headers":     headers,
			"cache":       "no-store",
			"credentials": "omit",
			"redirect":    "follow",
			"signal":      controller.Get("signal"),
		})
	})
	if err == nil {
		r, err = await(ctx, r)
	}
	if err != nil {
		stop()
		return nil, explainFetch(url, err)
	}
	header := func(name string) string {
		if v := r.Get("headers").Call("get", name); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	b := &fetchBody{ctx: ctx, controller: controller, stop: stop}
	if stream := r.Get("body"); stream.Truthy() {
		b.reader = stream.Call("getReader")
	}
	return &response{
		status:       r.Get("status").Int(),
		contentType:  header("Content-Type"),
		contentRange: header("Content-Range"),
		retryAfter:   header("Retry-After"),
		body:         b,
	}, nil
}

// explainFetch gives the one TypeError that fetch throws for every failure the meaning it most
// likely has.
func explainFetch(url string, err error) error {
	var e domError
	if !errors.As(err, &e) || e.name != "TypeError" {
		return err
	}
	here := ""
	if location := js.Global().Get("location"); location.Truthy() {
		here = location.Get("origin").String()
	}
	if strings.HasPrefix(url, here+"/") {
		return fmt.Errorf("the server cannot be reached (%s)", e.message)
	}
	if online := js.Global().Get("navigator").Get("onLine"); online.Type() == js.TypeBoolean && !online.Bool() {
		return errors.New("this computer is offline")
	}
	return fmt.Errorf("%w (%s): the host is down, or does not send Access-Control-Allow-Origin for %s", ErrCORS, e.message, here)
}

type fetchBody struct {
	ctx        context.Context
	controller js.Value
	reader     js.Value // undefined when there is no body
	stop       func() bool
}

func (b *fetchBody) next() (tensor.Bytes, error) {
	if b.reader.IsUndefined() {
		return nil, io.EOF
	}
	r, err := await(b.ctx, b.reader.Call("read"))
	if err != nil {
		return nil, err
	}
	if r.Get("done").Bool() {
		return nil, io.EOF
	}
	data := newBytes(r.Get("value"))
	reclaim(data.n)
	return data, nil
}

func (b *fetchBody) close() {
	b.stop()
	b.controller.Call("abort")
}
