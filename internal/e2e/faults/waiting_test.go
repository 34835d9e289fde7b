package faults

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// takeBusy takes the lock that another holds, and meddles once the backend has
// answered that it is busy.
func (w *wire) takeBusy(ctx context.Context, way way, m otellock.Mutex, meddle func()) trial {
	w.t.Helper()
	stolen(w)
	result := make(chan trial, 1)
	go func() { result <- w.takeWith(ctx, way, m, func(context.Context) {}) }()
	eventually(w.t, "it waits", func() bool { return w.seen.Total(w.t, "lock.waiting") == 1 })
	meddle()
	return <-result
}

func TestOneErrorAfterContendedRepliesIsAbsorbed(t *testing.T) {
	shared := sharedServer(t)
	for _, row := range []struct {
		name  string
		reply string
		cut   bool
	}{
		{"the connection closed, the lock still busy", foreign, true},
		{"no reply, the lock still busy", foreign, false},
		// The lost reply said that the lock is ours: the next attempt finds its own token.
		{"the connection closed, the lock granted unheard", yes, true},
		{"no reply, the lock granted unheard", yes, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			everyWaitingWay(t, func(t *testing.T, way way, policy string) {
				w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]), otellock.WithWait(10*time.Second),
					otellock.WithWakeUp(false)) // whose replies are of the same text
				got := w.takeBusy(t.Context(), way, w.mutex, func() {
					lost := w.lose(row.reply, row.cut)
					if row.reply == foreign {
						eventually(t, "the reply is lost", func() bool { return lost.Load() == 1 })
					}
					w.do("DEL", w.key)
					eventually(t, "the reply is lost", func() bool { return lost.Load() == 1 })
				})
				if got.ran != 1 || !got.protected || got.err != errWork || got.released != nil {
					t.Errorf("ran %d times, protected %t, error %v, Release %v; want once, protected, the work's own error, nil",
						got.ran, got.protected, got.err, got.released)
				}
				w.drain()
				wantAttempts(t, w.seen, attempt{"acquire", "acquired"},
					attempt{"release", "released"}, attempt{"cleanup", "cleaned"})
				wantSilence(t, w.seen)
				wantAtRest(t, w.seen)
				w.keyIsGone()
			})
		})
	}
}

func TestTheSecondErrorAfterContendedRepliesIsAFailure(t *testing.T) {
	shared := sharedServer(t)
	for _, fault := range []struct {
		name       string
		server     origin
		inject     func(*wire)
		errorType  string
		unanswered bool // and so cleaned up after
	}{
		{"black hole", shared, blackHole, "timeout", true},
		{"refused", shared, refused, "connection_refused", false},
		{"pool exhausted", shared, poolExhausted, "pool_exhausted", false},
		{"LOADING", own, loading, "LOADING", false},
	} {
		t.Run(fault.name, func(t *testing.T) {
			everyWaitingWay(t, func(t *testing.T, way way, policy string) {
				w := newWire(t, fault.server(t), otellock.WithFailClosed(policies[policy]), otellock.WithWait(30*time.Second))
				var broken time.Time
				got := w.takeBusy(t.Context(), way, w.mutex, func() {
					fault.inject(w)
					broken = time.Now()
				})
				const longestPause = 200 * time.Millisecond // the default
				within(t, "to find out about the outage", time.Since(broken), 2*attemptTimeout+2*longestPause)

				body, ran := "lock backend failed: projects runs unprotected", 1
				if policy == "closed" {
					body, ran = "lock backend failed: projects was refused", 0
					wantError(t, got.err, otellock.ErrBackend, "acquire", fault.errorType)
				}
				if got.ran != ran || got.protected {
					t.Errorf("ran %d times, protected %t; want %d, unprotected", got.ran, got.protected, ran)
				}
				w.drainInFault()
				failed := attempt{"acquire", "backend_error", fault.errorType, policy}
				counted := w.seen.Attempts(t)
				for a := range counted {
					if a.Operation() == "cleanup" { // also of an attempt that was under way when the wire broke
						delete(counted, a)
					}
				}
				if want := map[attempt]int64{failed: 1}; !maps.Equal(counted, want) {
					t.Errorf("counted %v, want %v", counted, want)
				}
				wantOneWarning(t, w, failed, way.mode, body)
				wantAtRest(t, w.seen)
				if retries := w.seen.Warnings()[0]["lock.retries"]; retries == int64(0) {
					t.Error("lock.retries is 0 after contended replies")
				}
			})
		})
	}
}

func TestABusyLockOnASlowWireIsContentionAndNoFailure(t *testing.T) {
	shared := sharedServer(t)
	everyWay(t, func(t *testing.T, way way, policy string) {
		const wait = 200 * time.Millisecond
		w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]), otellock.WithWait(wait))
		w.toxic("latency", "downstream", map[string]int{"latency": 30})
		stolen(w)
		got := w.take(way, w.mutex, func() {})
		outcome := "skipped"
		if way.mode == "wait" {
			outcome = "contended"
			wantError(t, got.err, otellock.ErrContended, "acquire", "contended")
		} else if got.err != nil {
			t.Errorf("error %v, want nil", got.err)
		}
		if got.ran != 0 {
			t.Errorf("the work ran %d times, want 0", got.ran)
		}
		within(t, "the acquire", got.acquiring, wait+attemptTimeout)
		w.drain()
		wantAttempts(t, w.seen, attempt{"acquire", outcome})
		wantSilence(t, w.seen)
		wantAtRest(t, w.seen)
	})
}

func TestACallerThatGivesUpWhileWaitingIsNoFailure(t *testing.T) {
	shared := sharedServer(t)
	for _, row := range []struct {
		name string
		end  error
	}{
		{"cancelled", context.Canceled},
		{"its own deadline over", context.DeadlineExceeded},
	} {
		t.Run(row.name, func(t *testing.T) {
			everyWaitingWay(t, func(t *testing.T, way way, policy string) {
				w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]), otellock.WithWait(longTTL))
				ctx, cancel := context.WithCancel(t.Context())
				if row.end == context.DeadlineExceeded {
					ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second) // also a busy machine waits by then
				}
				defer cancel()
				var ended time.Time
				got := w.takeBusy(ctx, way, w.mutex, func() {
					if row.end == context.Canceled {
						cancel()
					}
					<-ctx.Done()
					ended = time.Now()
				})
				within(t, "to give up", time.Since(ended), attemptTimeout)
				if got.ran != 0 {
					t.Errorf("the work ran %d times, want 0", got.ran)
				}
				wantError(t, got.err, row.end, "acquire", "canceled")
				w.drain()
				counted := w.seen.Attempts(t)
				delete(counted, attempt{"cleanup", "cleaned"}) // of a last attempt that the end cut
				if want := map[attempt]int64{{"acquire", "canceled"}: 1}; !maps.Equal(counted, want) {
					t.Errorf("counted %v, want %v", counted, want)
				}
				wantSilence(t, w.seen)
				wantAtRest(t, w.seen)
			})
		})
	}
}

// The last attempts before a caller's deadline get little time. On a wire where
// a reply takes longer than that, their silence says nothing about the backend,
// and the work must not run beside the live holder.
func TestACallersDeadlineOnABusyLockAndASlowWireIsNoOutage(t *testing.T) {
	const callers, calls = poolSize - 1, 6 // few, so that the pool is not what fails
	w := newWire(t, startServer(t), otellock.WithWait(longTTL))
	w.toxic("latency", "downstream", map[string]int{"latency": 30})
	stolen(w)
	var beside atomic.Int32
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range calls {
				ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
				got := w.takeWith(ctx, ways[0], w.mutex, func(context.Context) {})
				cancel()
				beside.Add(int32(got.ran))
			}
		})
	}
	group.Wait()
	w.drain()
	if n := beside.Load(); n != 0 {
		t.Errorf("%d of %d calls ran their work beside the live holder: %v", n, callers*calls, w.seen.Attempts(t))
	}
	if n := len(w.seen.Warnings()); n != 0 {
		t.Errorf("%d warnings, want none", n)
	}
}
