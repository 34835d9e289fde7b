package otellock

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

const (
	breakerLimit = 5 // attempts in a row without an answer
	firstProbe   = 100 * time.Millisecond
	longestProbe = time.Second
	breakerIdle  = time.Minute // after which a closed breaker is forgotten
)

// breakers keep a server that does not answer from costing every acquire an attempt
// timeout. There is one for each server that has left attempts unanswered; any
// answer removes it. A server that has left its Cluster answers no more: its breaker
// is removed when another server leaves an attempt unanswered a minute later.
type breakers struct {
	locker *Locker
	off    bool
	node   func(key string) string // the server that has a key; nil if there is one only
	done   context.Context         // ends with the Locker
	stop   context.CancelFunc

	some   atomic.Bool // byNode is not empty
	mu     sync.Mutex
	byNode map[string]*breaker
}

// A breaker counts what one server has left unanswered.
type breaker struct {
	unanswered int       // attempts in a row
	last       time.Time // when the last of them ended
	open       bool      // acquires fail at once
}

func (bs *breakers) init(l *Locker, off bool) {
	bs.locker, bs.off, bs.byNode = l, off, map[string]*breaker{}
	bs.done, bs.stop = context.WithCancel(context.Background())
	if named, ok := l.backend.(interface{ Node(key string) string }); ok {
		bs.node = named.Node
	}
}

// nodeOf returns the server that has the key. Where the backend panics, it is the only
// one.
func (bs *breakers) nodeOf(key string) (node string) {
	if bs.node == nil {
		return ""
	}
	defer func() { _ = recover() }()
	return bs.node(key)
}

// isOpen reports whether acquires of the key fail at once.
func (bs *breakers) isOpen(key string) bool {
	if !bs.some.Load() {
		return false
	}
	node := bs.nodeOf(key)
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.byNode[node]
	return b != nil && b.open
}

// unanswered counts an attempt that was sent and got no answer in its whole timeout.
func (bs *breakers) unanswered(key string, timeout time.Duration) {
	if bs.off {
		return
	}
	node := bs.nodeOf(key)
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.byNode[node]
	now := time.Now()
	if b == nil {
		bs.forgetIdle(now)
		b = &breaker{}
		bs.byNode[node] = b
		bs.some.Store(true)
	}
	b.last = now
	if b.unanswered++; b.unanswered < breakerLimit || b.open || bs.done.Err() != nil {
		return
	}
	b.open = true
	bs.locker.observer.Breaker(context.Background(), 1)
	go bs.probe(b, node, key, timeout)
}

// forgetIdle removes the closed breakers that have counted nothing for a minute. An
// open one is removed by its probe. mu is held.
func (bs *breakers) forgetIdle(now time.Time) {
	for node, b := range bs.byNode {
		if !b.open && now.Sub(b.last) > breakerIdle {
			delete(bs.byNode, node)
		}
	}
}

// answered forgets what was counted against the server of the key.
func (bs *breakers) answered(key string) {
	if bs.some.Load() {
		bs.close(bs.nodeOf(key))
	}
}

// close lets acquires go to the server again.
func (bs *breakers) close(node string) {
	bs.mu.Lock()
	b := bs.byNode[node]
	delete(bs.byNode, node)
	bs.some.Store(len(bs.byNode) > 0)
	bs.mu.Unlock()
	if b != nil && b.open {
		bs.locker.observer.Breaker(context.Background(), -1)
		bs.locker.queues.wakeAll()
	}
}

// probe releases a token that nobody has, which changes nothing, until the server has
// answered anybody.
func (bs *breakers) probe(b *breaker, node, key string, timeout time.Duration) {
	for pause := firstProbe; ; pause = min(2*pause, longestProbe) {
		stopped := sleep(bs.done, pause) != nil
		bs.mu.Lock()
		closed := bs.byNode[node] != b
		bs.mu.Unlock()
		if closed {
			return
		}
		_, err := bs.locker.call(bs.done, "probe", Claim{Key: key, Token: rand.Text(), TTL: time.Millisecond}, timeout)
		if stopped || err == nil || isAnswer(observe.ErrorType(err)) {
			bs.close(node) // the key may be another server's by now
			return
		}
	}
}
