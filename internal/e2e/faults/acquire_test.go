package faults

import (
	"testing"

	"github.com/otellock/otellock-go/otellock"
)

func TestABackendThatFailsAtAcquire(t *testing.T) {
	shared := sharedServer(t)
	for _, fault := range []struct {
		name      string
		server    origin
		inject    func(*wire)
		errorType string
		cleanup   attempt // of a token that the server may hold; none where it certainly does not
		key       string  // gone, or unknown: the server is dead, or the cleanup failed as the acquire did
	}{
		// Nobody knows whether the command ran.
		{"black hole", shared, blackHole, "timeout", someCleanup, "gone"},
		{"reset", shared, reset, "eof", someCleanup, "gone"},
		{"latency above the budget", shared, latencyAboveBudget, "timeout", someCleanup, "unknown"},
		{"every reply lost", shared, everyReplyLost, "timeout", someCleanup, "unknown"},
		{"the reply of the acquire lost", shared, oneReplyLost, "timeout", attempt{"cleanup", "cleaned", "", ""}, "gone"},
		{"the connection closed in the place of the reply", shared, oneReplyCutOff, "eof", attempt{"cleanup", "cleaned", "", ""}, "gone"},
		{"kill -9, behind a proxy that lives", own, killed, "eof", someCleanup, "unknown"},
		// The command certainly did not run: nothing to clean up.
		{"refused", shared, refused, "connection_refused", attempt{}, "gone"},
		{"pool exhausted", shared, poolExhausted, "pool_exhausted", attempt{}, "gone"},
		{"LOADING", own, loading, "LOADING", attempt{}, "unknown"},
		{"READONLY", own, demoted, "READONLY", attempt{}, "gone"},
		{"OOM", own, outOfMemory, "OOM", attempt{}, "gone"},
		{"wrong password", own, wrongPassword, "WRONGPASS", attempt{}, "gone"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, way way, policy string) {
				timeout := timeoutFor(fault.errorType)
				w := newWire(t, fault.server(t), otellock.WithFailClosed(policies[policy]), otellock.WithAttemptTimeout(timeout))
				fault.inject(w)

				got := w.take(way, w.mutex, func() {})

				body := "lock backend failed: projects runs unprotected"
				if policy == "open" {
					if got.ran != 1 || got.protected || got.err != errWork || got.released != nil {
						t.Errorf("ran %d times, protected %t, error %v, Release %v; want once, unprotected, the work's own error, nil",
							got.ran, got.protected, got.err, got.released)
					}
				} else {
					body = "lock backend failed: projects was refused"
					if got.ran != 0 {
						t.Errorf("the work ran %d times, want 0", got.ran)
					}
					wantError(t, got.err, otellock.ErrBackend, "acquire", fault.errorType)
				}
				within(t, "the acquire", got.acquiring, timeout)
				within(t, "the release of nothing", got.releasing, 0)

				if fault.cleanup == someCleanup {
					w.drainInFault()
				} else {
					w.drain()
				}
				failed := attempt{"acquire", "backend_error", fault.errorType, policy}
				wantAttempts(t, w.seen, failed, fault.cleanup)
				wantOneWarning(t, w, failed, way.mode, body)
				wantAtRest(t, w.seen)
				if times := w.seen.Histogram(t, "lock.acquire.duration"); len(times) != 1 || times[0].Count != 1 ||
					text(times[0].Attributes, "lock.outcome") != "backend_error" {
					t.Errorf("lock.acquire.duration: %v, want one backend_error", times)
				}
				if fault.key == "gone" {
					w.keyIsGone()
				}
			})
		})
	}
}
