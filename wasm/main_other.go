//go:build !js

// Package main is the browser's engine; natively there is cmd/flamingo.
package main

import "fmt"

func main() {
	fmt.Println("this program runs in a browser: build it with `make`, see it with `make demo`")
}
