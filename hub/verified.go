//go:build !js

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// verifiedName is the file in which a directory remembers what has been verified, so that gigabytes
// need not be hashed again each time.
const verifiedName = ".flamingo-hub.json"

// verified has what is known of each path. A file of the same size and time is believed to be the same.
type verified map[string]record

type record struct {
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Content  string `json:"content"`  // as RemoteFile.content has it
}

// readVerified is empty where nothing useful is remembered: then everything is hashed.
func readVerified(root *os.Root) verified {
	var v verified
	text, err := root.ReadFile(verifiedName)
	if err != nil || json.Unmarshal(text, &v) != nil || v == nil {
		return verified{}
	}
	return v
}

// add remembers that the file, as it is now, is f.
func (v verified) add(root *os.Root, f RemoteFile) error {
	info, err := root.Stat(f.Path)
	if err != nil {
		return err
	}
	v[f.Path] = record{info.Size(), info.ModTime().UnixNano(), f.content()}
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	if err := root.WriteFile(verifiedName+partEnding, text, 0o644); err != nil {
		return err
	}
	return root.Rename(verifiedName+partEnding, verifiedName)
}

// has tells whether the directory holds f already.
func (v verified) has(ctx context.Context, root *os.Root, f RemoteFile) (bool, error) {
	info, err := root.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("got %v in the way, want a file or nothing; move it away", info.Mode().Type())
	}
	if info.Size() != f.Size {
		return false, nil
	}
	if v[f.Path] == (record{info.Size(), info.ModTime().UnixNano(), f.content()}) {
		return true, nil
	}
	file, err := root.Open(f.Path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	sum := f.hash()
	if _, err := addTo(ctx, sum, file, f.Size); err != nil {
		return false, err
	}
	if _, ok := f.matches(sum); !ok {
		return false, nil
	}
	return true, v.add(root, f)
}
