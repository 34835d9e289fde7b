package redisbackend_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/redis/go-redis/v9"
)

// handshake is what go-redis sends where maintenance notifications are on.
const handshake = "maint_notifications"

// stallsHandshakes returns the address of a proxy in front of the server that
// drops the handshake of every other connection, and a function that tells how
// many handshakes it has seen.
func stallsHandshakes(t *testing.T, server *redistest.Server) (addr string, seen func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var mu sync.Mutex
	handshakes := 0
	forward := func(client net.Conn, drop bool) {
		defer client.Close()
		upstream, err := net.Dial("tcp", server.Addr)
		if err != nil {
			return
		}
		defer upstream.Close()
		go func() { _, _ = io.Copy(client, upstream) }()
		buffer := make([]byte, 4096)
		for {
			n, err := client.Read(buffer)
			if err != nil {
				return
			}
			if bytes.Contains(buffer[:n], []byte(handshake)) {
				mu.Lock()
				handshakes++
				mu.Unlock()
				if drop {
					continue
				}
			}
			if _, err := upstream.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	go func() {
		for i := 0; ; i++ {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go forward(client, i%2 == 0)
		}
	}()
	return l.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return handshakes
	}
}

func TestDeadlinesHoldWhileTheFirstConnectionsAreMade(t *testing.T) {
	server := redistest.Start(t)
	t.Run("which a client that makes the handshake does not keep", func(t *testing.T) {
		addr, seen := stallsHandshakes(t, server)
		rdb := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1})
		defer rdb.Close()
		if err := rdb.Ping(expiring(t, attempt)).Err(); err == nil || seen() == 0 {
			t.Fatalf("PING: %v after %d handshakes: the fault does not show what it should", err, seen())
		}
	})

	addr, seen := stallsHandshakes(t, server)
	b := newBackend(t, client(t, addr))
	stalled, release := context.WithTimeout(t.Context(), time.Minute)
	defer release()
	const short, calls = 40 * time.Millisecond, 64
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			ctx := stalled
			if i > 0 {
				ctx = expiring(t, short)
			}
			start := time.Now()
			_, _ = b.Acquire(ctx, otellock.Claim{Key: t.Name(), Token: "t", TTL: time.Minute})
			if took := time.Since(start); took > short+late {
				t.Errorf("call %d took %v with a deadline of %v", i, took, short)
			}
		})
	}
	wg.Wait()
	if n := seen(); n != 0 {
		t.Errorf("%d connections made the handshake", n)
	}
}

// expiring returns a context with that much time left.
func expiring(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
