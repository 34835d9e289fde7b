package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine says what the figures come from, in a line. The load average is there on
// Linux only.
func machine() string {
	line := fmt.Sprintf("%d cores, GOMAXPROCS %d, %s %s/%s", runtime.NumCPU(), runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if out, err := exec.Command("redis-server", "--version").Output(); err == nil {
		_, version, _ := strings.Cut(string(out), "v=")
		version, _, _ = strings.Cut(version, " ")
		line += ", redis-server " + version
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		line += ", load average at the start " + strings.Join(strings.Fields(string(load))[:3], " ")
	}
	return line + "."
}
