//go:build !js

package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRepo(t *testing.T) {
	h := newFakeHub(t)
	for _, pages := range []int{1, 2, 100} {
		h.pages = pages
		c, _ := h.client()
		r, err := c.Repo(t.Context(), testID, "")
		if err != nil {
			t.Fatal(err)
		}
		if r.ID != testID || r.Revision != "main" || r.Commit != commitA || r.Licence != "mit" || len(r.Files) != 4 {
			t.Errorf("%d a page: %+v", pages, r)
		}
		big, small := h.files[commitA][bigPath], h.files[commitA][tinyPath]
		if f, ok := r.Find(bigPath); !ok || f != (RemoteFile{bigPath, int64(len(big)), sha256Of(big), ""}) {
			t.Errorf("large file: %+v, %v", f, ok)
		}
		if f, ok := r.Find(tinyPath); !ok || f != (RemoteFile{tinyPath, int64(len(small)), "", blobOf(small)}) {
			t.Errorf("small file: %+v, %v", f, ok)
		}
		if f, ok := r.Find("dir0"); ok {
			t.Errorf("a directory: %+v", f)
		}
	}
	for _, a := range h.requests() {
		if a.token != "" {
			t.Errorf("token %q without one in the environment", a.token)
		}
	}
}

func TestRevisionIsEscaped(t *testing.T) {
	h := newFakeHub(t)
	c, _ := h.client()
	if _, err := c.Repo(t.Context(), testID, "refs/pr/1#?"); err == nil {
		t.Error("found")
	}
	if want := "/api/models/" + testID + "/revision/refs%2Fpr%2F1%23%3F"; h.requests()[0].path != want {
		t.Errorf("asked for %s, want %s", h.requests()[0].path, want)
	}
}

func TestNew(t *testing.T) {
	for _, row := range []struct {
		base, token, older string
		want, wantToken    string // "": an error
	}{
		{base: "", want: DefaultBase},
		{base: "https://mirror.example/hub", token: "hf_a", older: "hf_b", want: "https://mirror.example/hub", wantToken: "hf_a"},
		{base: "http://127.0.0.1:8080", token: " \n", older: "hf_b\n", want: "http://127.0.0.1:8080", wantToken: "hf_b"},
		{base: "ftp://mirror.example"},
		{base: "mirror.example"},
		{base: "https://"},
		{base: "https://me:secret@mirror.example"},
		{base: "https://mirror.example?"},
		{base: "https://mirror.example#x"},
		{base: "https://mir ror.example"},
		{base: "", token: "hf_\x01secret"},
	} {
		t.Setenv("HF_TOKEN", row.token)
		t.Setenv("HUGGING_FACE_HUB_TOKEN", row.older)
		c, err := New(row.base)
		if row.want == "" {
			if !errors.Is(err, ErrHub) || strings.Contains(err.Error(), "secret") {
				t.Errorf("New(%q): %v", row.base, err)
			}
		} else if err != nil || c.Base != row.want || c.Token != row.wantToken {
			t.Errorf("New(%q): %+v, %v", row.base, c, err)
		}
	}
}

// answers is a hub that says the same to everything.
func answers(t *testing.T, status int, header http.Header, body string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRepoErrors(t *testing.T) {
	code := func(c string) http.Header { return http.Header{"X-Error-Code": {c}, "X-Error-Message": {"we said"}} }
	for _, row := range []struct {
		name         string
		id, revision string
		token        string
		status       int
		header       http.Header
		body         string
		want         []string
		waits        int
	}{
		{name: "401", status: 401, want: []string{"status 401", "gated or private: accept its terms at ", "/owner/some-model and set HF_TOKEN"}},
		{name: "401 of an unknown name", status: 401, header: code("RepoNotFound"), want: []string{"no such repository, or gated or private", "set HF_TOKEN", `"we said"`}},
		{name: "401 with a token", token: "hf_secret", status: 401, want: []string{"check that the token is valid"}},
		{name: "403", status: 403, header: code("GatedRepo"), want: []string{"gated: accept its terms at "}},
		{name: "404", status: 404, header: code("RepoNotFound"), want: []string{"no such repository: check its name"}},
		{name: "404 revision", status: 404, header: code("RevisionNotFound"), want: []string{"no such revision"}},
		{name: "418", status: 418, want: []string{"status 418", "check the address of the hub"}},
		{name: "500", status: 500, want: []string{"status 500", "tried 6 times"}, waits: 5},
		{name: "429, long", status: 429, header: http.Header{"Retry-After": {"3600"}}, want: []string{"status 429", "asks to wait 1h0m0s"}},
		{name: "web page", status: 200, body: "<!doctype html>", want: []string{`got "<!doctype html>", want the JSON`}},
		{name: "endless", status: 200, body: strings.Repeat(" ", maxAnswer+1), want: []string{"more than 33554432 bytes"}},
		{name: "no commit", status: 200, body: `{"sha":"main"}`, want: []string{`got commit "main", want 40`}},
		{name: "another commit", revision: commitB, status: 200, body: `{"sha":"` + commitA + `"}`, want: []string{"got commit aaaa"}},
		{name: "tree of another shape", status: 200, body: `{"sha":"` + commitA + `"}`, want: []string{"tree: got "}},
		{name: "redirect for ever", status: 302, header: http.Header{"Location": {"/api/x"}}, want: []string{"redirect not followed"}},
		{name: "redirect to a file", status: 302, header: http.Header{"Location": {"file:///etc/passwd"}}, want: []string{"redirect not followed: from http to \"file\""}},
		{name: "id", id: "owner/../x", want: []string{"repository: got"}},
		{name: "id of three", id: "a/b/c", want: []string{"repository: got"}},
		{name: "id with a query", id: "a/b?c", want: []string{"repository: got"}},
		{name: "revision", revision: "a/../../b", want: []string{"revision: got"}},
		{name: "revision with a line", revision: "a\nb", want: []string{"revision: got"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newFakeHub(t)
			if row.status != 0 {
				h.hub = answers(t, row.status, row.header, row.body)
			}
			c, waits := h.client()
			c.Token = row.token
			id := row.id
			if id == "" {
				id = testID
			}
			_, err := c.Repo(t.Context(), id, row.revision)
			if !errors.Is(err, ErrHub) {
				t.Fatalf("got %v, want an error of the hub", err)
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the token is shown: %v", err)
			}
			if len(*waits) != row.waits {
				t.Errorf("waited %v, want %d times", *waits, row.waits)
			}
		})
	}
}

func TestRepoSurvivesTrouble(t *testing.T) {
	h := newFakeHub(t)
	real := h.hub.Config.Handler
	n := 0
	h.hub.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		switch n {
		case 1:
			w.WriteHeader(503)
		case 2:
			w.Header().Set("RateLimit", `"api";r=0;t=55`)
			w.WriteHeader(429)
		case 4, 6:
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "[")
		default:
			real.ServeHTTP(w, r)
		}
	})
	c, waits := h.client()
	if r, err := c.Repo(t.Context(), testID, "main"); err != nil || len(r.Files) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	if len(*waits) != 4 || (*waits)[1] != 55*time.Second {
		t.Errorf("waited %v, want 4 times, 55 s the second time", *waits)
	}
}

func TestTreeEnds(t *testing.T) {
	for _, row := range []struct{ name, tree, link, want string }{
		{"the same page for ever", "[]", `</x?recursive=true>; rel="next"`, "does not end"},
		{"a file twice", `[{"type":"file","path":"x","oid":"` + commitA + `"}]`, `</x?cursor=2>; rel="next"`, `"x" appears twice`},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/tree/") {
				w.Header().Set("Link", row.link)
				fmt.Fprint(w, row.tree)
				return
			}
			fmt.Fprintf(w, `{"sha":%q}`, commitA)
		}))
		defer s.Close()
		c := &Client{Base: s.URL}
		if _, err := c.Repo(t.Context(), testID, ""); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
}

func TestNextQuery(t *testing.T) {
	for _, row := range []struct {
		links []string
		want  string
	}{
		{nil, ""},
		{[]string{`<https://huggingface.co/api/models/a/b/tree/main?recursive=true&cursor=Zm9v%3D>; rel="next"`}, "recursive=true&cursor=Zm9v%3D"},
		{[]string{`</x?page=1>; rel="prev", </x?page=3>; rel="next"`}, "page=3"},
		{[]string{`</x?page=1>; rel=prev`, `</x?page=3>;rel=next`}, "page=3"},
		{[]string{`</x?page=1>; rel="prev"`}, ""},
		{[]string{`<:%>; rel="next"`}, ""},
		{[]string{`nonsense`}, ""},
	} {
		if got := nextQuery(http.Header{"Link": row.links}); got != row.want {
			t.Errorf("%q: got %q, want %q", row.links, got, row.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, row := range []struct {
		after, limit string
		want         time.Duration
	}{
		{"", "", 0}, {"7", "", 7 * time.Second}, {" 7 ", `"api";r=0;t=55`, 7 * time.Second}, {"-7", "", 0}, {"soon", "", 0},
		{"99999999999999999999", "", 0},
		{"Thu, 02 Jan 2025 03:05:05 GMT", "", time.Minute}, {"Thu, 02 Jan 2025 03:00:00 GMT", "", 0},
		{"", `"api";r=0;t=55`, 55 * time.Second}, {"", `"api";r=3;t=55`, 0},
	} {
		h := http.Header{"Retry-After": {row.after}, "Ratelimit": {row.limit}}
		if got := retryAfter(h, now); got != row.want {
			t.Errorf("%q, %q: got %v, want %v", row.after, row.limit, got, row.want)
		}
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	s := answers(t, 500, nil, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the user went away")
	time.AfterFunc(50*time.Millisecond, func() { cancel(reason) })
	if _, err := (&Client{Base: s.URL}).Repo(ctx, testID, ""); !errors.Is(err, reason) || !errors.Is(err, ErrHub) {
		t.Errorf("got %v, want the reason", err)
	}
}

func TestLicence(t *testing.T) {
	for card, want := range map[string]string{
		`{"license":"apache-2.0"}`: "apache-2.0", `{"license":["mit","bsd"]}`: "mit, bsd", `{"license":7}`: "", `{"license":null}`: "",
		`{}`: "", `null`: "", `[]`: "", ``: "", `{"license":"other"}`: "other",
		`{"license":"other","license_name":"llama2"}`: "llama2", `{"license":"mit","license_name":7}`: "mit",
		`{"license":"a\u001b[2J"}`: "", `{"license":"` + strings.Repeat("x", 201) + `"}`: "",
	} {
		if got := parseLicence([]byte(card)); got != want {
			t.Errorf("%.60s: got %q, want %q", card, got, want)
		}
	}
}
