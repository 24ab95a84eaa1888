//go:build !js

// Package hub downloads files of model repositories from the Hugging Face hub, or from a server that
// speaks like it. A revision is pinned to its commit first; every file is then fetched at that
// commit, continued where an earlier try stopped, and compared with the sum that the commit's tree
// names before it gets its name. What is in the files is the caller's business.
package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"
)

// DefaultBase is the address of the public hub.
const DefaultBase = "https://huggingface.co"

// ErrHub is in every error of this package; test with errors.Is. An error also holds its cause, such
// as context.Canceled or the operating system's.
var ErrHub = errors.New("hub")

// Client talks to one hub. Set its fields before the first use; afterwards any number of goroutines
// may use it.
type Client struct {
	Base  string // address of the hub: http or https, host, perhaps a path
	Token string // who asks; "" is nobody. It goes to Base's scheme, host and port and nowhere else
	// HTTP makes the requests; nil is http.DefaultClient. Only its Transport and Jar are used.
	HTTP      *http.Client
	UserAgent string // "" is "flamingo"
	// Stall is how long a connection may bring nothing before it is given up; 0 is 60 s.
	Stall time.Duration

	// Tests replace these; nil is the real thing.
	pause func(context.Context, time.Duration) error
	free  func(dir string) (bytes int64, known bool)
}

// New is a client for the hub at base, "" for DefaultBase. The token is that of the environment:
// HF_TOKEN, or else HUGGING_FACE_HUB_TOKEN.
func New(base string) (*Client, error) {
	if base == "" {
		base = DefaultBase
	}
	token := strings.TrimSpace(os.Getenv("HF_TOKEN"))
	if token == "" {
		token = strings.TrimSpace(os.Getenv("HUGGING_FACE_HUB_TOKEN"))
	}
	c := &Client{Base: base, Token: token}
	if _, err := c.visit(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHub, err)
	}
	return c, nil
}

// Repo is a repository at one commit.
type Repo struct {
	ID       string // as asked, like "owner/name"
	Revision string // as asked: a branch, a tag or a commit
	Commit   string // what Revision was then, 40 hexadecimal digits
	Licence  string // as the card names it, "" if it does not
	Files    []RemoteFile
}

// RemoteFile is a file of a commit. Exactly one of the sums is there.
type RemoteFile struct {
	Path     string // from the root of the repository, with slashes
	Size     int64  // in bytes
	SHA256   string // of files in large file storage, 64 hexadecimal digits
	BlobSHA1 string // git's name for the content of other files, 40 hexadecimal digits
}

// Find is the file at path.
func (r *Repo) Find(path string) (RemoteFile, bool) {
	for _, f := range r.Files {
		if f.Path == path {
			return f, true
		}
	}
	return RemoteFile{}, false
}

// visit is a client at work: its fields, checked and completed.
type visit struct {
	*Client
	base  *url.URL
	http  *http.Client
	agent string
	stall time.Duration
}

func (c *Client) visit() (*visit, error) {
	base, err := parseBase(c.Base)
	if err != nil {
		return nil, err
	}
	for _, r := range c.Token {
		if r <= ' ' || r > '~' {
			return nil, fmt.Errorf("token: holds %q, want printable ASCII without spaces; copy HF_TOKEN again", r)
		}
	}
	v := &visit{Client: c, base: base, agent: c.UserAgent, stall: c.Stall}
	if v.agent == "" {
		v.agent = "flamingo"
	}
	if v.stall == 0 {
		v.stall = 60 * time.Second
	}
	given := c.HTTP
	if given == nil {
		given = http.DefaultClient
	}
	next := given.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	v.http = &http.Client{Transport: bearer{base, c.Token, next}, Jar: given.Jar, CheckRedirect: checkRedirect}
	return v, nil
}

// parseBase gives the address without a final slash.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	switch {
	case err != nil: // not shown: it quotes the address, which may hold a password
		return nil, fmt.Errorf("address of the hub: cannot be read, want one like %s", DefaultBase)
	case u.User != nil:
		return nil, fmt.Errorf("address of the hub: holds a user name or password, want none; set HF_TOKEN instead")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(base, "?#"):
		return nil, fmt.Errorf("address of the hub: got %.200q, want one like %s", base, DefaultBase)
	}
	return u, nil
}

// address is that of a path, escaped already, on the hub.
func (v *visit) address(path string) string {
	return v.base.String() + path
}

func checkID(id string) error {
	owner, name, two := strings.Cut(id, "/")
	if !two {
		name = owner
	}
	for _, part := range []string{owner, name} {
		if part == "" || len(part) > 96 || strings.Contains(part, "..") || strings.Trim(part, ".-") != part || strings.ContainsFunc(part, notInID) {
			return fmt.Errorf("repository: got %.200q, want owner/name of letters, digits and . _ -", id)
		}
	}
	return nil
}

func notInID(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
}

func checkRevision(revision string) error {
	bad := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == '\\' }
	if revision == "" || len(revision) > 255 || strings.Trim(revision, "./") != revision || strings.Contains(revision, "..") || strings.ContainsFunc(revision, bad) {
		return fmt.Errorf("revision: got %.300q, want a branch, a tag or a commit, such as main", revision)
	}
	return nil
}

// isHex tells whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
