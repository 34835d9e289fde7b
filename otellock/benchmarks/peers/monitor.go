package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A monitor sees the commands that clients send. It leaves out those that scripts
// call: they cost no round trip.
type monitor struct {
	server *server
	conn   net.Conn
	lines  *bufio.Scanner
	seen   chan []float64 // when, in seconds since 1970
}

// The command that ends a count.
const lastCommand = "the count ends"

func (s *server) monitor() (*monitor, error) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	m := &monitor{s, conn, bufio.NewScanner(conn), make(chan []float64, 1)}
	if _, err := fmt.Fprint(conn, "MONITOR\r\n"); err != nil {
		return nil, err
	}
	if !m.lines.Scan() { // OK
		return nil, errors.Join(errors.New("redis-server does not let itself be monitored"), m.lines.Err())
	}
	go m.read()
	return m, nil
}

// read reads until the last command, or until the connection ends.
func (m *monitor) read() {
	var seen []float64
	for m.lines.Scan() {
		line := m.lines.Text()
		if strings.Contains(line, lastCommand) {
			m.seen <- seen
			return
		}
		at, _, _ := strings.Cut(strings.TrimPrefix(line, "+"), " ")
		if when, err := strconv.ParseFloat(at, 64); err == nil && !strings.Contains(line, " lua] ") {
			seen = append(seen, when)
		}
	}
	close(m.seen)
}

// between ends the monitor and returns how many commands it has seen in that time.
func (m *monitor) between(ctx context.Context, begin, end time.Time) (n int, err error) {
	defer m.conn.Close()
	if err := m.server.rdb.Echo(ctx, lastCommand).Err(); err != nil {
		return 0, err
	}
	_ = m.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	seen, ok := <-m.seen
	if !ok {
		return 0, errors.Join(errors.New("redis-server dropped its monitor"), m.lines.Err())
	}
	for _, at := range seen {
		if at >= float64(begin.UnixMicro())/1e6 && at <= float64(end.UnixMicro())/1e6 {
			n++
		}
	}
	return n, nil
}
