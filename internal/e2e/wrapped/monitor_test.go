package wrapped

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
)

// A monitor collects the commands that a server is sent.
type monitor struct {
	server   *redistest.Server
	conn     net.Conn
	commands chan string
}

// watchCommands returns once the server tells its commands.
func watchCommands(t *testing.T, server *redistest.Server) *monitor {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || line != "+OK\r\n" {
		t.Fatalf("MONITOR: %q, %v", line, err)
	}
	m := &monitor{server, conn, make(chan string, 10_000)}
	go func() {
		defer close(m.commands)
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			m.commands <- line
		}
	}()
	return m
}

// commandLine is when, which client or "lua", and what.
var commandLine = regexp.MustCompile(`^\+[0-9.]+ \[\d+ (\S+)\] (.*)\r\n$`)

// stop returns the commands of clients so far, without those that open a connection
// and those of the test.
func (m *monitor) stop(t *testing.T) (commands []string) {
	t.Helper()
	defer m.conn.Close()
	end := fmt.Sprintf("end of %p", m)
	last, err := net.DialTimeout("tcp", m.server.Addr, wait)
	if err == nil { // it has not been killed
		defer last.Close()
		if _, err := fmt.Fprintf(last, "ECHO \"%s\"\r\n", end); err != nil {
			t.Fatal(err)
		}
	}
	timeout := time.After(wait)
	for {
		select {
		case line, ok := <-m.commands:
			if !ok || strings.Contains(line, end) {
				return commands
			}
			match := commandLine.FindStringSubmatch(line)
			if match == nil {
				t.Fatalf("MONITOR says %q", line)
			}
			switch name, _, _ := strings.Cut(strings.ToLower(match[2]), " "); {
			case match[1] == "lua", name == `"hello"`, name == `"client"`, name == `"ping"`, name == `"auth"`, name == `"select"`, name == `"info"`:
			default:
				commands = append(commands, match[2])
			}
		case <-timeout:
			t.Fatal("MONITOR does not end")
		}
	}
}
