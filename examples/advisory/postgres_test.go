package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const readyTimeout = time.Minute

// A postgres is a real PostgreSQL of its own for a test.
type postgres struct {
	t        *testing.T
	dir, url string
	as       *syscall.Credential // nil: whoever runs the test
	server   *exec.Cmd           // nil while it is stopped
	port     string
}

// startPostgres runs a server that is gone when the test ends. PostgreSQL refuses to
// run as root: there it runs as the user that Debian's package made for it.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &postgres{t: t, dir: dir}
	if os.Geteuid() == 0 {
		owner, err := user.Lookup("postgres")
		if err != nil {
			t.Fatalf("%v; install PostgreSQL: apt-get install postgresql", err)
		}
		uid, _ := strconv.Atoi(owner.Uid)
		gid, _ := strconv.Atoi(owner.Gid)
		p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := p.command("initdb", "-D", dir+"/data", "-U", "postgres", "--auth=trust", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, p.port, _ = net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	p.url = fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", p.port)
	t.Cleanup(p.stop)
	p.start()
	return p
}

func (p *postgres) start() {
	p.t.Helper()
	p.server = p.command("postgres", "-D", p.dir+"/data", "-h", "127.0.0.1", "-p", p.port, "-k", p.dir, "-F")
	if err := p.server.Start(); err != nil {
		p.t.Fatal(err)
	}
	db, err := sql.Open("postgres", p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(readyTimeout); ; <-time.After(10 * time.Millisecond) {
		if err := db.PingContext(context.Background()); err == nil {
			return
		} else if time.Now().After(deadline) {
			p.t.Fatalf("PostgreSQL does not answer: %v", err)
		}
	}
}

// stop ends the server at once.
func (p *postgres) stop() {
	if p.server != nil {
		_ = p.server.Process.Signal(syscall.SIGQUIT)
		_ = p.server.Wait()
		p.server = nil
	}
}

// command finds PostgreSQL's programs where Debian puts them, too.
func (p *postgres) command(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if len(found) == 0 {
			p.t.Fatalf("%s is missing; install PostgreSQL: apt-get install postgresql", name)
		}
		path = slices.Max(found)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	return cmd
}
