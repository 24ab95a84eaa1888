//go:build !js

package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"flamingo/tensor"
)

// DirStore keeps each record in a file of its own: a record "kind/name" is DIR/kind/NAME, with
// NAME escaped. Records are replaced whole, so that a crash leaves the old one or the new one.
type DirStore struct{ dir string }

const (
	temporaryFile = ".partial-"
	maxFileName   = 240
)

// OpenDir opens, and if need be makes, a store in a directory. What an interrupted program left
// behind there is removed.
func OpenDir(dir string) (*DirStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("loader: store: %w", err)
	}
	leftovers, _ := filepath.Glob(filepath.Join(dir, "*", temporaryFile+"*"))
	for _, name := range leftovers {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > time.Hour {
			os.Remove(name)
		}
	}
	return &DirStore{dir}, nil
}

func (s *DirStore) file(key string) (string, error) {
	kind, name, ok := strings.Cut(key, "/")
	name = url.PathEscape(name)
	if !ok || kind == "" || name == "" || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") != "" || name[0] == '.' || len(name) > maxFileName {
		return "", fmt.Errorf("loader: store: key %.300q cannot be a file name; use a shorter address", key)
	}
	return filepath.Join(s.dir, kind, name), nil
}

// Get is part of Store.
func (s *DirStore) Get(ctx context.Context, key string) (tensor.Bytes, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	name, err := s.file(key)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("loader: store: %w", err)
	}
	return tensor.GoBytes(data), nil
}

// Put is part of Store.
func (s *DirStore) Put(ctx context.Context, key string, data tensor.Bytes, durable bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	name, err := s.file(key)
	if err != nil {
		return err
	}
	if err := s.replace(name, data, durable); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("loader: store: %w: %w", ErrQuota, err)
	} else if err != nil {
		return fmt.Errorf("loader: store: %w", err)
	}
	return nil
}

func (s *DirStore) replace(name string, data tensor.Bytes, durable bool) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, temporaryFile)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	p, ok := data.(tensor.GoBytes)
	if !ok {
		p = copied(data)
	}
	if _, err := f.Write(p); err != nil {
		return err
	}
	if durable {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Delete is part of Store.
func (s *DirStore) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name, err := s.file(key)
		if err != nil {
			return err
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("loader: store: %w", err)
		}
	}
	return nil
}

// Keys is part of Store.
func (s *DirStore) Keys(ctx context.Context, prefix string) ([]string, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*", "*"))
	if err != nil {
		return nil, fmt.Errorf("loader: store: %w", err)
	}
	var keys []string
	for _, f := range files {
		name, err := url.PathUnescape(filepath.Base(f))
		key := filepath.Base(filepath.Dir(f)) + "/" + name
		if err == nil && name[0] != '.' && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
