package loader

import (
	"context"
	"fmt"
	"syscall/js"
)

// await waits for a promise, or for ctx to end. The outcome of a promise that is given up is dropped.
func await(ctx context.Context, promise js.Value) (js.Value, error) {
	type outcome struct {
		value js.Value
		err   error
	}
	settled := make(chan outcome, 1)
	var done, failed js.Func
	release := func() {
		done.Release()
		failed.Release()
	}
	done = js.FuncOf(func(_ js.Value, args []js.Value) any {
		release()
		settled <- outcome{value: args[0]}
		return nil
	})
	failed = js.FuncOf(func(_ js.Value, args []js.Value) any {
		release()
		settled <- outcome{err: exception(args[0])}
		return nil
	})
	promise.Call("then", done, failed)
	select {
	case o := <-settled:
		return o.value, o.err
	case <-ctx.Done():
		return js.Undefined(), context.Cause(ctx)
	}
}

// domError is an exception of JavaScript by its name, which is how the platform tells them apart.
type domError struct{ name, message string }

func (e domError) Error() string {
	if e.message == "" {
		return e.name
	}
	return e.name + ": " + e.message
}

func exception(v js.Value) error {
	if v.Type() != js.TypeObject {
		return domError{"Error", fmt.Sprint(v)}
	}
	return domError{v.Get("name").String(), v.Get("message").String()}
}

// attempt runs f and turns an exception thrown inside it into an error.
func attempt(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case js.Error:
			err = exception(r.Value)
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// property reads a property whose getter may throw, as storage getters do in a sandboxed frame.
func property(of js.Value, name string) (v js.Value, err error) {
	err = attempt(func() { v = js.Global().Get("Reflect").Call("get", of, name) })
	return v, err
}
