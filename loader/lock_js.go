package loader

import (
	"context"
	"syscall/js"
)

// acquire takes the named lock of the Web Locks API, which tabs of one origin share and which a tab
// that dies gives back. Where the API is missing or denied the lock is free.
func acquire(ctx context.Context, name string) (release func(), err error) {
	locks, err := property(js.Global().Get("navigator"), "locks")
	if err != nil || !locks.Truthy() {
		return func() {}, nil
	}
	controller := js.Global().Get("AbortController").New()
	granted := make(chan js.Value, 1) // carries the function that gives the lock back
	held := js.FuncOf(func(js.Value, []js.Value) any {
		executor := js.FuncOf(func(_ js.Value, args []js.Value) any {
			granted <- args[0]
			return nil
		})
		defer executor.Release()
		return js.Global().Get("Promise").New(executor)
	})
	options := map[string]any{"signal": controller.Get("signal")}
	var request js.Value
	if err := attempt(func() { request = locks.Call("request", name, options, held) }); err != nil {
		held.Release()
		return func() {}, nil
	}
	denied := make(chan struct{})
	go func() {
		defer held.Release()
		if _, err := await(context.Background(), request); err != nil {
			close(denied)
		}
	}()
	select {
	case resolve := <-granted:
		return func() { resolve.Invoke() }, nil
	case <-denied:
		return func() {}, nil
	case <-ctx.Done():
		controller.Call("abort")
		select {
		case resolve := <-granted: // it came between the two
			resolve.Invoke()
		case <-denied:
		}
		return nil, context.Cause(ctx)
	}
}
