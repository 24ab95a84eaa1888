//go:build !js

package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
)

// Progress hears how many of a file's bytes are there. done may fall when a file has to be started
// again. Calls come one at a time, and the download waits for each.
type Progress func(repo, path string, done, total int64)

// download is one call of Download.
type download struct {
	*visit
	repo     *Repo
	root     *os.Root
	verified verified
	progress Progress
}

// Download brings files of r into dir, one after another, each to its path below dir, and verifies
// them. A file that is there already and has the right sum is not fetched; one with another sum is
// replaced. What a failed or cancelled call has fetched stays beside the file's name, ending in
// .part, and the next call goes on from there. One call at a time may use a dir. p may be nil.
func (c *Client) Download(ctx context.Context, r *Repo, paths []string, dir string, p Progress) error {
	if err := c.download(ctx, r, paths, dir, p); err != nil {
		return fmt.Errorf("%w: %.200q at %.40q: %w", ErrHub, r.ID, r.Commit, err)
	}
	return nil
}

func (c *Client) download(ctx context.Context, r *Repo, paths []string, dir string, p Progress) error {
	v, err := c.visit()
	if err != nil {
		return err
	}
	if err := checkID(r.ID); err != nil {
		return err
	}
	if !isHex(r.Commit, 40) {
		return fmt.Errorf("commit: got %.80q, want 40 hexadecimal digits, as Repo finds them", r.Commit)
	}
	files, err := r.choose(paths)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if p == nil {
		p = func(string, string, int64, int64) {}
	}
	d := &download{v, r, root, readVerified(root), p}
	missing, need, err := d.missing(ctx, files)
	if err != nil {
		return err
	}
	if free, known := v.freeBytes(dir); known && need > free {
		return fmt.Errorf("%s: got %d bytes of free disk space, want %d; make room, or choose a directory on another disk", dir, free, need)
	}
	for _, f := range missing {
		if err := d.fetch(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

func (c *Client) freeBytes(dir string) (bytes int64, known bool) {
	if c.free != nil {
		return c.free(dir)
	}
	return freeBytes(dir)
}

// choose finds the files of the paths, each once.
func (r *Repo) choose(paths []string) ([]RemoteFile, error) {
	var files []RemoteFile
	seen := map[string]bool{}
	for _, p := range paths {
		if seen[p] {
			continue
		}
		seen[p] = true
		if err := checkPath(p); err != nil {
			return nil, err
		}
		f, ok := r.Find(p)
		if !ok {
			return nil, fmt.Errorf("%.200q: not among the %d files of the commit; check its name", p, len(r.Files))
		}
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("%.200q: %w", p, err)
		}
		files = append(files, f)
	}
	return files, nil
}

// checkPath lets no path leave the directory or meet the files that downloads need there.
func checkPath(p string) error {
	if !fs.ValidPath(p) || p == "." || !filepath.IsLocal(filepath.FromSlash(p)) || strings.Contains(p, `\`) || strings.ContainsFunc(p, unicode.IsControl) {
		return fmt.Errorf(`path: got %.200q, want names between single slashes, without .., \ and control characters`, p)
	}
	if strings.HasSuffix(p, partEnding) || strings.HasSuffix(p, noteEnding) || p == verifiedName {
		return fmt.Errorf("path: got %.200q, want another name: downloads use this one themselves", p)
	}
	return nil
}

// missing are the files that have to be fetched, and how many bytes they need besides what is there.
func (d *download) missing(ctx context.Context, files []RemoteFile) (missing []RemoteFile, need int64, err error) {
	for _, f := range files {
		there, err := d.verified.has(ctx, d.root, f)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", f.Path, err)
		}
		if there {
			d.progress(d.repo.ID, f.Path, f.Size, f.Size)
			continue
		}
		missing = append(missing, f)
		need += f.Size - partBytes(d.root, f)
	}
	return missing, need, nil
}

// fetch brings a file. Bytes with a wrong sum may be an accident, once.
func (d *download) fetch(ctx context.Context, f RemoteFile) error {
	var wrong *mismatch
	err := d.bring(ctx, f)
	if errors.As(err, &wrong) {
		err = d.bring(ctx, f)
	}
	if errors.As(err, &wrong) {
		return fmt.Errorf("%w, twice; a proxy may change files on the way: try another connection", err)
	}
	if err != nil {
		return err
	}
	return d.verified.add(d.root, f)
}

func (d *download) bring(ctx context.Context, f RemoteFile) error {
	p, err := openPart(ctx, d.root, f)
	if err != nil {
		return err
	}
	defer p.file.Close() // after finish or discard it does nothing
	d.progress(d.repo.ID, f.Path, p.have, f.Size)
	most := p.have
	if p.have < f.Size {
		err = d.patiently(ctx, func() (bool, error) {
			err := d.extend(ctx, p)
			fresh := p.have > most
			most = max(most, p.have)
			return fresh, err
		})
	}
	if err != nil {
		return err
	}
	return p.finish()
}

var errNoSuchRange = errors.New("no such range of the file")

// extend makes one request for what a part lacks.
func (d *download) extend(ctx context.Context, p *part) error {
	// identity: a sum and a range are those of the file, not of a compressed form of it.
	header := http.Header{"Accept-Encoding": {"identity"}}
	if p.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", p.have))
		// Some of the hub's storage sends no tag. The commit pins the content, and the sum decides.
		if p.note.ETag != "" {
			header.Set("If-Range", p.note.ETag)
		}
	}
	a, err := d.open(ctx, d.repo.ID, d.resolve(p.of.Path), header)
	if errors.Is(err, errNoSuchRange) {
		if err := p.restart(""); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	defer a.close()
	if err := a.checkPinned(d.repo.Commit, p.of); err != nil {
		return err
	}
	if err := a.checkBody(p.of, p.have); err != nil {
		return &temporary{err: fmt.Errorf("%s: %w", a.place, err)}
	}
	if a.StatusCode == http.StatusOK {
		if err := p.restart(a.Header.Get("ETag")); err != nil {
			return err
		}
	}
	return d.receive(a, p)
}

// resolve is the address of a file at the commit.
func (d *download) resolve(file string) string {
	parts := strings.Split(path.Join(d.repo.Commit, file), "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return d.address("/" + d.repo.ID + "/resolve/" + strings.Join(parts, "/"))
}

// receive appends the body to the part. What goes on beyond the size in the tree is left unread.
func (d *download) receive(a *answer, p *part) error {
	body := io.LimitReader(a, p.of.Size-p.have)
	data := make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(body, data)
		if _, err := p.Write(data[:n]); err != nil {
			return err
		}
		d.progress(d.repo.ID, p.of.Path, p.have, p.of.Size)
		switch {
		case p.have == p.of.Size:
			return nil
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return &temporary{err: fmt.Errorf("%s: ends after %d bytes, want %d", a.place, p.have, p.of.Size)}
		case err != nil:
			return err
		}
	}
}
