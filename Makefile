SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# wasm and JavaScript together, in brotli bytes; the build fails above it.
BUDGET := 1300000
ADDR   := 127.0.0.1:8080

# Without the commit in it the wasm binary changes only when its code does.
export GOFLAGS += -buildvcs=false

JS       := GOOS=js GOARCH=wasm
WASMRUN  := $(CURDIR)/build/wasmrun
JS_PKGS  := ./tensor ./tokenizer ./shaders ./gpu/... ./ops ./model ./convert ./loader ./runtime ./wasm
GPU_PKGS := ./gpu/... ./ops ./model ./convert
LAVAPIPE := ls /usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -n 1
PYTHON   ?= python3
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)

.NOTPARALLEL: # go uses all cores by itself, and tests need what comes before them
.PHONY: build demo serve test test-go test-gpu test-web e2e large size bench lint train-nano deps clean help

build: ## compile web/flamingo.wasm, copy wasm_exec.js, compress them, print the sizes (the default)
	$(JS) go build -trimpath -ldflags="-s -w" -o web/flamingo.wasm ./wasm
	cp -f "$$(go env GOROOT)/lib/wasm/wasm_exec.js" web/wasm_exec.js
	@$(MAKE) --no-print-directory size

demo: build serve ## build everything and show the page: the command to start with

serve: ## show the page at http://127.0.0.1:8080 without building it first
	go run . -addr $(ADDR)

test: deps lint build test-go test-gpu test-web e2e ## everything, cheapest first: before a push, and in CI

test-go: ## all packages on the CPU device: no GPU, no browser; after each change
	go test ./...

test-gpu: ## ops and model through native WebGPU (a software Vulkan driver will do); after a change to a kernel
	VK_ICD_FILENAMES="$${VK_ICD_FILENAMES:-$$($(LAVAPIPE))}" FLAMINGO_DEVICE=webgpu go test -tags webgpu $(GPU_PKGS)

test-web: build/wasmrun ## the same tests compiled to wasm, in headless Chromium; after a change to a *_js.go file
	node --test web/test/
	FLAMINGO_DEVICE=webgpu $(JS) go test -exec $(WASMRUN) $(JS_PKGS) ./tools/wasmrun

e2e: ## the built page in headless Chromium; after a change to web/ or wasm/
	go build -o build/serve . && go build -o build/flamingo ./cmd/flamingo
	go test -count=1 -timeout 30m -tags e2e ./e2e

large: ## load a generated 300 MB model in Chromium and print its memory; after a change to loading
	go build -o build/serve . && go build -o build/flamingo ./cmd/flamingo
	FLAMINGO_LARGE=1 go test -count=1 -timeout 30m -tags e2e -run TestLargeModel ./e2e -v

size: ## what a visitor downloads, against the budget; after adding a dependency
	@go run ./tools/precompress -budget $(BUDGET) web/flamingo.wasm web/*.js

bench: ## speed of kernels and models on this machine; before and after an optimisation
	go test -run='^$$' -bench=. $(GPU_PKGS)

lint: ## gofmt and vet, native and js; seconds
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [ -n "$$bad" ]; then echo "not formatted, run gofmt -w:" $$bad; exit 1; fi
	CGO_ENABLED=0 go vet ./... && go vet -tags e2e ./e2e
	$(JS) go vet $(JS_PKGS) ./tools/wasmrun

train-nano: ## train the built-in model again, with its fixtures (PyTorch, tens of minutes)
	$(PYTHON) train/train_nano.py --out build/nano --fixtures .
	go run ./cmd/flamingo convert native testdata/nano --dtype q8 --name nano --licence MIT --replace -o models/nano

deps: ## install what the tests need besides Go: browser, Vulkan driver, C compiler (Debian packages)
	@need=""; \
	  command -v chromium >/dev/null || [ -n "$${CHROMIUM:-}" ] || need="$$need chromium"; \
	  [ -n "$$($(LAVAPIPE))" ] || [ -n "$${VK_ICD_FILENAMES:-}" ] || need="$$need mesa-vulkan-drivers"; \
	  compgen -G '/usr/lib*/libvulkan.so.1' >/dev/null || compgen -G '/usr/lib/*/libvulkan.so.1' >/dev/null || need="$$need libvulkan1"; \
	  command -v gcc >/dev/null || need="$$need gcc"; \
	  [ -f /usr/include/stdlib.h ] || need="$$need libc6-dev"; \
	  command -v node >/dev/null || need="$$need nodejs"; \
	  [ -n "$$need" ] || exit 0; \
	  if ! command -v apt-get >/dev/null || ! { [ "$$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then \
	    echo "make deps: missing$$need, and no apt-get with root or sudo here: install them by hand" >&2; exit 1; fi; \
	  $(SUDO) apt-get update -qq; \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$need

build/wasmrun: $(wildcard tools/wasmrun/*)
	go build -o $@ ./tools/wasmrun

clean: ## remove everything the targets above made
	rm -rf build web/flamingo.wasm web/wasm_exec.js web/*.br web/*.gz

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1|/p' Makefile | column -t -s '|'
