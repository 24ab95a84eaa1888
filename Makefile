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
JS_PKGS  := ./tensor ./tokenizer ./shaders ./gpu/... ./ops ./model ./checkpoint ./convert ./loader ./runtime ./wasm
GPU_PKGS := ./gpu/... ./ops ./model ./convert
LAVAPIPE := ls /usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -n 1
# The one that has PyTorch; Debian's packages are for the system's own.
PYTHON   ?= $(shell python3 -c "import torch" 2>/dev/null && echo python3 || echo /usr/bin/python3)
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)

.NOTPARALLEL: # go uses all cores by itself, and tests need what comes before them
.PHONY: build demo serve test test-go test-types test-gpu test-web e2e large shots full full-nfnet size bench lint train train-nano train-deps test-train samples deps clean help

# What is not hot is compiled without inlining: 50 KB less to download, since repeated code compresses badly.
CALM := encoding/json fmt time reflect strconv internal/strconv log/slog syscall/js github.com/cogentcore/webgpu/wgpu \
  flamingo/loader flamingo/model flamingo/runtime flamingo/gpu/webgpu flamingo/wasm

build: ## compile web/flamingo.wasm, copy wasm_exec.js, compress them, print the sizes (the default)
	$(JS) go build -trimpath -ldflags="-s -w" $(CALM:%=-gcflags=%=-l) -o web/flamingo.wasm ./wasm
	cp -f "$$(go env GOROOT)/lib/wasm/wasm_exec.js" web/wasm_exec.js
	@$(MAKE) --no-print-directory size

demo: build serve ## build everything and show the page: the command to start with

serve: ## show the page at http://127.0.0.1:8080 without building it first
	go run . -addr $(ADDR)

test: deps lint build test-go test-train test-types test-gpu test-web e2e ## everything, cheapest first: before a push, and in CI

test-go: ## all packages on the CPU device: no GPU, no browser; after each change
	go test ./...

test-types: e2e/node/node_modules ## flamingo.d.ts against the modules and their use; after a change to the API
	cd e2e/node && node_modules/.bin/tsc && node --test

test-gpu: ## ops and model through native WebGPU (a software Vulkan driver will do); after a change to a kernel
	VK_ICD_FILENAMES="$${VK_ICD_FILENAMES:-$$($(LAVAPIPE))}" FLAMINGO_DEVICE=webgpu go test -tags webgpu $(GPU_PKGS)

test-web: build/wasmrun ## the same tests compiled to wasm, in headless Chromium; after a change to a *_js.go file
	node --test web/test/*.test.mjs
	FLAMINGO_DEVICE=webgpu $(JS) go test -exec $(WASMRUN) $(JS_PKGS) ./tools/wasmrun

e2e: e2e/node/node_modules ## the built page in headless Chromium; after a change to web/ or wasm/
	go build -o build/serve . && go build -o build/flamingo ./cmd/flamingo
	go test -count=1 -timeout 60m -tags e2e ./e2e

large: ## load a generated 300 MB model in Chromium and print its memory; after a change to loading
	go build -o build/serve . && go build -o build/flamingo ./cmd/flamingo
	FLAMINGO_LARGE=1 go test -count=1 -timeout 30m -tags e2e -run TestLargeModel ./e2e -v

shots: ## what 0 to 32 examples in a prompt cost in Chromium, in time and memory; after a change to sessions
	go build -o build/serve . && go build -o build/flamingo ./cmd/flamingo
	go test -count=1 -tags e2e -run TestShotsOneByOne ./e2e -v | grep shots:

full: ## a synthetic OpenFlamingo-3B: its release, converted to q4, decoded in Chromium and on the CPU (14 GB of disk, most of an hour)
	go build -o build/serve . && go build -o build/flamingo ./cmd/flamingo
	[ -d build/full/release ] || build/flamingo synth --like OpenFlamingo-3B-vitl-mpt1b -o build/full/release
	build/flamingo convert openflamingo --checkpoint build/full/release/checkpoint.pt --lm build/full/release/lm \
	  --vision build/full/release/ViT.pt --release build/full/release/release.json --dtype q4 --replace -o build/full/q4 | tail -n 3
	FLAMINGO_FULL=$(CURDIR)/build/full/q4 FLAMINGO_FULL_IDS=50278,11021,27 go test -count=1 -timeout 120m -tags e2e -run TestFull ./e2e -v

full-nfnet: build/wasmrun ## a synthetic NFNet-F6 at 320 × 320 pixels in Chromium against the CPU (5 GB of disk, minutes)
	go build -o build/flamingo ./cmd/flamingo
	[ -d build/full/nfnet-release ] || build/flamingo synth --like NFNet-F6 -o build/full/nfnet-release
	build/flamingo convert nfnet --weights build/full/nfnet-release/model.pt --config F6 --dtype f16 --replace -o build/full/nfnet | tail -n 2
	cp build/full/nfnet-release/case.safetensors build/full/nfnet/
	build/flamingo features --model build/full/nfnet --case build/full/nfnet/case.safetensors --prefix 0 --device cpu -o build/full/nfnet/features.safetensors
	FLAMINGO_DEVICE=webgpu FLAMINGO_TOWER=$(CURDIR)/build/full/nfnet $(JS) go test -count=1 -timeout 60m -exec $(WASMRUN) -run TestFullTower ./convert -v

size: ## what a visitor downloads, against the budget; after adding a dependency
	@go run ./tools/precompress -budget $(BUDGET) web/flamingo.wasm web/*.js

bench: ## speed of kernels and models on this machine; before and after an optimisation
	go test -run='^$$' -bench=. $(GPU_PKGS)

lint: ## gofmt and vet, native and js; seconds
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [ -n "$$bad" ]; then echo "not formatted, run gofmt -w:" $$bad; exit 1; fi
	CGO_ENABLED=0 go vet ./... && go vet -tags e2e ./e2e
	$(JS) go vet $(JS_PKGS) ./tools/wasmrun

STICKER := build/sticker$(if $(SMALL),-small)
MODEL   := $(if $(SMALL),$(STICKER)/model,models/sticker)

train: train-deps build/stickers/atlas.json ## the sticker model from nothing, its figures, card and check pictures, to models/sticker and testdata/sticker (hours); SMALL=1: the same in minutes, all in build/sticker-small
	$(PYTHON) train/train_stickers.py --atlas build/stickers --out $(STICKER) $(if $(SMALL),--small)
	for dtype in q8 q4; do \
	  $(PYTHON) train/train_stickers.py --atlas build/stickers --out $(STICKER) $(if $(SMALL),--small) --stages measure --stored $$dtype; done
	go run ./cmd/flamingo convert native $(STICKER) --dtype q8 --name sticker --licence MIT --replace -o $(MODEL) | tail -n 2
	$(PYTHON) train/show_card.py $(STICKER) $(MODEL)
	$(if $(SMALL),,rm -rf testdata/sticker && cp -r $(STICKER)/check testdata/sticker)

build/stickers/atlas.json: train/stickers/rasterise.mjs train/stickers/concepts.txt train/stickers/package-lock.json
	mkdir -p build/stickers && cp train/stickers/package.json train/stickers/package-lock.json build/stickers/
	npm ci --prefix build/stickers --no-audit --no-fund
	rm -f build/stickers/atlas*
	node train/stickers/rasterise.mjs build/stickers

test-train: train-deps ## the training code, with the whole recipe of the sticker model in its shortest form: minutes; after a change to train/
	$(PYTHON) -m unittest discover -s train

samples: build/stickers/atlas.json ## draw what the page's sticker board and its samples consist of (Node, NumPy, Pillow, ffmpeg); after a change to their lists
	node train/stickers/drawings.mjs build/stickers web/samples/stickers.json
	$(PYTHON) train/show_samples.py --atlas build/stickers --out web/samples/sticker

train-nano: train-deps ## train the tests' model again, with its fixtures (PyTorch, tens of minutes)
	$(PYTHON) train/train_nano.py --out build/nano --fixtures .
	go run ./cmd/flamingo convert native testdata/nano --dtype q8 --name nano --licence MIT --replace -o models/nano

deps: train-deps ## install what the tests need besides Go: browser, Vulkan driver, C compiler, PyTorch (Debian packages)
	@need=""; \
	  command -v chromium >/dev/null || [ -n "$${CHROMIUM:-}" ] || need="$$need chromium"; \
	  [ -n "$$($(LAVAPIPE))" ] || [ -n "$${VK_ICD_FILENAMES:-}" ] || need="$$need mesa-vulkan-drivers"; \
	  compgen -G '/usr/lib*/libvulkan.so.1' >/dev/null || compgen -G '/usr/lib/*/libvulkan.so.1' >/dev/null || need="$$need libvulkan1"; \
	  command -v gcc >/dev/null || need="$$need gcc"; \
	  [ -f /usr/include/stdlib.h ] || need="$$need libc6-dev"; \
	  $(INSTALL)

train-deps: ## install what training needs: PyTorch, Pillow, OpenBLAS, Node (Debian packages)
	@need=""; \
	  $(PYTHON) -c "import torch, numpy, PIL" 2>/dev/null || need="$$need python3-torch python3-pil libopenblas0-pthread"; \
	  command -v node >/dev/null || need="$$need nodejs"; \
	  command -v npm >/dev/null || need="$$need npm"; \
	  $(INSTALL)

# Installs the packages in $need.
define INSTALL
[ -n "$$need" ] || exit 0; \
	  if ! command -v apt-get >/dev/null || ! { [ "$$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then \
	    echo "make $@: missing$$need, and no apt-get with root or sudo here: install them by hand" >&2; exit 1; fi; \
	  $(SUDO) apt-get update -qq; \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$need
endef

build/wasmrun: $(wildcard tools/wasmrun/*)
	go build -o $@ ./tools/wasmrun

e2e/node/node_modules: e2e/node/package-lock.json # what tests need of JavaScript: a type checker and the like
	cd e2e/node && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

clean: ## remove everything the targets above made
	rm -rf build e2e/node/node_modules web/flamingo.wasm web/wasm_exec.js web/*.br web/*.gz

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1|/p' Makefile | column -t -s '|'
