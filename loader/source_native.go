//go:build !js

package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"flamingo/tensor"
)

// NewSource is a source for the model at location: an http or https address, or a directory (or
// the manifest in it) on this machine.
func NewSource(location string) (Source, error) {
	if strings.HasPrefix(location, "http://") || strings.HasPrefix(location, "https://") {
		return NewHTTPSource(location)
	}
	if strings.HasSuffix(location, ".json") {
		location = filepath.Dir(location)
	}
	return DirSource(location), nil
}

// DirSource is a directory on this machine that holds a model.
type DirSource string

// Locate is part of Source.
func (d DirSource) Locate(path string) string {
	return filepath.Join(string(d), filepath.FromSlash(path))
}

// Read is part of Source.
func (d DirSource) Read(ctx context.Context, path string, from, to int64, got func(int)) (tensor.Bytes, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	f, err := os.Open(d.Locate(path))
	if errors.Is(err, fs.ErrNotExist) && path == ManifestName {
		return nil, fmt.Errorf("%w: %w; give the directory of a converted model", ErrNetwork, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	if to < 0 {
		if to = info.Size(); to > maxWhole {
			return nil, fmt.Errorf("%s: %w: %d bytes, want at most %d", f.Name(), ErrNetwork, to, maxWhole)
		}
	}
	if info.IsDir() || to > info.Size() {
		return nil, fmt.Errorf("%s: %w: the file has %d bytes, the manifest says at least %d; convert the model again", f.Name(), ErrIntegrity, info.Size(), to)
	}
	data := make(tensor.GoBytes, to-from)
	if _, err := f.ReadAt(data, from); err != nil && (err != io.EOF || len(data) > 0) {
		return nil, fmt.Errorf("%s: %w: %w", f.Name(), ErrNetwork, err)
	}
	if got != nil {
		got(len(data))
	}
	return data, nil
}

func openURL(ctx context.Context, url, ranges string) (*response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	return &response{
		status:       r.StatusCode,
		contentType:  r.Header.Get("Content-Type"),
		contentRange: r.Header.Get("Content-Range"),
		retryAfter:   r.Header.Get("Retry-After"),
		body:         httpBody{r.Body},
	}, nil
}

type httpBody struct{ io.ReadCloser }

func (b httpBody) next() (tensor.Bytes, error) {
	p := make(tensor.GoBytes, 64<<10)
	n, err := b.Read(p)
	return p[:n], err
}

func (b httpBody) close() { b.Close() }
