//go:build !js

package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// bearer adds the token to requests to the hub itself. It does so here, below redirects, because
// http.Client would carry a header on to subdomains, which belong to others: the hub's files are on
// hosts of storage providers.
type bearer struct {
	base  *url.URL
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" && sameOrigin(r.URL, b.base) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

var errRedirect = errors.New("redirect not followed")

func checkRedirect(r *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL.Scheme, r.URL.Scheme
	if len(via) >= 10 {
		return fmt.Errorf("%w: the 11th in a row, want at most 10", errRedirect)
	}
	if to != "https" && (from == "https" || to != "http") {
		return fmt.Errorf("%w: from %s to %.20q, want https", errRedirect, from, to)
	}
	return nil
}

// answer is a response whose body is watched for stalls.
type answer struct {
	*http.Response
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	place  string // the address, without its query, which may be a signature
}

var errStalled = errors.New("the connection brought nothing")

// open asks for an address of the repository id and returns the answer if it is the thing asked for,
// or a range of it. Errors that may pass are *temporary.
func (v *visit) open(ctx context.Context, id, address string, header http.Header) (*answer, error) {
	a := &answer{stall: v.stall, place: withoutQuery(address)}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.timer = time.AfterFunc(a.stall, func() { a.cancel(errStalled) })
	r, err := http.NewRequestWithContext(a.ctx, http.MethodGet, address, nil)
	if err != nil {
		a.close()
		return nil, err
	}
	if header != nil {
		r.Header = header
	}
	r.Header.Set("User-Agent", v.agent)
	a.Response, err = v.http.Do(r)
	a.timer.Stop()
	if err != nil {
		err = a.explain(err)
		a.close()
		return nil, err
	}
	a.place = withoutQuery(a.Request.URL.String())
	if a.StatusCode != http.StatusOK && a.StatusCode != http.StatusPartialContent {
		a.close()
		return nil, v.refuse(id, a)
	}
	return a, nil
}

func (a *answer) close() {
	a.timer.Stop()
	a.cancel(nil)
	if a.Response != nil {
		a.Body.Close()
	}
}

// Read reads the body. Its error is io.EOF at the end and otherwise that of explain.
func (a *answer) Read(p []byte) (int, error) {
	a.timer.Reset(a.stall)
	n, err := a.Body.Read(p)
	a.timer.Stop()
	if err != nil && err != io.EOF {
		err = a.explain(err)
	}
	return n, err
}

func (a *answer) explain(err error) error {
	place := a.place
	if u := (*url.Error)(nil); errors.As(err, &u) {
		place, err = withoutQuery(u.URL), u.Err
	}
	if context.Cause(a.ctx) == errStalled {
		err = fmt.Errorf("%w for %v; check the connection", errStalled, a.stall)
	}
	err = fmt.Errorf("%s: %w", place, err)
	if untrusted := (*tls.CertificateVerificationError)(nil); errors.As(err, &untrusted) || errors.Is(err, errRedirect) {
		return err
	}
	return &temporary{err: err}
}

func withoutQuery(address string) string {
	address, _, _ = strings.Cut(address, "?")
	return address
}

// refuse turns an answer that is not the thing into an error.
func (v *visit) refuse(id string, a *answer) error {
	said := fmt.Sprintf("status %d %s", a.StatusCode, http.StatusText(a.StatusCode))
	if m := a.Header.Get("X-Error-Message"); m != "" {
		said += fmt.Sprintf(" (%.200q)", m)
	}
	page := v.address("/" + id)
	login := fmt.Sprintf("accept its terms at %s and set HF_TOKEN", page)
	if v.Token != "" {
		login = fmt.Sprintf("accept its terms at %s with the account of HF_TOKEN, and check that the token is valid and may read it", page)
	}
	code := a.Header.Get("X-Error-Code")
	advice := "check the address of the hub"
	switch {
	case a.StatusCode == 408 || a.StatusCode == 425 || a.StatusCode == 429 || a.StatusCode >= 500:
		return &temporary{err: fmt.Errorf("%s: %s", a.place, said), after: retryAfter(a.Header, time.Now())}
	case a.StatusCode == 416:
		return &temporary{err: fmt.Errorf("%s: %w", a.place, errNoSuchRange)}
	case !sameOrigin(a.Request.URL, v.base): // storage, whose signed addresses expire: the hub has others
		return &temporary{err: fmt.Errorf("%s: the storage behind the hub says %s", a.place, said)}
	case code == "GatedRepo":
		advice = "gated: " + login
	case code == "RevisionNotFound":
		advice = "no such revision: look for its branches, tags and commits at " + page
	case code == "EntryNotFound":
		advice = "no such file in this commit: look at " + page + "/tree/main"
	case a.StatusCode == 404:
		advice = "no such repository: check its name and the address of the hub"
	case code == "RepoNotFound":
		advice = "no such repository, or gated or private: check its name, " + login
	case a.StatusCode == 401 || a.StatusCode == 403:
		advice = "gated or private: " + login
	}
	return fmt.Errorf("%s: %s: %s", a.place, said, advice)
}
