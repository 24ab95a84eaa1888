package loader

import (
	"context"
	"strings"

	"flamingo/tensor"
)

// maxWhole is the largest file that is read without its size being known beforehand.
const maxWhole = 64 << 20

// A Source supplies the files of one model by their manifest paths. Implementations are safe for
// concurrent use.
type Source interface {
	// Read makes one attempt to fetch bytes [from,to) of a file, or the whole file when to is
	// negative. On failure it may return the bytes that came before the error. got, when not nil,
	// is called as bytes arrive. An error that another attempt may cure is a *TemporaryError.
	Read(ctx context.Context, path string, from, to int64, got func(n int)) (tensor.Bytes, error)
	// Locate says where a path is, for messages.
	Locate(path string) string
}

// splitLocation takes the address of a model, either of its directory or of its manifest, and
// returns the manifest's address, by which the store knows the model, and its file name.
func splitLocation(location string) (url, name string) {
	location, _, _ = strings.Cut(location, "#")
	url, query, asked := strings.Cut(location, "?")
	if !strings.HasSuffix(url, ".json") {
		url = strings.TrimRight(url, "/") + "/" + ManifestName
	}
	name = url[strings.LastIndexByte(url, '/')+1:]
	if asked {
		url += "?" + query
	}
	return url, name
}
