package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets the kernel end the server when the test binary dies
// without cleaning up, for example by go test -timeout.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
