//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// TestFullSize captions with a model of full size, from the server and, with that stopped, from the
// cache: the tokens are those of the CPU, and WebAssembly's memory stays small. FLAMINGO_FULL is the
// directory of a converted model and FLAMINGO_FULL_IDS the prompt as token ids, <image> among them.
// Random weights will do: flamingo synth e2e/testdata/full.json --dtype q4 -o DIR.
func TestFullSize(t *testing.T) {
	dir, ids := os.Getenv("FLAMINGO_FULL"), os.Getenv("FLAMINGO_FULL_IDS")
	if dir == "" || ids == "" {
		t.Skip("set FLAMINGO_FULL to a model's directory and FLAMINGO_FULL_IDS to a prompt such as 5,7,9")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := firstSample(t)
	began := time.Now()
	var want struct{ IDs []int }
	said := flamingo(t, "caption", "--model", dir, "--device", "cpu", "--ids", ids, "--max-tokens", "4", "--json", filepath.Join("../web/samples", name))
	if err := json.Unmarshal([]byte(said), &want); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("full model on the CPU: ids %v, %.1f s with loading\n", want.IDs, time.Since(began).Seconds())

	server := startServer(t, "..", "-models", filepath.Dir(dir))
	page := startBrowser(t).Open(server.URL + "/embed.html?quiet")
	page.Quota(server.URL, 64<<30)
	eval[chromedp.Void](page, `navigator.serviceWorker.register('/sw.js')`)
	page.Wait("the service worker", "navigator.serviceWorker.controller")
	for _, from := range []string{"the server", "the cache"} {
		if from == "the cache" {
			server.Stop()
			page.Reload()
		}
		f := captionFull(page, filepath.Base(dir), ids, name)
		perToken := 0.0
		if len(f.IDs) > 1 {
			perToken = f.DecodeMs / 1000 / float64(len(f.IDs)-1)
		}
		fmt.Printf("full model from %s: %d bytes (%d from the cache) in %.1f s, wasm memory %.1f MiB, GPU buffers %.0f MiB; ids %v, picture %.1f s, prompt %.1f s, %.2f s a token\n",
			from, f.Bytes, f.FromCache, f.LoadSeconds, f.WasmMiB, f.GPUMiB, f.IDs, f.VisionMs/1000, f.PrefillMs/1000, perToken)
		if f.WasmMiB >= 128 {
			t.Errorf("from %s: WebAssembly's memory is %.1f MiB, want under 128", from, f.WasmMiB)
		}
		if len(f.IDs) == 0 || !slices.Equal(f.IDs, want.IDs) {
			t.Errorf("from %s: ids %v, the CPU says %v", from, f.IDs, want.IDs)
		}
		if all := f.FromCache == f.Bytes; all != (from == "the cache") || f.Device != "webgpu" {
			t.Errorf("from %s: %d of %d bytes come from the cache, on %s", from, f.FromCache, f.Bytes, f.Device)
		}
	}
}

// fullFigures are what a load and a caption cost.
type fullFigures struct {
	Device                        string
	Bytes, FromCache              int64
	LoadSeconds, WasmMiB, GPUMiB  float64
	IDs                           []int
	VisionMs, PrefillMs, DecodeMs float64
}

// captionFull takes as long as it takes.
func captionFull(p *Page, model, ids, sample string) fullFigures {
	p.t.Helper()
	return evalWithin[fullFigures](p, time.Hour, fmt.Sprintf(`import('/flamingo.js').then(async ({ load }) => {
		const began = performance.now(); let FromCache = 0
		const model = await load('/models/%s/', { device: 'webgpu', onProgress: (p) => { FromCache = p.fromCache } })
		const LoadSeconds = (performance.now() - began) / 1000
		const picture = await (await fetch('/samples/%s')).blob()
		const { ids, stats } = await model.caption(picture, { prompt: [%s], maxTokens: 4 })
		const { wasmBytes, gpuBytes } = await model.stats()
		await model.dispose()
		return { Device: model.info.device, Bytes: model.info.bytes, FromCache, LoadSeconds, WasmMiB: wasmBytes / 2 ** 20, GPUMiB: gpuBytes / 2 ** 20,
			IDs: ids, VisionMs: stats.visionMs, PrefillMs: stats.prefillMs, DecodeMs: stats.decodeMs }
	})`, model, sample, ids))
}

// firstSample is the page's first sample.
func firstSample(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../web/samples/samples.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct{ File string }
	if err := json.Unmarshal(data, &samples); err != nil || len(samples) == 0 {
		t.Fatalf("%d samples: %v", len(samples), err)
	}
	return samples[0].File
}

// Quota lets an origin keep so many bytes, whatever the disk's size.
func (p *Page) Quota(origin string, bytes float64) {
	p.t.Helper()
	p.do("setting the quota", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, storage.OverrideQuotaForOrigin, storage.OverrideQuotaForOriginParams{Origin: origin, QuotaSize: &bytes})
		return err
	}))
}
