//go:build !js

package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"
)

// A file that is under way has the ending partEnding, and beside it a note of what it is.
const (
	partEnding = ".part"
	noteEnding = ".part.json"
)

// content names what a file holds, whichever commit it is reached by.
func (f RemoteFile) content() string {
	if f.SHA256 != "" {
		return "sha256:" + f.SHA256
	}
	return "blob:" + f.BlobSHA1
}

// hash starts the sum that content names.
func (f RemoteFile) hash() hash.Hash {
	if f.SHA256 != "" {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", f.Size)
	return h
}

// matches compares a finished hash with the sum of the file, and gives what it got instead.
func (f RemoteFile) matches(h hash.Hash) (got string, ok bool) {
	kind, want, _ := strings.Cut(f.content(), ":")
	got = hex.EncodeToString(h.Sum(nil))
	return kind + ":" + got, got == want
}

// note is the JSON beside a part. A part whose note names other content is of no use.
type note struct {
	Content string `json:"content"`
	ETag    string `json:"etag,omitempty"` // of the server the bytes came from, if it is a strong one
}

// part is a file under way, open for appending.
type part struct {
	root *os.Root
	of   RemoteFile
	file *os.File
	sum  hash.Hash // of the bytes so far
	have int64     // bytes so far
	note note
}

// partBytes is how much of a file an earlier try has left.
func partBytes(root *os.Root, f RemoteFile) int64 {
	if readNote(root, f).Content != f.content() {
		return 0
	}
	info, err := root.Stat(f.Path + partEnding)
	if err != nil || info.Size() > f.Size {
		return 0
	}
	return info.Size()
}

func readNote(root *os.Root, f RemoteFile) (n note) {
	text, err := root.ReadFile(f.Path + noteEnding)
	if err != nil || json.Unmarshal(text, &n) != nil {
		return note{}
	}
	return n
}

// openPart continues what an earlier try has left, or starts from nothing.
func openPart(ctx context.Context, root *os.Root, f RemoteFile) (*part, error) {
	if err := root.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
		return nil, err
	}
	left := partBytes(root, f)
	file, err := root.OpenFile(f.Path+partEnding, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	p := &part{root: root, of: f, file: file, sum: f.hash(), note: readNote(root, f)}
	if left > 0 {
		p.have, err = addTo(ctx, p.sum, file, left)
	} else {
		err = p.restart("")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

// restart forgets all bytes, and notes that those to come have the tag etag.
func (p *part) restart(etag string) error {
	p.sum, p.have = p.of.hash(), 0
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if strings.HasPrefix(etag, "W/") {
		etag = "" // does not promise the same bytes
	}
	p.note = note{Content: p.of.content(), ETag: etag}
	text, err := json.Marshal(p.note)
	if err != nil {
		return err
	}
	return p.root.WriteFile(p.of.Path+noteEnding, text, 0o644)
}

func (p *part) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	p.sum.Write(data[:n])
	p.have += int64(n)
	return n, err
}

// finish gives the file its name, if its sum is right. A *mismatch means that the bytes are gone.
func (p *part) finish() error {
	if got, ok := p.of.matches(p.sum); !ok {
		return p.discard(fmt.Errorf("got %s, want %s", got, p.of.content()))
	}
	if err := errors.Join(p.file.Sync(), p.file.Close()); err != nil {
		return err
	}
	if err := p.root.Rename(p.of.Path+partEnding, p.of.Path); err != nil {
		return err
	}
	return p.root.Remove(p.of.Path + noteEnding)
}

// mismatch is the error of bytes that are not those of the commit.
type mismatch struct{ error }

// discard removes the bytes, for a reason.
func (p *part) discard(reason error) error {
	err := errors.Join(p.file.Close(), p.root.Remove(p.of.Path+partEnding), p.root.Remove(p.of.Path+noteEnding))
	if err != nil {
		return errors.Join(reason, err)
	}
	return &mismatch{reason}
}

// addTo hashes n bytes of r, which stops early when ctx ends.
func addTo(ctx context.Context, h hash.Hash, r io.Reader, n int64) (int64, error) {
	return io.CopyBuffer(h, io.LimitReader(readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return r.Read(p)
	}), n), make([]byte, 1<<20))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
