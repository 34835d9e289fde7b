package otelredsync

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4/redis"

	"github.com/otellock/otellock-go/otellock/observe"
)

// A watch is the context of one Lock, by which its commands are seen. They tell what
// redsync does not: the expiry, the attempts, and whether a node was busy. They come
// from a goroutine for each node, and may come after the end.
type watch struct {
	context.Context

	mu      sync.Mutex
	acquire observe.Acquire
	try     bool
	expiry  time.Duration
	busy    bool // a node of the present attempt said so
	refused bool // the present attempt is given up
	ended   bool
	first   conn // most locks ask one node once
}

type watchKey struct{}

func (w *watch) Value(key any) any {
	if key == (watchKey{}) {
		return w
	}
	return w.Context.Value(key)
}

// asks is told before a node is asked for the lock.
func (w *watch) asks(expiry time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.expiry = expiry
	if w.refused {
		w.busy, w.refused = false, false
		w.acquire.Retry()
	}
}

// answered is told whether the node granted it.
func (w *watch) answered(granted bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = w.busy || err == nil && !granted
}

// givesUp is told before an attempt's value is removed from a node.
func (w *watch) givesUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.refused = true
	if w.busy && !w.try {
		w.acquire.Wait()
	}
}

// end ends the Lock with its error.
func (w *watch) end(err error) *observe.Lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.acquire.SetTTL(w.expiry)
	return w.acquire.End(err)
}

// panicked ends a Lock that does not return, because an option's function panics or
// ends the goroutine. One that is asked for the delay gives up a lock that was busy.
func (w *watch) panicked() {
	w.mu.Lock()
	busy := w.refused && w.busy
	w.mu.Unlock()
	if busy {
		w.end(observe.ErrContended)
		return
	}
	w.end(errPanicked)
}

// errPanicked stands for a Lock that does not return. Only the telemetry sees it.
var errPanicked = errors.New("otelredsync: a function of an option panicked")

// A pool shows the commands of a Lock to its watch.
type pool struct{ redis.Pool }

func (p pool) Get(ctx context.Context) (redis.Conn, error) {
	c, err := p.Pool.Get(ctx)
	if err != nil || ctx == nil {
		return c, err
	}
	if w, ok := ctx.Value(watchKey{}).(*watch); ok {
		return w.see(c), nil
	}
	return c, nil
}

// see returns the connection with its commands shown to the watch.
func (w *watch) see(c redis.Conn) redis.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first.watch != nil {
		return &conn{c, w}
	}
	w.first = conn{c, w}
	return &w.first
}

type conn struct {
	redis.Conn
	watch *watch
}

func (c *conn) SetNX(name, value string, expiry time.Duration) (bool, error) {
	c.watch.asks(expiry)
	granted, err := c.Conn.SetNX(name, value, expiry)
	c.watch.answered(granted, err)
	return granted, err
}

func (c *conn) Eval(script *redis.Script, keysAndArgs ...any) (any, error) {
	c.watch.givesUp()
	return c.Conn.Eval(script, keysAndArgs...)
}
