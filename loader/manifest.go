package loader

import (
	"encoding/json"
	"fmt"

	"flamingo/tensor"
)

const (
	// Format is the manifest version this package reads and writes.
	Format = "flamingo/1"
	// ManifestName is the manifest's file name in a model's directory.
	ManifestName = "flamingo.json"
	// MaxManifest is the largest manifest accepted, in bytes.
	MaxManifest = 8 << 20
	// DefaultChunk is the length in bytes of the pieces that are fetched, checked and stored as one.
	DefaultChunk = 4 << 20

	maxSafe = 1<<53 - 1 // largest integer every JSON reader keeps exact
)

// Manifest describes a model: its configuration, its files and where each tensor lies in them.
type Manifest struct {
	Format     string          `json:"format"`
	Name       string          `json:"name"`
	Revision   string          `json:"revision"` // hex; changes with the content
	Config     json.RawMessage `json:"config"`   // the model's, opaque here
	Tokenizer  *FileRef        `json:"tokenizer,omitempty"`
	ChunkBytes int64           `json:"chunkBytes"`
	Files      []File          `json:"files"`
	Tensors    []TensorEntry   `json:"tensors"` // in use order
	Licences   []Licence       `json:"licences,omitempty"`
	Selftest   json.RawMessage `json:"selftest,omitempty"` // the model's, opaque here

	origin origin
}

// origin is where a fetched manifest came from, so that a complete load can remember it.
type origin struct {
	url  string
	raw  []byte
	kept bool // raw is already stored under manifest/URL
}

// FileRef names a small file that is read whole.
type FileRef struct {
	Path   string `json:"path"` // relative to the manifest
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// File is one safetensors shard. Chunk i covers bytes [i*ChunkBytes, (i+1)*ChunkBytes) of it; the
// last one may be shorter.
type File struct {
	Path   string  `json:"path"`
	Bytes  int64   `json:"bytes"`
	SHA256 string  `json:"sha256"`
	Chunks []Chunk `json:"chunks"`
}

// Chunk holds the sums of one chunk: SHA-256 in hex, checked on arrival, and CRC-32 (Castagnoli),
// checked on every read from the store.
type Chunk struct {
	SHA256 string `json:"sha256"`
	CRC32C uint32 `json:"crc32c"`
}

// TensorEntry is the place of one tensor. Offset counts from the start of the file, header
// included; Offset and Bytes are multiples of 4.
type TensorEntry struct {
	Name   string       `json:"name"`
	DType  tensor.DType `json:"dtype"`
	Shape  tensor.Shape `json:"shape"`
	File   int          `json:"file"`
	Offset int64        `json:"offset"`
	Bytes  int64        `json:"bytes"`
}

// Licence is the terms of one part of the model.
type Licence struct {
	Component string `json:"component"`
	SPDX      string `json:"spdx"`
	URL       string `json:"url,omitempty"`
}

// Bytes is the size of the files that hold the weights.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Bytes
	}
	return n
}

// Parameters is the number of values in all tensors.
func (m *Manifest) Parameters() int64 {
	var n int64
	for _, t := range m.Tensors {
		n += int64(t.Shape.Len())
	}
	return n
}

// ParseManifest decodes and validates a manifest. Unknown and repeated fields are errors, as is
// anything Validate rejects; errors wrap ErrManifest and name the field.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifest {
		return nil, fmt.Errorf("loader: %w: %d bytes, want at most %d", ErrManifest, len(data), MaxManifest)
	}
	m := &Manifest{}
	d := newStrict(data)
	err := d.object("", func(key string) error {
		switch key {
		case "format":
			return d.value(key, &m.Format)
		case "name":
			return d.value(key, &m.Name)
		case "revision":
			return d.value(key, &m.Revision)
		case "config":
			return d.value(key, &m.Config)
		case "tokenizer":
			m.Tokenizer = &FileRef{}
			return d.file(key, m.Tokenizer)
		case "chunkBytes":
			return d.value(key, &m.ChunkBytes)
		case "files":
			return d.array(key, func(at string) error {
				m.Files = append(m.Files, File{})
				return d.shard(at, &m.Files[len(m.Files)-1])
			})
		case "tensors":
			return d.array(key, func(at string) error {
				m.Tensors = append(m.Tensors, TensorEntry{})
				return d.tensor(at, &m.Tensors[len(m.Tensors)-1])
			})
		case "licences":
			return d.array(key, func(at string) error {
				m.Licences = append(m.Licences, Licence{})
				return d.licence(at, &m.Licences[len(m.Licences)-1])
			})
		case "selftest":
			return d.value(key, &m.Selftest)
		}
		return errUnknownField
	})
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return nil, fmt.Errorf("loader: %w: %w", ErrManifest, err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

func (d *strict) file(at string, f *FileRef) error {
	return d.object(at, func(key string) error {
		switch key {
		case "path":
			return d.value(at+"."+key, &f.Path)
		case "bytes":
			return d.value(at+"."+key, &f.Bytes)
		case "sha256":
			return d.value(at+"."+key, &f.SHA256)
		}
		return errUnknownField
	})
}

func (d *strict) shard(at string, f *File) error {
	return d.object(at, func(key string) error {
		switch key {
		case "path":
			return d.value(at+"."+key, &f.Path)
		case "bytes":
			return d.value(at+"."+key, &f.Bytes)
		case "sha256":
			return d.value(at+"."+key, &f.SHA256)
		case "chunks":
			return d.array(at+"."+key, func(at string) error {
				f.Chunks = append(f.Chunks, Chunk{})
				return d.chunk(at, &f.Chunks[len(f.Chunks)-1])
			})
		}
		return errUnknownField
	})
}

func (d *strict) chunk(at string, c *Chunk) error {
	return d.object(at, func(key string) error {
		switch key {
		case "sha256":
			return d.value(at+"."+key, &c.SHA256)
		case "crc32c":
			return d.value(at+"."+key, &c.CRC32C)
		}
		return errUnknownField
	})
}

func (d *strict) tensor(at string, t *TensorEntry) error {
	var dtype string
	err := d.object(at, func(key string) error {
		switch key {
		case "name":
			return d.value(at+"."+key, &t.Name)
		case "dtype":
			return d.value(at+"."+key, &dtype)
		case "shape":
			t.Shape = tensor.Shape{} // [] is a scalar, and shall be written as [] again
			return d.array(at+"."+key, func(at string) error {
				t.Shape = append(t.Shape, 0)
				return d.value(at, &t.Shape[len(t.Shape)-1])
			})
		case "file":
			return d.value(at+"."+key, &t.File)
		case "offset":
			return d.value(at+"."+key, &t.Offset)
		case "bytes":
			return d.value(at+"."+key, &t.Bytes)
		}
		return errUnknownField
	})
	if err != nil {
		return err
	}
	if t.DType, err = tensor.ParseDType(dtype); err != nil {
		return fmt.Errorf("%s (%s).dtype: got %q, want one of f32, f16, q8, q4, i32", at, t.Name, dtype)
	}
	return nil
}

func (d *strict) licence(at string, l *Licence) error {
	return d.object(at, func(key string) error {
		switch key {
		case "component":
			return d.value(at+"."+key, &l.Component)
		case "spdx":
			return d.value(at+"."+key, &l.SPDX)
		case "url":
			return d.value(at+"."+key, &l.URL)
		}
		return errUnknownField
	})
}
