package etcd

import (
	"io"
	"net"
	"sync"
	"testing"

	v3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// A wire stands between a client and a server. While it is cut, what is sent goes
// nowhere, and nobody is told.
type wire struct {
	addr string
	mu   sync.RWMutex // held for writing while it is cut
}

func newWire(t *testing.T, upstream string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", upstream)
			if err != nil {
				_ = down.Close()
				continue
			}
			go w.carry(up, down)
			go w.carry(down, up)
		}
	}()
	return w
}

func (w *wire) carry(to, from net.Conn) {
	_, _ = io.Copy(gate{to, &w.mu}, from)
	_, _ = to.Close(), from.Close()
}

// A gate lets nothing through while its lock is held.
type gate struct {
	io.Writer
	mu *sync.RWMutex
}

func (g gate) Write(b []byte) (int, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.Writer.Write(b)
}

// connect returns a client that is closed when the test ends.
func connect(t testing.TB, addr string) *v3.Client {
	t.Helper()
	c, err := v3.New(v3.Config{Endpoints: []string{addr}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
