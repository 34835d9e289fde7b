package faults

import (
	"errors"
	"testing"

	"github.com/otellock/otellock-go/otellock"
)

func TestABackendThatFailsWhileTheLockIsHeld(t *testing.T) {
	const (
		backendFailed = "lock backend failed: projects may stay locked until its time to live has passed"
		leaseLost     = "lock lease lost while held: another holder of projects may have run"
		leaseStolen   = "lock lease stolen while held: another holder of projects runs"
		leaseExpired  = "lock lease expired while held: another holder of projects may have run"
	)
	shared := sharedServer(t)
	for _, fault := range []struct {
		name      string
		server    origin
		inject    func(*wire)
		errorType string // none: the release succeeds
		sentinel  error
		body      string
	}{
		{"black hole", shared, blackHole, "timeout", otellock.ErrBackend, backendFailed},
		{"reset", shared, reset, "eof", otellock.ErrBackend, backendFailed},
		{"refused", shared, refused, "connection_refused", otellock.ErrBackend, backendFailed},
		{"latency above the budget", shared, latencyAboveBudget, "timeout", otellock.ErrBackend, backendFailed},
		{"pool exhausted", shared, poolExhausted, "pool_exhausted", otellock.ErrBackend, backendFailed},
		{"LOADING", own, loading, "LOADING", otellock.ErrBackend, backendFailed},
		{"READONLY", own, demoted, "READONLY", otellock.ErrBackend, backendFailed},
		{"wrong password", own, wrongPassword, "WRONGPASS", otellock.ErrBackend, backendFailed},
		{"every reply lost", shared, everyReplyLost, "timeout", otellock.ErrBackend, backendFailed},
		{"kill -9, behind a proxy that lives", own, killed, "eof", otellock.ErrBackend, backendFailed},
		{"kill -9 and restart, without persistence", own, killedAndRestarted, "lost", otellock.ErrLost, leaseLost},
		{"FLUSHALL", own, flushed, "lost", otellock.ErrLost, leaseLost},
		{"another token in the key", shared, stolen, "stolen", otellock.ErrStolen, leaseStolen},
		{"the time to live over", shared, expired, "expired", otellock.ErrExpired, leaseExpired},
		// Absent on the repeat of an unanswered release is not a loss.
		{"the reply of the release lost", shared, oneReplyLost, "", nil, ""},
		{"the connection closed in the place of the reply", shared, oneReplyCutOff, "", nil, ""},
		{"kill -9 and restart, with persistence", durable, killedAndRestarted, "", nil, ""},
		{"OOM, which stops no release", own, outOfMemory, "", nil, ""},
	} {
		t.Run(fault.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, way way, policy string) {
				timeout := timeoutFor(fault.errorType)
				w := newWire(t, fault.server(t), otellock.WithFailClosed(policies[policy]), otellock.WithAttemptTimeout(timeout))
				m := w.mutex
				if fault.errorType == "expired" {
					m = m.With(otellock.WithTTL(2 * attemptTimeout))
				}

				got := w.take(way, m, func() { fault.inject(w) })

				if got.ran != 1 || !got.protected {
					t.Fatalf("ran %d times, protected %t, error %v; want once, protected", got.ran, got.protected, got.err)
				}
				if !errors.Is(got.err, errWork) {
					t.Errorf("error %v, want the work's own in it", got.err)
				}
				joined := policy == "closed" && !way.handle && fault.errorType != ""
				switch {
				case joined:
					wantError(t, got.err, fault.sentinel, "release", fault.errorType)
				case got.err != errWork:
					t.Errorf("error %v, want the work's own alone", got.err)
				}
				switch {
				case way.handle && fault.errorType != "":
					wantError(t, got.released, fault.sentinel, "release", fault.errorType)
				case got.released != nil:
					t.Errorf("Release: %v, want nil", got.released)
				}
				within(t, "the release", got.releasing, timeout)

				left := fault.sentinel == otellock.ErrBackend
				if left {
					w.drainInFault()
				} else {
					w.drain()
				}
				wantAtRest(t, w.seen)
				for _, name := range []string{"lock.hold.duration", "lock.hold.utilization"} {
					if points := w.seen.Histogram(t, name); len(points) != 1 || points[0].Count != 1 {
						t.Errorf("%s: %v, want one", name, points)
					}
				}
				ok := attempt{"acquire", "acquired"}
				if fault.errorType == "" {
					wantAttempts(t, w.seen, ok, attempt{"release", "released"})
					wantSilence(t, w.seen)
					w.keyIsGone()
					return
				}
				failed := attempt{"release", "release_error", fault.errorType, policy}
				if left {
					wantAttempts(t, w.seen, ok, failed, someCleanup)
				} else {
					wantAttempts(t, w.seen, ok, failed)
				}
				wantOneWarning(t, w, failed, way.mode, fault.body)
			})
		})
	}
}

func TestAReleaseNeverTakesAnothersLock(t *testing.T) {
	shared := sharedServer(t)
	everyWay(t, func(t *testing.T, way way, policy string) {
		w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]))
		w.take(way, w.mutex, func() { stolen(w) })
		if token, err := w.side.Get(t.Context(), w.key).Result(); err != nil || token != anothersToken {
			t.Errorf("the thief's key holds %q, %v after the release", token, err)
		}
	})
}
