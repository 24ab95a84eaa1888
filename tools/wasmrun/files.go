package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// openFlags are the constants of Node's fs module that Go's js port reads. The
// numbers travel back to us in open calls, so they are this system's own.
var openFlags = map[string]int{
	"O_WRONLY": os.O_WRONLY, "O_RDWR": os.O_RDWR, "O_CREAT": os.O_CREATE,
	"O_TRUNC": os.O_TRUNC, "O_APPEND": os.O_APPEND, "O_EXCL": os.O_EXCL,
	"O_DIRECTORY": 0,
}

// fileTable carries out the calls of Node's fs module for worker.js: one POST
// a call, arguments in the query, data in the body, the answer in JSON (raw
// bytes for read). A failed call answers 409 with the name of the errno.
type fileTable struct {
	mu   sync.Mutex
	open map[int]*os.File
	next int
}

func newFileTable() *fileTable {
	return &fileTable{open: map[int]*os.File{0: os.Stdin, 1: os.Stdout, 2: os.Stderr}, next: 3}
}

func (t *fileTable) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for fd, f := range t.open {
		if fd > 2 {
			f.Close()
		}
	}
}

// fileCall is one request, its query already parsed.
type fileCall struct {
	*fileTable
	path, to   string
	fd         int
	flags      int
	mode       fs.FileMode
	pos, count int64 // pos is -1 for the file's own position
	body       io.Reader
}

var fileOps = map[string]func(c fileCall) (any, error){
	"open":      fileCall.openFile,
	"close":     fileCall.close,
	"read":      fileCall.read,
	"write":     fileCall.write,
	"fstat":     onFile(func(f *os.File, c fileCall) (any, error) { return statOf(f.Stat()) }),
	"fsync":     onFile(func(f *os.File, c fileCall) (any, error) { return nil, f.Sync() }),
	"fchmod":    onFile(func(f *os.File, c fileCall) (any, error) { return nil, f.Chmod(c.mode) }),
	"ftruncate": onFile(func(f *os.File, c fileCall) (any, error) { return nil, f.Truncate(c.count) }),
	"stat":      func(c fileCall) (any, error) { return statOf(os.Stat(c.path)) },
	"lstat":     func(c fileCall) (any, error) { return statOf(os.Lstat(c.path)) },
	"mkdir":     func(c fileCall) (any, error) { return nil, os.Mkdir(c.path, c.mode) },
	"rmdir":     func(c fileCall) (any, error) { return nil, syscall.Rmdir(c.path) },
	"unlink":    func(c fileCall) (any, error) { return nil, syscall.Unlink(c.path) },
	"rename":    func(c fileCall) (any, error) { return nil, os.Rename(c.path, c.to) },
	"chmod":     func(c fileCall) (any, error) { return nil, os.Chmod(c.path, c.mode) },
	"truncate":  func(c fileCall) (any, error) { return nil, os.Truncate(c.path, c.count) },
	"readlink":  func(c fileCall) (any, error) { return os.Readlink(c.path) },
	"symlink":   func(c fileCall) (any, error) { return nil, os.Symlink(c.path, c.to) },
	"link":      func(c fileCall) (any, error) { return nil, os.Link(c.path, c.to) },
	"utimes": func(c fileCall) (any, error) {
		return nil, os.Chtimes(c.path, time.Unix(c.pos, 0), time.Unix(c.count, 0))
	},
	"readdir": func(c fileCall) (any, error) {
		names := []string{}
		entries, err := os.ReadDir(c.path)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names, err
	},
}

func (t *fileTable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, ok := fileOps[r.PathValue("op")]
	if !ok {
		http.Error(w, "ENOSYS", http.StatusConflict)
		return
	}
	q := r.URL.Query()
	number := func(key string) int64 {
		n, _ := strconv.ParseInt(q.Get(key), 10, 64)
		return n
	}
	v, err := op(fileCall{
		fileTable: t, path: q.Get("path"), to: q.Get("to"),
		fd: int(number("fd")), flags: int(number("flags")), mode: fs.FileMode(number("mode")),
		pos: number("pos"), count: number("count"), body: r.Body,
	})
	if err != nil {
		http.Error(w, errnoName(err), http.StatusConflict)
		return
	}
	if b, ok := v.([]byte); ok {
		w.Write(b)
		return
	}
	json.NewEncoder(w).Encode(v)
}

func (t *fileTable) file(fd int) (*os.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, ok := t.open[fd]; ok {
		return f, nil
	}
	return nil, syscall.EBADF
}

func onFile(do func(*os.File, fileCall) (any, error)) func(fileCall) (any, error) {
	return func(c fileCall) (any, error) {
		f, err := c.file(c.fd)
		if err != nil {
			return nil, err
		}
		return do(f, c)
	}
}

func (c fileCall) openFile() (any, error) {
	f, err := os.OpenFile(c.path, c.flags, c.mode)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fd := c.next
	c.next++
	c.open[fd] = f
	return fd, nil
}

func (c fileCall) close() (any, error) {
	f, err := c.file(c.fd)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	delete(c.open, c.fd)
	c.mu.Unlock()
	return nil, f.Close()
}

func (c fileCall) read() (any, error) {
	f, err := c.file(c.fd)
	if err != nil {
		return nil, err
	}
	b := make([]byte, c.count)
	var n int
	if c.pos < 0 {
		n, err = f.Read(b)
	} else {
		n, err = f.ReadAt(b, c.pos)
	}
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

func (c fileCall) write() (any, error) {
	f, err := c.file(c.fd)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(c.body)
	if err != nil {
		return nil, err
	}
	if c.pos < 0 {
		return f.Write(b)
	}
	return f.WriteAt(b, c.pos)
}

// statOf gives the fields of Node's fs.Stats that Go's js port reads.
func statOf(st fs.FileInfo, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	const typeDir, typeFile, typeLink, typeChar = 0o040000, 0o100000, 0o120000, 0o020000
	mode := uint32(st.Mode().Perm())
	switch {
	case st.IsDir():
		mode |= typeDir
	case st.Mode()&fs.ModeSymlink != 0:
		mode |= typeLink
	case st.Mode()&fs.ModeCharDevice != 0:
		mode |= typeChar
	case st.Mode().IsRegular():
		mode |= typeFile
	}
	return map[string]any{
		"mode": mode, "size": st.Size(), "mtimeMs": st.ModTime().UnixMilli(), "isDir": st.IsDir(),
	}, nil
}

func errnoName(err error) string {
	for _, e := range []struct {
		err  error
		name string
	}{
		{syscall.ENOENT, "ENOENT"}, {syscall.EEXIST, "EEXIST"}, {syscall.ENOTDIR, "ENOTDIR"},
		{syscall.EISDIR, "EISDIR"}, {syscall.ENOTEMPTY, "ENOTEMPTY"}, {syscall.EACCES, "EACCES"},
		{syscall.EPERM, "EPERM"}, {syscall.EINVAL, "EINVAL"}, {syscall.EBADF, "EBADF"},
		{syscall.ENOSPC, "ENOSPC"}, {syscall.EROFS, "EROFS"}, {syscall.ELOOP, "ELOOP"},
		{os.ErrClosed, "EBADF"},
	} {
		if errors.Is(err, e.err) {
			return e.name
		}
	}
	return "EIO"
}
