package main

import (
	"os"
	"syscall"
)

// ownGroup makes the browser a group of its own that dies with us, even when
// go test kills us.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }
