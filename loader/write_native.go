//go:build !js

package loader

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flamingo/tensor"
)

// DefaultShard is the largest shard Write makes unless told otherwise, in bytes of data.
const DefaultShard = 256 << 20

// Weight is a tensor to be written. Data is called once, in order, and returns exactly the bytes
// that DType and Shape need, so that no more than one tensor is in memory at a time.
type Weight struct {
	Name  string
	DType tensor.DType
	Shape tensor.Shape
	Data  func() ([]byte, error)
}

// WriteOptions say where a model goes and what its manifest holds besides the weights.
type WriteOptions struct {
	Dir        string
	Replace    bool // a model that is already in Dir; other files there are kept
	Name       string
	Config     json.RawMessage
	Tokenizer  []byte // written as tokenizer.json; may be nil
	Licences   []Licence
	Selftest   json.RawMessage
	ShardBytes int64 // 0 is DefaultShard
	ChunkBytes int64 // 0 is DefaultChunk
}

// Write writes a model: safetensors shards that hold the weights in the given order, tokenizer.json
// and flamingo.json. All of it appears in Dir at once, or nothing does.
func Write(o WriteOptions, weights []Weight) (*Manifest, error) {
	if o.ShardBytes == 0 {
		o.ShardBytes = DefaultShard
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = DefaultChunk
	}
	o.Dir = filepath.Clean(o.Dir)
	if _, err := os.Stat(o.Dir); err == nil {
		if _, err := os.Stat(filepath.Join(o.Dir, ManifestName)); err != nil || !o.Replace {
			return nil, fmt.Errorf("loader: write: %s exists already; choose another directory, or ask to replace the model in it", o.Dir)
		}
	}
	parent := filepath.Dir(o.Dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("loader: write: %w", err)
	}
	temp, err := os.MkdirTemp(parent, "."+filepath.Base(o.Dir)+"-")
	if err != nil {
		return nil, fmt.Errorf("loader: write: %w", err)
	}
	defer os.RemoveAll(temp)
	w := modelWriter{WriteOptions: o, dir: temp}
	err = w.write(weights)
	if err == nil {
		err = os.Chmod(temp, 0o755)
	}
	if err == nil {
		err = install(temp, o.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("loader: write: %w", err)
	}
	return &w.m, nil
}

type modelWriter struct {
	WriteOptions
	dir string
	m   Manifest
}

// shard is what goes into one file.
type shard struct {
	entries []SafetensorsEntry
	weights []int // into the weights
	starts  []int64
	bytes   int64
}

func (w *modelWriter) write(weights []Weight) error {
	w.m = Manifest{Format: Format, Name: w.Name, Config: w.Config, ChunkBytes: w.ChunkBytes,
		Licences: w.Licences, Selftest: w.Selftest, Revision: strings.Repeat("0", 64)}
	shards, err := w.plan(weights)
	if err != nil {
		return err
	}
	for i, s := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := w.shard(name, s, weights); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if w.Tokenizer != nil {
		sum := sha256.Sum256(w.Tokenizer)
		w.m.Tokenizer = &FileRef{Path: "tokenizer.json", Bytes: int64(len(w.Tokenizer)), SHA256: hex.EncodeToString(sum[:])}
		if err := writeSynced(filepath.Join(w.dir, "tokenizer.json"), w.Tokenizer); err != nil {
			return err
		}
	}
	text, err := w.m.encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	w.m.Revision = hex.EncodeToString(sum[:])
	if text, err = w.m.encode(); err != nil {
		return err
	}
	if _, err := ParseManifest(text); err != nil {
		return err
	}
	return writeSynced(filepath.Join(w.dir, ManifestName), text)
}

// plan lays the weights out in shards. A quantised one becomes two adjacent tensors that any reader
// of safetensors understands, and what ends off a 4-byte boundary is followed by padding.
func (w *modelWriter) plan(weights []Weight) ([]*shard, error) {
	var shards []*shard
	pads := 0
	for i, x := range weights {
		size, err := tensorBytes(x.DType, x.Shape)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		if len(shards) == 0 || (shards[len(shards)-1].bytes > 0 && shards[len(shards)-1].bytes+size > w.ShardBytes) {
			shards = append(shards, &shard{})
		}
		s := shards[len(shards)-1]
		s.weights = append(s.weights, i)
		s.starts = append(s.starts, s.bytes)
		end := s.bytes + size
		add := func(name, dtype string, shape tensor.Shape, bytes int64) {
			s.entries = append(s.entries, SafetensorsEntry{name, dtype, shape, s.bytes, bytes})
			s.bytes += bytes
		}
		values := int64(x.Shape.Len())
		switch {
		case x.DType.Quantised():
			quants, scales := append(tensor.Shape{}, x.Shape...), append(tensor.Shape{}, x.Shape...)
			last := len(quants) - 1
			scales[last] /= tensor.BlockLen
			dtype := "I8"
			if x.DType == tensor.Q4 {
				dtype = "U8"
				quants[last] /= 2
			}
			add(x.Name+".quants", dtype, quants, int64(quants.Len()))
			add(x.Name+".scales", "F16", scales, int64(scales.Len())*2)
		case x.DType == tensor.F16:
			add(x.Name, "F16", x.Shape, values*2)
		case x.DType == tensor.I32:
			add(x.Name, "I32", x.Shape, values*4)
		default:
			add(x.Name, "F32", x.Shape, values*4)
		}
		if pad := end - s.bytes; pad > 0 {
			add(fmt.Sprintf("__pad.%d", pads), "U8", tensor.Shape{int(pad)}, pad)
			pads++
		}
	}
	return shards, nil
}

func (w *modelWriter) shard(name string, s *shard, weights []Weight) error {
	header, err := safetensorsHeader(s.entries)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(w.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	sums := newSummer(w.ChunkBytes)
	out := bufio.NewWriterSize(io.MultiWriter(f, sums), 1<<20)
	if _, err := out.Write(header); err != nil {
		return err
	}
	for k, i := range s.weights {
		x := weights[i]
		data, err := x.Data()
		if err != nil {
			return fmt.Errorf("%s: %w", x.Name, err)
		}
		want, _ := tensorBytes(x.DType, x.Shape)
		if int64(len(data)) != want {
			return fmt.Errorf("%s: got %d bytes, want %d for %v of %v", x.Name, len(data), want, x.DType, x.Shape)
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
		w.m.Tensors = append(w.m.Tensors, TensorEntry{Name: x.Name, DType: x.DType, Shape: append(tensor.Shape{}, x.Shape...),
			File: len(w.m.Files), Offset: int64(len(header)) + s.starts[k], Bytes: want})
	}
	if err := errors.Join(out.Flush(), f.Sync()); err != nil {
		return err
	}
	if _, err := OpenSafetensors(f, int64(len(header))+s.bytes); err != nil {
		return err
	}
	w.m.Files = append(w.m.Files, sums.file(name))
	return nil
}

// SaveSafetensors writes small values to one file, f32 or i32, by name.
func SaveSafetensors(path string, values map[string]tensor.Tensor) error {
	var entries []SafetensorsEntry
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		dtype, ok := map[tensor.DType]string{tensor.F32: "F32", tensor.I32: "I32"}[v.DType]
		if !ok {
			return fmt.Errorf("loader: safetensors: %s: %s is %v, want f32 or i32", path, name, v.DType)
		}
		entries = append(entries, SafetensorsEntry{name, dtype, v.Shape, int64(len(data)), int64(len(v.Data))})
		data = append(data, v.Data...)
	}
	header, err := safetensorsHeader(entries)
	if err != nil {
		return err
	}
	if err := writeSynced(path, append(header, data...)); err != nil {
		return fmt.Errorf("loader: safetensors: %w", err)
	}
	return nil
}

// summer computes the sums of a file and of its chunks as it is written.
type summer struct {
	chunkBytes int64
	bytes      int64
	whole      hash.Hash
	sha        hash.Hash
	crc        uint32
	inChunk    int64
	chunks     []Chunk
}

func newSummer(chunkBytes int64) *summer {
	return &summer{chunkBytes: chunkBytes, whole: sha256.New(), sha: sha256.New()}
}

func (s *summer) Write(p []byte) (int, error) {
	s.whole.Write(p)
	s.bytes += int64(len(p))
	for rest := p; len(rest) > 0; {
		n := min(int64(len(rest)), s.chunkBytes-s.inChunk)
		s.sha.Write(rest[:n])
		s.crc = crc32.Update(s.crc, castagnoli, rest[:n])
		rest = rest[n:]
		if s.inChunk += n; s.inChunk == s.chunkBytes {
			s.endChunk()
		}
	}
	return len(p), nil
}

func (s *summer) endChunk() {
	s.chunks = append(s.chunks, Chunk{SHA256: hex.EncodeToString(s.sha.Sum(nil)), CRC32C: s.crc})
	s.sha.Reset()
	s.crc, s.inChunk = 0, 0
}

func (s *summer) file(name string) File {
	if s.inChunk > 0 {
		s.endChunk()
	}
	return File{Path: name, Bytes: s.bytes, SHA256: hex.EncodeToString(s.whole.Sum(nil)), Chunks: s.chunks}
}

// encode writes the manifest with one field, tensor or chunk a line, so that revisions compare well.
func (m *Manifest) encode() ([]byte, error) {
	var text []byte
	var failed error
	add := func(format string, v any) {
		p, err := json.Marshal(v)
		failed = errors.Join(failed, err)
		text = fmt.Appendf(text, format, p)
	}
	add("{\"format\":%s,\n", m.Format)
	add("\"name\":%s,\n", m.Name)
	add("\"revision\":%s,\n", m.Revision)
	add("\"config\":%s,\n", m.Config)
	if m.Tokenizer != nil {
		add("\"tokenizer\":%s,\n", m.Tokenizer)
	}
	add("\"chunkBytes\":%s,\n\"files\":[", m.ChunkBytes)
	for i, f := range m.Files {
		between(&text, i)
		add("{\"path\":%s,", f.Path)
		add("\"bytes\":%s,", f.Bytes)
		add("\"sha256\":%s,\"chunks\":[", f.SHA256)
		for j, c := range f.Chunks {
			between(&text, j)
			add("%s", c)
		}
		text = append(text, "]}"...)
	}
	text = append(text, "],\n\"tensors\":["...)
	for i, t := range m.Tensors {
		between(&text, i)
		add("%s", t)
	}
	text = append(text, ']')
	if len(m.Licences) > 0 {
		add(",\n\"licences\":%s", m.Licences)
	}
	if len(m.Selftest) > 0 {
		add(",\n\"selftest\":%s", m.Selftest)
	}
	return append(text, "}\n"...), failed
}

func between(text *[]byte, i int) {
	if i > 0 {
		*text = append(*text, ',')
	}
	*text = append(*text, '\n')
}

func writeSynced(name string, data []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// install moves a finished model to its place. Of a model that was there, the files it named go.
func install(temp, dir string) error {
	old, err := os.ReadFile(filepath.Join(dir, ManifestName))
	if errors.Is(err, os.ErrNotExist) {
		return os.Rename(temp, dir)
	}
	if err != nil {
		return err
	}
	gone := map[string]bool{ManifestName: true}
	if m, err := ParseManifest(old); err == nil {
		for _, f := range m.Files {
			gone[f.Path] = true
		}
		if m.Tokenizer != nil {
			gone[m.Tokenizer.Path] = true
		}
	}
	aside := temp + ".old"
	if err := os.Rename(dir, aside); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return errors.Join(err, os.Rename(aside, dir))
	}
	others, err := os.ReadDir(aside)
	if err != nil {
		return err
	}
	for _, f := range others {
		if _, err := os.Lstat(filepath.Join(dir, f.Name())); err == nil || gone[f.Name()] {
			continue
		}
		if err := os.Rename(filepath.Join(aside, f.Name()), filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(aside)
}
