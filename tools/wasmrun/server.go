package main

import (
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

//go:embed page.html page.js worker.js
var pageFiles embed.FS

// server shows the test binary to one page on this machine and carries out the
// file calls the binary makes. Every path starts with a secret, since the file
// calls have our rights and other programs can reach the port.
type server struct {
	exit     chan int      // exit code of the test binary
	started  chan struct{} // closed when the page has opened
	pageGone chan struct{} // closed when the page has gone after that

	files    *fileTable
	secret   string
	listener net.Listener
	http     *http.Server
}

// config is what worker.js needs to start the binary.
type config struct {
	Args      []string          `json:"args"`
	Env       map[string]string `json:"env"`
	Dir       string            `json:"dir"`
	GPU       bool              `json:"gpu"` // web/gpu.js exists
	Constants map[string]int    `json:"constants"`
}

// newServer serves the test binary args[0], to be run in dir, of the module at root.
func newServer(root, dir string, args []string) (*server, error) {
	binary, err := filepath.Abs(args[0])
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, err
	}
	_, gpuErr := os.Stat(filepath.Join(root, "web", "gpu.js"))
	conf := config{
		Args:      append([]string{filepath.Base(binary)}, args[1:]...),
		Env:       passedEnv(os.Environ()),
		Dir:       dir,
		GPU:       gpuErr == nil,
		Constants: openFlags,
	}
	// wasm_exec.js must come from the toolchain that built the binary; go test
	// puts that one first in PATH.
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	wasmExec := filepath.Join(strings.TrimSpace(string(goroot)), "lib", "wasm", "wasm_exec.js")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{
		exit: make(chan int, 1), started: make(chan struct{}), pageGone: make(chan struct{}),
		files: newFileTable(), secret: rand.Text(), listener: listener,
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(pageFiles))
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(conf) })
	mux.HandleFunc("GET /test.wasm", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		http.ServeFile(w, r, binary)
	})
	mux.HandleFunc("GET /wasm_exec.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, wasmExec)
	})
	mux.Handle("GET /web/", http.StripPrefix("/web/", http.FileServer(http.Dir(filepath.Join(root, "web")))))
	mux.HandleFunc("POST /exit", s.serveExit)
	mux.HandleFunc("GET /alive", s.serveAlive())
	mux.Handle("POST /fs/{op}", s.files)
	s.http = &http.Server{Handler: http.StripPrefix("/"+s.secret, mux)}
	go s.http.Serve(listener)
	return s, nil
}

func (s *server) pageURL() string {
	return fmt.Sprintf("http://%s/%s/page.html", s.listener.Addr(), s.secret)
}

func (s *server) close() {
	s.http.Close()
	s.files.closeAll()
}

func (s *server) serveExit(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.FormValue("code"))
	if err != nil {
		code = 1
	}
	if msg, _ := io.ReadAll(r.Body); len(msg) > 0 {
		fmt.Fprintf(os.Stderr, "wasmrun: %s\n", msg)
	}
	select {
	case s.exit <- code:
	default: // the first exit code stands
	}
}

// serveAlive keeps a request of the page open: the connection breaks when the
// renderer dies, which nothing else tells us.
func (s *server) serveAlive() http.HandlerFunc {
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			close(s.started)
			<-r.Context().Done()
			close(s.pageGone)
		})
	}
}

// passedEnv picks the variables a test may look at; wasm_exec.js has room for
// few bytes of environment, so not all of them.
func passedEnv(environ []string) map[string]string {
	env := map[string]string{"TMPDIR": os.TempDir()}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(k, "FLAMINGO_") || k == "UPDATE" || k == "GOTRACEBACK" || k == "GODEBUG" || k == "TZ" {
			env[k] = v
		}
	}
	return env
}
