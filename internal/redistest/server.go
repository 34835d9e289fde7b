// Package redistest runs real redis-server processes for tests: one server, a
// cluster, or a master with its replica and Sentinels. Everything listens on
// free loopback ports, keeps its files in the test's temporary directory, and
// is gone when the test ends. A missing redis-server fails the test.
package redistest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	startAttempts = 5 // a free port may be taken by somebody else before redis-server binds it
	readyTimeout  = 20 * time.Second
	pollEvery     = 5 * time.Millisecond
)

// A Server is one redis-server process. Its methods are for the test's own
// goroutine, except Client, which is safe for concurrent use.
type Server struct {
	Addr string // 127.0.0.1:port, the same for the whole life of the Server

	t      testing.TB
	binary string
	dir    string
	args   []string
	proc   *process // nil while killed
}

type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process has been waited for
}

// Start runs a redis-server without persistence and returns once it answers.
// The arguments are appended to the command line, so that they win:
// "--appendonly", "yes" makes a server whose keys survive [Server.Restart].
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, 0, func(string) []string { return dataNode(args...) })
}

// dataNode is the command line of a server that holds data in memory only.
func dataNode(args ...string) []string {
	return append([]string{"--save", "", "--appendonly", "no"}, args...)
}

// start runs a server on a free port; with a bus offset, port+offset is free
// too. The rest of the command line may depend on the server's directory.
func start(t testing.TB, busOffset int, args func(dir string) []string) *Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redistest: redis-server is not on the PATH; install it: apt-get install redis-server")
	}
	var last error
	for range startAttempts {
		port, dir := freePort(t, busOffset), t.TempDir()
		s := &Server{
			Addr:   net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
			t:      t,
			binary: binary,
			dir:    dir,
			args: append(args(dir),
				"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no"),
		}
		if last = s.run(); last == nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatalf("redistest: redis-server did not start: %v", last)
	return nil
}

// Host returns the host part of Addr.
func (s *Server) Host() string {
	host, _, _ := net.SplitHostPort(s.Addr)
	return host
}

// Port returns the port part of Addr.
func (s *Server) Port() int {
	_, port, _ := net.SplitHostPort(s.Addr)
	n, _ := strconv.Atoi(port)
	return n
}

// Client returns a new client of this server, closed when the test ends. The
// functions change the options before it is made.
func (s *Server) Client(change ...func(*redis.Options)) *redis.Client {
	s.t.Helper()
	opts := &redis.Options{
		Addr:                     s.Addr,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for _, f := range change {
		f(opts)
	}
	c := redis.NewClient(opts)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends the process as kill -9 does and waits until it is gone. Killing a
// killed server does nothing.
func (s *Server) Kill() {
	if s.proc == nil {
		return
	}
	_ = s.proc.cmd.Process.Kill()
	<-s.proc.exited
	s.proc = nil
}

// Restart runs the server again with the same port, directory and arguments,
// killing it first if it still runs, and returns once it answers. Unless the
// server persists, it comes back empty.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		s.t.Fatalf("redistest: redis-server did not come back: %v", err)
	}
}

// run starts the process and waits until it answers. On an error nothing runs.
func (s *Server) run() error {
	logPath := filepath.Join(s.dir, "server.log")
	output, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer output.Close() // the process has its own copy

	cmd := exec.Command(s.binary, s.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, output, output
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait()
	}()
	s.proc = p

	deadline := time.Now().Add(readyTimeout)
	for !saysReady(logPath) || !answers(s.Addr) {
		select {
		case <-p.exited:
			s.proc = nil
			return fmt.Errorf("it exited: %s", tail(logPath))
		case <-time.After(pollEvery):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("no answer to PING in %v: %s", readyTimeout, tail(logPath))
		}
	}
	select {
	case <-p.exited: // somebody else answers on the port
		s.proc = nil
		return fmt.Errorf("it exited: %s", tail(logPath))
	default:
		return nil
	}
}

// saysReady reports whether this very process listens and has loaded its data.
// An answer on the port alone may be another process's, and with a password it
// may be that of a server that still loads.
func saysReady(logPath string) bool {
	output, err := os.ReadFile(logPath)
	return err == nil && (bytes.Contains(output, []byte("Ready to accept connections")) || bytes.Contains(output, []byte("Sentinel ID is")))
}

// answers says whether the server replies to PING. A refusal for want of a
// password is a reply; LOADING is not one yet.
func answers(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && (strings.HasPrefix(line, "+PONG") || strings.HasPrefix(line, "-NO"))
}

// freePort returns a port that nobody listens on, with port+busOffset free as
// well. Both are free at the time of the call only.
func freePort(t testing.TB, busOffset int) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("redistest: no free port: %v", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if busOffset == 0 {
			_ = l.Close()
			return port
		}
		bus, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+busOffset)))
		_ = l.Close()
		if err == nil {
			_ = bus.Close()
			return port
		}
	}
	t.Fatal("redistest: no free pair of ports")
	return 0
}

// tail returns the last lines of a server's output, on one line.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}
