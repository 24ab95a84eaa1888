package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const maxIndex = 64 << 20 // the longest index.json read, in bytes

// usualNames are how a model's directory names its weights.
var usualNames = []string{"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"}

// weightEndings are how else files of weights end.
var weightEndings = []string{".safetensors", ".pt", ".pth", ".bin", ".npz"}

// choose finds the one file of weights in a directory.
func choose(dir string) (string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	var usual, others []string
	for _, f := range list {
		switch name := f.Name(); {
		case f.IsDir():
		case slices.Contains(usualNames, name):
			usual = append(usual, name)
		case slices.Contains(weightEndings, filepath.Ext(name)):
			others = append(others, name)
		}
	}
	if len(usual) == 0 {
		usual = others
	}
	switch len(usual) {
	case 1:
		return filepath.Join(dir, usual[0]), nil
	case 0:
		return "", bad(dir, fmt.Errorf("the directory has no file of weights, want %s or one file *%s", strings.Join(usualNames, ", "), strings.Join(weightEndings, ", *")))
	}
	return "", bad(dir, fmt.Errorf("the directory has several files of weights: %s; give the path of one", strings.Join(usual, ", ")))
}

// readIndex reads the map from tensors to shards.
func readIndex(r io.ReaderAt, size int64) (map[string]string, error) {
	if size > maxIndex {
		return nil, fmt.Errorf("index: got %d bytes of JSON, want at most %d", size, maxIndex)
	}
	text := make([]byte, size)
	if err := readFull(r, text, 0); err != nil {
		return nil, err
	}
	index, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return index, nil
}

// parseIndex reads {"weight_map": {tensor: shard}, …}. It goes by tokens, since encoding/json would
// let a repeated tensor overwrite the first.
func parseIndex(text []byte) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	var index map[string]string
	err := object(d, func(key string) error {
		if key != "weight_map" {
			var other json.RawMessage
			return d.Decode(&other)
		}
		if index != nil {
			return errors.New("weight_map appears twice")
		}
		index = map[string]string{}
		return object(d, func(name string) error {
			if _, ok := index[name]; ok {
				return fmt.Errorf("tensor %q: the name appears twice", name)
			}
			var shard *string
			if err := d.Decode(&shard); err != nil || shard == nil {
				return fmt.Errorf("tensor %q: want the file name of a shard", name)
			}
			if !filepath.IsLocal(*shard) || strings.ContainsAny(*shard, "\\:\x00") {
				return fmt.Errorf("tensor %q: shard %q is not a path inside the directory", name, *shard)
			}
			index[name] = *shard
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more data after the closing brace")
	}
	if len(index) == 0 {
		return nil, errors.New("there is no weight_map with tensors in it; this JSON is no index of shards, give the file of weights")
	}
	return index, nil
}

// object reads {…}; field must consume the value of each key.
func object(d *json.Decoder, field func(key string) error) error {
	t, err := d.Token()
	if err == nil && t != json.Delim('{') {
		err = fmt.Errorf("got %v, want {", t)
	}
	for err == nil && d.More() {
		if t, err = d.Token(); err == nil {
			key, _ := t.(string)
			err = field(key)
		}
	}
	if err == nil {
		_, err = d.Token()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// loadShards opens the shards of an index beside it and takes from each the tensors it should hold.
func (f *File) loadShards(path string, index map[string]string) ([]named, error) {
	shards := map[string][]named{}
	var list []named
	for _, name := range slices.Sorted(maps.Keys(index)) {
		shard := index[name]
		tensors, ok := shards[shard]
		if !ok {
			at := filepath.Join(filepath.Dir(path), filepath.FromSlash(shard))
			r, size, err := f.openFile(at)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, bad(path, fmt.Errorf("shard %s of tensor %q is missing: %w; download it too", shard, name, err))
			}
			if err != nil {
				return nil, err
			}
			if tensors, err = loadWeights(at, r, size); err != nil {
				return nil, err
			}
			shards[shard] = tensors
		}
		t, ok := search(tensors, unwrap(name))
		if !ok {
			return nil, bad(path, fmt.Errorf("tensor %q is not in %s as the index says; download both again", name, shard))
		}
		list = append(list, t)
	}
	list, err := unwrapAll(list)
	if err == nil {
		list, err = arrange(list)
	}
	if err != nil {
		return nil, bad(path, err)
	}
	return list, nil
}
