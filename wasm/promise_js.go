package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"syscall/js"
)

// errAborted is the cause of a context whose AbortSignal fired.
var errAborted = errors.New("aborted")

// A call is the arguments of one function of the engine.
type call struct {
	name string
	args []js.Value
	ctx  context.Context
}

// arg is argument i, undefined when there are fewer.
func (c call) arg(i int) js.Value {
	if i < len(c.args) {
		return c.args[i]
	}
	return js.Undefined()
}

// hooks are what the caller wants to be told, or asked, while the call runs: its last argument.
func (c call) hooks() js.Value { return c.arg(len(c.args) - 1) }

// function wraps f for JavaScript: it returns a promise at once and runs f in a goroutine, since a
// callback must not block. A panic in f is a bug of ours, reported as one.
func function(name string, f func(call) (any, error)) js.Func {
	return js.FuncOf(func(_ js.Value, args []js.Value) any {
		var settle js.Func
		settle = js.FuncOf(func(_ js.Value, with []js.Value) any {
			settle.Release()
			resolve, reject := with[0], with[1]
			ctx, cancel := signalled(args)
			go func() {
				defer cancel()
				defer func() {
					if r := recover(); r != nil {
						reject.Invoke(toJS(fmt.Errorf("%s: %v\n%s", name, r, debug.Stack())))
					}
				}()
				v, err := f(call{name, args, ctx})
				if err == nil && ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				if err != nil {
					reject.Invoke(toJS(err))
					return
				}
				resolve.Invoke(encode(v))
			}()
			return nil
		})
		return js.Global().Get("Promise").New(settle)
	})
}

// signalled makes a context of the AbortSignal in the hooks, which are a call's last argument.
func signalled(args []js.Value) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := func() { cancel(nil) }
	if len(args) == 0 || args[len(args)-1].Type() != js.TypeObject {
		return ctx, done
	}
	signal := args[len(args)-1].Get("signal")
	if !signal.Truthy() {
		return ctx, done
	}
	if signal.Get("aborted").Bool() {
		cancel(errAborted)
		return ctx, done
	}
	abort := js.FuncOf(func(js.Value, []js.Value) any {
		cancel(errAborted)
		return nil
	})
	signal.Call("addEventListener", "abort", abort)
	return ctx, func() {
		signal.Call("removeEventListener", "abort", abort)
		abort.Release()
		cancel(nil)
	}
}

// hook tells the caller of something, if it wants to know.
func (c call) hook(name string, value any) {
	hooks := c.hooks()
	if hooks.Type() != js.TypeObject {
		return
	}
	if f := hooks.Get(name); f.Type() == js.TypeFunction {
		f.Invoke(encode(value))
	}
}
