// Command flamingo (go run .) serves the page in web/ and the models in models/
// from this machine. It is a plain static file server that gets right what
// weights and WebAssembly need: byte ranges, MIME types, precompressed files,
// caching, and the headers of a page that trusts nobody. It knows nothing about
// models and imports no other package of the project.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line flags.
type options struct {
	addr    string
	models  string
	connect string
	log     bool
	slow    int64
	fail    int64
}

func main() {
	var o options
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on; other machines can reach it only if it names one of theirs")
	flag.StringVar(&o.models, "models", "models", "`directory` of models, served at /models/")
	flag.StringVar(&o.connect, "connect", "https://huggingface.co https://*.hf.co", "`origins` besides this one that the page may fetch models from, separated by spaces")
	flag.BoolVar(&o.log, "log", false, "print a line for each request: method, path, range, status")
	flag.Int64Var(&o.slow, "slow", 0, "for tests: send at most this many `bytes` a second in each answer (0: no limit)")
	flag.Int64Var(&o.fail, "fail", 0, "for tests: answer 503 to each `N`th range request (0: none)")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: go run . [flags]\n\nServes web/ at / and models/ at /models/.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "serve: unexpected argument %q; there are only flags, see -help\n", flag.Arg(0))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, o options) error {
	h, err := newHandler("web", o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("%w; choose another address with -addr", err)
	}
	if _, err := os.Stat("web/flamingo.wasm"); err != nil {
		fmt.Fprintln(os.Stderr, "serve: web/flamingo.wasm is missing, so the page cannot start: run `make`")
	}
	if o.log {
		h = logRequests(os.Stdout, h)
	}
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           allowHosts(host, h),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      stalled, // from each write on: see pacedWriter
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	fmt.Printf("Flamingo is at http://%s/\n", net.JoinHostPort(host, port))

	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// A browser keeps connections open and may be in a slow download: finish
	// what is nearly done, then close the rest.
	last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(last); errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	} else if err != nil {
		return err
	}
	return nil
}

// logRequests prints a line to out for each answer, before its first byte goes
// out: whoever has seen the answer can find the line.
func logRequests(out io.Writer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := fmt.Sprintf("%s %s %s", r.Method, r.URL.EscapedPath(), cmp.Or(r.Header.Get("Range"), "-"))
		next.ServeHTTP(&loggingWriter{ResponseWriter: w, out: out, what: what}, r)
	})
}

type loggingWriter struct {
	http.ResponseWriter
	out  io.Writer
	what string
}

func (w *loggingWriter) WriteHeader(status int) {
	fmt.Fprintf(w.out, "%s %d\n", w.what, status)
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *loggingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// allowHosts refuses requests that reach a server bound to loopback under
// another name: a web page can point its own domain at 127.0.0.1 (DNS
// rebinding) and would then read everything here.
func allowHosts(bound string, next http.Handler) http.Handler {
	if ip := net.ParseIP(bound); ip == nil || !ip.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		ip := net.ParseIP(host)
		if host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback() {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, fmt.Sprintf("host %q is not this machine: open http://localhost instead, or listen elsewhere with -addr", r.Host), http.StatusForbidden)
	})
}
