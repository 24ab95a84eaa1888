// Command precompress writes FILE.br and FILE.gz beside each FILE, JavaScript
// without its comments, and prints what a visitor downloads. It compresses only files that changed, since brotli
// at its highest level takes ten seconds for the wasm binary.
//
//	precompress -budget 1300000 web/flamingo.wasm web/*.js
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/andybalholm/brotli"
)

func main() {
	budget := flag.Int64("budget", 0, "fail when all files together exceed this many bytes in brotli (0: no limit)")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: precompress [-budget BYTES] FILE...")
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Args(), *budget); err != nil {
		fmt.Fprintln(os.Stderr, "precompress:", err)
		os.Exit(1)
	}
}

// sizes are the bytes of one file as it is, in gzip and in brotli.
type sizes struct{ raw, gz, br int64 }

func run(out io.Writer, paths []string, budget int64) error {
	var total sizes
	fmt.Fprintf(out, "%-28s %12s %12s %12s\n", "bytes", "raw", "gzip", "brotli")
	row := func(name string, s sizes) { fmt.Fprintf(out, "%-28s %12d %12d %12d\n", name, s.raw, s.gz, s.br) }
	for _, p := range paths {
		s, err := precompress(p)
		if err != nil {
			return err
		}
		row(filepath.Base(p), s)
		total = sizes{total.raw + s.raw, total.gz + s.gz, total.br + s.br}
	}
	row("total", total)
	if budget == 0 {
		return nil
	}
	fmt.Fprintf(out, "budget: %d of %d bytes brotli (%d %%)\n", total.br, budget, total.br*100/budget)
	if total.br > budget {
		return fmt.Errorf("%d bytes brotli, want at most %d: look for a new dependency with `go list -deps`, or for a file that should not ship", total.br, budget)
	}
	return nil
}

// comment is a comment that has its lines to itself. In our own modules these are a sixth of the bytes and nobody's
// browser reads them; the empty lines stay, so that errors name the lines of the source.
var comment = regexp.MustCompile(`(?m)^[ \t]*//.*$`)

// precompress brings path.br and path.gz up to date.
func precompress(path string) (sizes, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return sizes{}, err
	}
	raw := int64(len(data))
	if filepath.Ext(path) == ".js" && !bytes.Contains(data, []byte("Copyright")) {
		data = comment.ReplaceAll(data, nil)
	}
	if !current(path+".gz", data) || !exists(path+".br") {
		// The gzip file vouches for both, so it is written last.
		os.Remove(path + ".gz")
		if err := write(path+".br", data, func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, brotli.BestCompression) }); err != nil {
			return sizes{}, err
		}
		if err := write(path+".gz", data, newGzip); err != nil {
			return sizes{}, err
		}
	}
	s := sizes{raw: raw}
	// The server takes a sibling older than its file for a stale one.
	now := time.Now()
	for ext, size := range map[string]*int64{".br": &s.br, ".gz": &s.gz} {
		if err := os.Chtimes(path+ext, now, now); err != nil {
			return sizes{}, err
		}
		st, err := os.Stat(path + ext)
		if err != nil {
			return sizes{}, err
		}
		*size = st.Size()
	}
	return s, nil
}

// current reports whether the gzip file at path holds data.
func current(path string, data []byte) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return false
	}
	old, err := io.ReadAll(z)
	return err == nil && bytes.Equal(old, data)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func newGzip(w io.Writer) io.WriteCloser {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	return z
}

// write puts data through a compressor into path; a reader never sees half a file.
func write(path string, data []byte, compress func(io.Writer) io.WriteCloser) error {
	var b bytes.Buffer
	z := compress(&b)
	if _, err := z.Write(data); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
