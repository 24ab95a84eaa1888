//go:build !js

package hub

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// What cannot be the file is found before the bytes at hand are touched for it.

// checkPinned looks at commit and sum where the hub names them: in its own answer, from which a
// redirect may have led away.
func (a *answer) checkPinned(commit string, f RemoteFile) error {
	for r := a.Response; r != nil; r = r.Request.Response {
		if got := r.Header.Get("X-Repo-Commit"); isHex(got, 40) && got != commit {
			return fmt.Errorf("%s: got commit %s, want the one asked for; check the address of the hub", a.place, got)
		}
		got := strings.Trim(strings.TrimPrefix(r.Header.Get("X-Linked-ETag"), "W/"), `"`)
		if isHex(got, 64) && f.SHA256 != "" && got != f.SHA256 {
			return fmt.Errorf("%s: got a link to sha256:%s, want that of the tree, sha256:%s; ask for the revision again", a.place, got, f.SHA256)
		}
	}
	return nil
}

// checkBody tells whether the body may be that of f, or what f lacks after its first have bytes.
func (a *answer) checkBody(f RemoteFile, have int64) error {
	if e := a.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fmt.Errorf("got Content-Encoding %.40q, want none", e)
	}
	kind := a.Header.Get("Content-Type")
	if strings.HasPrefix(kind, "text/html") && !strings.HasPrefix(path.Ext(f.Path), ".htm") {
		return fmt.Errorf("got %.40q, a web page, want the file; sign in to this network", kind)
	}
	if a.StatusCode == http.StatusOK {
		if a.ContentLength >= 0 && a.ContentLength != f.Size {
			return fmt.Errorf("got %d bytes, want %d", a.ContentLength, f.Size)
		}
		return nil
	}
	got := a.Header.Get("Content-Range")
	var from, last, total int64
	known := strings.Replace(got, "/*", fmt.Sprintf("/%d", f.Size), 1)
	if n, _ := fmt.Sscanf(known, "bytes %d-%d/%d", &from, &last, &total); n != 3 || from != have || last < from || last >= total || total != f.Size {
		return fmt.Errorf("got Content-Range %.80q, want bytes %d-%d/%d", got, have, f.Size-1, f.Size)
	}
	return nil
}
