//go:build linux || darwin || freebsd

package hub

import "syscall"

// freeBytes is the space that this user may fill on the disk of a directory.
func freeBytes(dir string) (bytes int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
