package faults

import (
	"context"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func TestAfterAnOutageLocksProtectAgain(t *testing.T) {
	shared := sharedServer(t)
	for _, outage := range []struct {
		name   string
		server origin
		inject func(*wire)
		mend   func(*wire)
	}{
		{"black hole", shared, blackHole, (*wire).heal},
		{"reset", shared, reset, (*wire).heal},
		{"latency above the budget", shared, latencyAboveBudget, (*wire).heal},
		{"every reply lost", shared, everyReplyLost, (*wire).heal},
		{"refused", shared, refused, func(w *wire) {
			if err := w.proxy.Start(); err != nil {
				w.t.Fatalf("start the proxy again: %v", err)
			}
		}},
		{"kill -9", own, killed, killedAndRestarted},
		{"LOADING", own, loading, func(w *wire) {
			w.do("CONFIG", "SET", "key-load-delay", 0)
			serves(w.t, w.server)
		}},
		{"READONLY", own, demoted, func(w *wire) { w.do("REPLICAOF", "NO", "ONE") }},
		{"OOM", own, outOfMemory, func(w *wire) { w.do("CONFIG", "SET", "maxmemory", 0) }},
		{"wrong password", own, wrongPassword, func(w *wire) { w.do("CONFIG", "SET", "requirepass", password) }},
	} {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, outage.server(t))
			do := w.mutex.With(otellock.WithTTL(2 * attemptTimeout)) // a ghost that could not be removed is gone soon
			outage.inject(w)
			if got := w.take(ways[0], do, func() {}); got.ran != 1 || got.protected {
				t.Fatalf("in the outage: ran %d times, protected %t; want once, unprotected", got.ran, got.protected)
			}
			outage.mend(w)
			eventually(t, "a lock protects", func() bool {
				got := w.take(ways[0], do, func() {})
				if got.ran != 1 || got.err != errWork {
					t.Fatalf("ran %d times, error %v; want once, the work's own error", got.ran, got.err)
				}
				return got.protected
			})
			w.drain()
			wantAtRest(t, w.seen)
			counted := w.seen.Attempts(t)
			if n := counted[attempt{"acquire", "acquired"}]; n != 1 {
				t.Errorf("%d acquired, want 1: %v", n, counted)
			}
			if n := counted[attempt{"release", "released"}]; n != 1 {
				t.Errorf("%d released, want 1: %v", n, counted)
			}
		})
	}
}

// A caller whose acquire was granted unheard runs unprotected. The key that it
// left behind must neither block another for its time to live, nor may the first
// caller's end take the other's lock away.
func TestALostGrantDoesNotBlockTheNextContender(t *testing.T) {
	shared := sharedServer(t)
	for _, loss := range []struct {
		name      string
		inject    func(*wire)
		errorType string
	}{
		{"no reply", oneReplyLost, "timeout"},
		{"the connection closed in the place of the reply", oneReplyCutOff, "eof"},
	} {
		t.Run(loss.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, way way, policy string) {
				first := newWire(t, shared(t))
				next := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]))
				next.use(first.id)
				loss.inject(first)
				got := first.take(ways[0], first.mutex, func() {
					first.keyIsGone() // for a TryDo gets no second chance
					inner := next.take(way, next.mutex, func() {
						if token, err := next.side.Get(t.Context(), next.key).Result(); err != nil || token == "" {
							t.Errorf("the key holds %q, %v", token, err)
						}
					})
					if inner.ran != 1 || !inner.protected || inner.err != errWork || inner.released != nil {
						t.Errorf("the next contender: ran %d times, protected %t, error %v, Release %v; want once, protected, its own, nil",
							inner.ran, inner.protected, inner.err, inner.released)
					}
				})
				if got.ran != 1 || got.protected || got.err != errWork {
					t.Errorf("the first caller: ran %d times, protected %t, error %v", got.ran, got.protected, got.err)
				}
				first.drain()
				next.drain()
				wantAttempts(t, first.seen, attempt{"acquire", "backend_error", loss.errorType, "open"},
					attempt{"cleanup", "cleaned"})
				wantAttempts(t, next.seen,
					attempt{"acquire", "acquired"}, attempt{"release", "released"})
				wantSilence(t, next.seen)
			})
		})
	}
}

// The cleanup deletes by token: a key that another holder has taken meanwhile
// stays.
func TestTheCleanupOfALostGrantNeverTakesAnothersLock(t *testing.T) {
	w := newWire(t, startServer(t))
	lost := w.lose(yes, false)
	done := make(chan trial)
	go func() { done <- w.take(ways[0], w.mutex, func() {}) }()
	eventually(t, "the grant is lost", func() bool { return lost.Load() == 1 })
	stolen(w) // while the caller still waits for the reply
	<-done
	w.drain()
	wantAttempts(t, w.seen,
		attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleaned"})
	if token, err := w.side.Get(t.Context(), w.key).Result(); err != nil || token != anothersToken {
		t.Errorf("the other holder's key holds %q, %v", token, err)
	}
}

func TestAnOutageCostsEachCallOneAttemptAndNoMore(t *testing.T) {
	const callers = 16
	w := newWire(t, startServer(t))
	blackHole(w)
	took := make(chan time.Duration, callers)
	for range callers {
		go func() {
			start := time.Now()
			_ = w.mutex.Do(t.Context(), func(context.Context) error { took <- time.Since(start); return nil })
		}()
	}
	for range callers {
		within(t, "the acquire", <-took, attemptTimeout)
	}
	w.drainInFault()
	var failed int64
	for a, n := range w.seen.Attempts(t) {
		if a.Operation() == "acquire" {
			failed += n
		}
		if a.Operation() == "acquire" && a.Outcome() != "backend_error" {
			t.Errorf("counted %d of %v", n, a)
		}
	}
	if failed != callers {
		t.Errorf("%d acquires counted, want %d", failed, callers)
	}
	wantAtRest(t, w.seen)
}
