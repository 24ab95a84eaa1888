//go:build e2e

// Package e2e drives a real headless Chromium against the real server. It
// builds nothing, imports no other package of the project, and knows the page
// only by its element ids: `make e2e` builds what it needs and runs it.
package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is the project's own server in a process of its own.
type Server struct {
	t    *testing.T
	dir  string // holds web/ and models/
	addr string
	URL  string // without a slash at the end

	cmd   *exec.Cmd
	ended chan struct{} // closed when all output has been read

	mu       sync.Mutex
	seen     []Request
	marks    int
	lastMark string
}

// Request is one answered request, as the server's -log prints it.
type Request struct {
	Method, Path string
	Range        string // "-" for the whole file
	Status       int
}

// startServer serves dir/web and dir/models until the test ends. flags are
// those of `go run .`, such as -slow and -fail.
func startServer(t *testing.T, dir string, flags ...string) *Server {
	t.Helper()
	s := &Server{t: t, dir: dir, addr: "127.0.0.1:0"}
	t.Cleanup(s.Stop)
	s.Start(flags...)
	return s
}

// Start runs the server again after Stop, at the same address.
func (s *Server) Start(flags ...string) {
	s.t.Helper()
	binary, err := filepath.Abs("../build/serve")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		s.t.Fatalf("%v: run `make e2e`, which builds the server first", err)
	}
	s.cmd = exec.Command(binary, append([]string{"-log", "-addr", s.addr}, flags...)...)
	s.cmd.Dir, s.cmd.Stderr = s.dir, os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "http://"); ok {
			s.addr = strings.TrimSuffix(url, "/")
			s.URL = "http://" + s.addr
			break
		}
	}
	if s.URL == "" {
		s.t.Fatal("the server ended without naming its address")
	}
	s.ended = make(chan struct{})
	go s.read(lines, s.ended)
}

// Stop ends the server, with all its connections. The page is then offline.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(os.Interrupt)
	stuck := time.AfterFunc(time.Minute, func() { s.cmd.Process.Signal(syscall.SIGKILL) })
	<-s.ended // Wait closes the pipe
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the server did not stop cleanly after an interrupt: %v", err)
	}
	stuck.Stop()
	s.cmd = nil
}

func (s *Server) read(lines *bufio.Scanner, ended chan struct{}) {
	defer close(ended)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 4 {
			continue
		}
		status, err := strconv.Atoi(f[3])
		if err != nil {
			continue
		}
		s.mu.Lock()
		if strings.HasPrefix(f[1], markPath) {
			s.lastMark = f[1]
		} else {
			s.seen = append(s.seen, Request{Method: f[0], Path: f[1], Range: f[2], Status: status})
		}
		s.mu.Unlock()
	}
}

const markPath = "/end-of-log-"

// Requests gives the requests answered since the last call of it.
func (s *Server) Requests() []Request {
	s.t.Helper()
	if s.cmd != nil {
		// A request of our own ends up in the log behind all others.
		s.marks++
		mark := fmt.Sprintf("%s%d", markPath, s.marks)
		r, err := http.Get(s.URL + mark)
		if err != nil {
			s.t.Fatal(err)
		}
		r.Body.Close()
		for deadline := time.Now().Add(patience); s.mark() != mark; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				s.t.Fatalf("the server's log does not show %s", mark)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *Server) mark() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastMark
}

// static lays out files below a new directory, for tests of pages of their own.
func static(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (r Request) String() string {
	return fmt.Sprintf("%s %s %s %d", r.Method, r.Path, r.Range, r.Status)
}
