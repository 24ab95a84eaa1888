//go:build !js

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// Bounds on what a hub may say, far above any real repository.
const (
	maxAnswer = 32 << 20 // bytes of one JSON answer
	maxFiles  = 200_000  // of a commit
	maxPages  = 10_000   // of a commit's tree
	maxSize   = 1 << 42  // bytes of a file; the sizes of maxFiles of them still add up in an int64
)

// Repo asks which commit a revision is, and which files that commit has. id is "owner/name";
// revision is a branch, a tag or a commit, "" for main.
// Source: https://huggingface.co/docs/hub/api.
func (c *Client) Repo(ctx context.Context, id, revision string) (*Repo, error) {
	if revision == "" {
		revision = "main"
	}
	r, err := c.repo(ctx, id, revision)
	if err != nil {
		return nil, fmt.Errorf("%w: %.200q at %.200q: %w", ErrHub, id, revision, err)
	}
	return r, nil
}

func (c *Client) repo(ctx context.Context, id, revision string) (*Repo, error) {
	v, err := c.visit()
	if err != nil {
		return nil, err
	}
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := checkRevision(revision); err != nil {
		return nil, err
	}
	text, _, err := v.getJSON(ctx, id, v.address("/api/models/"+id+"/revision/"+url.PathEscape(revision)))
	if err != nil {
		return nil, err
	}
	r := &Repo{ID: id, Revision: revision}
	if r.Commit, r.Licence, err = parseInfo(text); err != nil {
		return nil, fmt.Errorf("model info: %w", err)
	}
	if isHex(revision, 40) && r.Commit != revision {
		return nil, fmt.Errorf("model info: got commit %s, want the one asked for", r.Commit)
	}
	r.Files, err = v.tree(ctx, id, r.Commit)
	return r, err
}

// tree lists all files, page by page. Of the address of the next page only the query is used, which
// holds the cursor: whatever a hub answers, the next request goes to the same place.
func (v *visit) tree(ctx context.Context, id, commit string) ([]RemoteFile, error) {
	address := v.address("/api/models/" + id + "/tree/" + commit)
	var files []RemoteFile
	paths, queries := map[string]bool{}, map[string]bool{}
	for query := "recursive=true"; query != ""; {
		queries[query] = true
		text, header, err := v.getJSON(ctx, id, address+"?"+query)
		if err != nil {
			return nil, err
		}
		page, err := parseTree(text)
		if err != nil {
			return nil, fmt.Errorf("tree: %w", err)
		}
		for _, f := range page {
			if paths[f.Path] {
				return nil, fmt.Errorf("tree: %.200q appears twice, want once", f.Path)
			}
			paths[f.Path] = true
		}
		files = append(files, page...)
		query = nextQuery(header)
		if len(files) > maxFiles || queries[query] || len(queries) > maxPages {
			return nil, fmt.Errorf("tree: does not end after %d files in %d pages; check the address of the hub", len(files), len(queries))
		}
	}
	return files, nil
}

var nextLink = regexp.MustCompile(`<([^<>]*)>\s*;\s*rel="?next"?`)

// nextQuery is the query of the next page's address, "" on the last page.
func nextQuery(h http.Header) string {
	m := nextLink.FindStringSubmatch(strings.Join(h.Values("Link"), ", "))
	if m == nil {
		return ""
	}
	u, err := url.Parse(m[1])
	if err != nil {
		return ""
	}
	return u.RawQuery
}

// getJSON fetches a whole answer of the hub's API.
func (v *visit) getJSON(ctx context.Context, id, address string) (text []byte, header http.Header, err error) {
	err = v.patiently(ctx, func() (bool, error) {
		a, err := v.open(ctx, id, address, nil)
		if err != nil {
			return false, err
		}
		defer a.close()
		header = a.Header
		if text, err = io.ReadAll(io.LimitReader(a, maxAnswer+1)); err != nil {
			return false, err
		}
		if len(text) > maxAnswer {
			return false, fmt.Errorf("%s: more than %d bytes, want a shorter answer; check the address of the hub", address, maxAnswer)
		}
		return false, nil
	})
	return text, header, err
}

// parseInfo reads what the hub says of a model at a revision.
func parseInfo(text []byte) (commit, licence string, err error) {
	var info struct {
		SHA      string          `json:"sha"`
		CardData json.RawMessage `json:"cardData"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return "", "", notJSON(text, err)
	}
	if !isHex(info.SHA, 40) {
		return "", "", fmt.Errorf("got commit %.80q, want 40 hexadecimal digits; check the address of the hub", info.SHA)
	}
	return info.SHA, parseLicence(info.CardData), nil
}

// parseLicence reads the card, which people write by hand: what it does not say clearly is unknown.
func parseLicence(card []byte) string {
	var c struct {
		License     json.RawMessage `json:"license"` // a name, or several
		LicenseName any             `json:"license_name"`
	}
	if json.Unmarshal(card, &c) != nil {
		return ""
	}
	var names []string
	if json.Unmarshal(c.License, &names) != nil {
		names = make([]string, 1)
		if json.Unmarshal(c.License, &names[0]) != nil {
			return ""
		}
	}
	licence := strings.Join(names, ", ")
	if own, ok := c.LicenseName.(string); ok && own != "" && licence == "other" {
		licence = own
	}
	if len(licence) > 200 || strings.ContainsFunc(licence, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return licence
}

// parseTree reads one page of a commit's tree. Directories and submodules are left out.
func parseTree(text []byte) ([]RemoteFile, error) {
	var entries []struct {
		Type string `json:"type"`
		Path string `json:"path"`
		Size int64  `json:"size"`
		OID  string `json:"oid"` // git's: in large file storage, that of the pointer to it
		LFS  *struct {
			OID  string `json:"oid"`
			Size int64  `json:"size"`
		} `json:"lfs"`
	}
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, notJSON(text, err)
	}
	var files []RemoteFile
	for _, e := range entries {
		if e.Type != "file" {
			continue
		}
		f := RemoteFile{Path: e.Path, Size: e.Size, BlobSHA1: e.OID}
		if e.LFS != nil {
			f = RemoteFile{Path: e.Path, Size: e.LFS.Size, SHA256: e.LFS.OID}
		}
		if f.Path == "" {
			return nil, errors.New("a file without a path, want one; check the address of the hub")
		}
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("%.200q: %w", f.Path, err)
		}
		files = append(files, f)
	}
	return files, nil
}

func (f RemoteFile) check() error {
	if f.Size < 0 || f.Size > maxSize {
		return fmt.Errorf("got a size of %d bytes, want 0 to %d", f.Size, int64(maxSize))
	}
	if f.SHA256 != "" && !isHex(f.SHA256, 64) {
		return fmt.Errorf("got SHA-256 %.80q, want 64 hexadecimal digits", f.SHA256)
	}
	if f.SHA256 == "" && !isHex(f.BlobSHA1, 40) {
		return fmt.Errorf("got git blob %.80q, want 40 hexadecimal digits; without a sum it cannot be verified", f.BlobSHA1)
	}
	return nil
}

func notJSON(text []byte, err error) error {
	return fmt.Errorf("got %.60q, want the JSON of the hub's API: %w; check the address of the hub", text, err)
}
