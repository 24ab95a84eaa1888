//go:build !js

package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// silent is a server that falls silent, without a network, so that the clock can be a pretended one.
type silent struct {
	data   []byte
	chunks []int // bytes each answer brings; -1 is not even headers. Later answers bring everything.
	pace   time.Duration
	asked  []string // ranges
}

func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	n := len(s.asked)
	s.asked = append(s.asked, r.Header.Get("Range"))
	var from int
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	chunk := len(s.data)
	if n < len(s.chunks) {
		chunk = s.chunks[n]
	}
	if chunk < 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	a := &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Request: r}
	if from > 0 {
		a.StatusCode = 206
		a.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(s.data)-1, len(s.data)))
	}
	a.Body = io.NopCloser(&trickle{r.Context(), s.data[from:min(from+chunk, len(s.data))], s.pace})
	return a, nil
}

// trickle brings a byte now and then, and after the last one nothing, not even the end.
type trickle struct {
	ctx  context.Context
	left []byte
	pace time.Duration
}

func (b *trickle) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		<-b.ctx.Done()
	}
	if b.ctx.Err() != nil {
		return 0, b.ctx.Err()
	}
	time.Sleep(b.pace)
	p[0], b.left = b.left[0], b.left[1:]
	return 1, nil
}

func TestStall(t *testing.T) {
	const minute = time.Minute
	for _, row := range []struct {
		name     string
		chunks   []int
		pace     time.Duration
		stall    time.Duration
		want     string
		from, to time.Duration // how long it takes: silence, and waits of 1 to 1.5 times 1, 2, 4, 8 and 16 s
		last     string
	}{
		{name: "slow is not silent", pace: 59 * time.Second, from: 10 * 59 * time.Second, to: 10 * 59 * time.Second},
		{name: "silent once", chunks: []int{4}, from: minute + time.Second, to: minute + 1500*time.Millisecond, last: "bytes=4-"},
		{name: "silent before headers", chunks: []int{-1}, from: minute + time.Second, to: minute + 1500*time.Millisecond},
		{name: "silent for ever", chunks: []int{-1, -1, -1, -1, -1, -1}, want: "brought nothing for 1m0s; check the connection; tried 6 times",
			from: 6*minute + 31*time.Second, to: 6*minute + 47*time.Second},
		{name: "another limit", chunks: []int{4, 4}, stall: 5 * time.Second, from: 12 * time.Second, to: 13 * time.Second, last: "bytes=8-"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data := []byte("0123456789")
				s := &silent{data: data, chunks: row.chunks, pace: row.pace}
				c := &Client{Base: DefaultBase, HTTP: &http.Client{Transport: s}, Stall: row.stall}
				r := &Repo{ID: testID, Commit: commitA, Files: []RemoteFile{{Path: "x", Size: 10, BlobSHA1: blobOf(data)}}}
				dir, start := t.TempDir(), time.Now()
				err := c.Download(t.Context(), r, []string{"x"}, dir, nil)
				if took := time.Since(start); took < row.from || took > row.to {
					t.Errorf("took %v, want %v to %v", took, row.from, row.to)
				}
				if row.want != "" {
					if !errors.Is(err, ErrHub) || !strings.Contains(err.Error(), row.want) {
						t.Errorf("got %v, want %q in it", err, row.want)
					}
					return
				}
				if got, _ := os.ReadFile(filepath.Join(dir, "x")); err != nil || string(got) != string(data) {
					t.Errorf("got %q, %v", got, err)
				}
				if last := s.asked[len(s.asked)-1]; last != row.last {
					t.Errorf("asked last for %q, want %q", last, row.last)
				}
			})
		})
	}
}

// TestSlowCallerIsNoStall: time that the caller takes between reads is not the connection's.
func TestSlowCallerIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := noise(1, 600_000)
		s := &silent{data: data}
		c := &Client{Base: DefaultBase, HTTP: &http.Client{Transport: s}}
		r := &Repo{ID: testID, Commit: commitA, Files: []RemoteFile{{Path: "x", Size: int64(len(data)), BlobSHA1: blobOf(data)}}}
		slow := func(string, string, int64, int64) { time.Sleep(time.Hour) }
		if err := c.Download(t.Context(), r, []string{"x"}, t.TempDir(), slow); err != nil || len(s.asked) != 1 {
			t.Errorf("asked %d times, %v; want once", len(s.asked), err)
		}
	})
}
