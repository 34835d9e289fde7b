package faults

import (
	"context"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func TestExtendWhenTheBackendFails(t *testing.T) {
	shared := sharedServer(t)
	for _, fault := range []struct {
		name      string
		server    origin
		inject    func(*wire)
		errorType string // none: the lease is extended
	}{
		{"black hole", shared, blackHole, "timeout"},
		{"reset", shared, reset, "eof"},
		{"refused", shared, refused, "connection_refused"},
		{"latency above the budget", shared, latencyAboveBudget, "timeout"},
		{"pool exhausted", shared, poolExhausted, "pool_exhausted"},
		{"LOADING", own, loading, "LOADING"},
		{"READONLY", own, demoted, "READONLY"},
		{"wrong password", own, wrongPassword, "WRONGPASS"},
		{"every reply lost", shared, everyReplyLost, "timeout"},
		{"kill -9, behind a proxy that lives", own, killed, "eof"},
		{"one reply lost", shared, oneReplyLost, ""},
		{"the connection closed in the place of the reply", shared, oneReplyCutOff, ""},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for policy, failClosed := range policies {
				t.Run("fail-"+policy, func(t *testing.T) {
					t.Parallel()
					timeout := timeoutFor(fault.errorType)
					w := newWire(t, fault.server(t), otellock.WithFailClosed(failClosed), otellock.WithAttemptTimeout(timeout))
					lease, err := w.mutex.Lock(t.Context())
					if err != nil || !lease.Protected() {
						t.Fatalf("Lock: %v, %v", lease, err)
					}
					before := lease.Deadline()
					fault.inject(w)

					start := time.Now()
					err = lease.Extend(t.Context(), 2*longTTL)
					within(t, "Extend", time.Since(start), timeout)

					if !lease.Protected() {
						t.Error("the lease is not protected any more; nobody knows that it is lost")
					}
					ok := attempt{"acquire", "acquired"}
					if fault.errorType == "" {
						if err != nil || !lease.Deadline().After(before) {
							t.Errorf("Extend: %v, the deadline moved by %v", err, lease.Deadline().Sub(before))
						}
						if err := lease.Release(t.Context()); err != nil {
							t.Errorf("Release: %v", err)
						}
						w.drain()
						wantAttempts(t, w.seen, ok, attempt{"extend", "extended"},
							attempt{"release", "released"})
						wantSilence(t, w.seen)
						return
					}
					wantError(t, err, otellock.ErrBackend, "extend", fault.errorType)
					if !lease.Deadline().Equal(before) {
						t.Errorf("the deadline moved by %v", lease.Deadline().Sub(before))
					}
					failed := attempt{"extend", "extend_error", fault.errorType, "closed"}
					eventually(t, "it is reported", func() bool { return len(w.seen.Logs.All()) == 1 })
					wantAttempts(t, w.seen, ok, failed)
					wantOneWarning(t, w, failed, "wait", "lock backend failed: the lease of projects was not extended")

					// The backend's failures are not one loss: the release has its own to tell.
					wantError(t, lease.Release(t.Context()), otellock.ErrBackend, "release", fault.errorType)
					w.drainInFault()
					wantAttempts(t, w.seen, ok, failed, attempt{"release", "release_error", fault.errorType, policy}, someCleanup)
					if n := len(w.seen.Warnings()); n != 2 {
						t.Errorf("%d warnings, want 2", n)
					}
					wantAtRest(t, w.seen)
				})
			}
		})
	}
}

func TestALossThatExtendFindsIsReportedOnce(t *testing.T) {
	shared := sharedServer(t)
	for _, loss := range []struct {
		name      string
		server    origin
		inject    func(*wire)
		errorType string
		sentinel  error
		body      string
	}{
		{"FLUSHALL", own, flushed, "lost", otellock.ErrLost, "lock lease lost while held: another holder of projects may have run"},
		{"kill -9 and restart", own, killedAndRestarted, "lost", otellock.ErrLost, "lock lease lost while held: another holder of projects may have run"},
		{"another token in the key", shared, stolen, "stolen", otellock.ErrStolen, "lock lease stolen while held: another holder of projects runs"},
		{"the time to live over", shared, expired, "expired", otellock.ErrExpired, "lock lease expired while held: another holder of projects may have run"},
	} {
		t.Run(loss.name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, way way, policy string) {
				w := newWire(t, loss.server(t), otellock.WithFailClosed(policies[policy]))
				m := w.mutex
				if loss.errorType == "expired" {
					m = m.With(otellock.WithTTL(2 * attemptTimeout))
				}
				// Where the lock fails closed, its own clock tells when the lease is over.
				byWhom := "extend"
				if loss.errorType == "expired" && policy == "closed" {
					byWhom = "lease"
				}
				var got trial
				got.err, got.released = way.run(t.Context(), m, func(ctx context.Context, lease *otellock.Lease) error {
					got.ran++
					loss.inject(w)
					first := lease.Extend(ctx, longTTL)
					wantError(t, first, loss.sentinel, byWhom, loss.errorType)
					if again := lease.Extend(ctx, longTTL); again != first {
						t.Errorf("the second Extend returns %v, the first %v", again, first)
					}
					if lease.Protected() {
						t.Error("the lease is protected after its loss")
					}
					return errWork
				})
				if got.ran != 1 {
					t.Fatalf("ran %d times, error %v; want once", got.ran, got.err)
				}
				switch {
				case way.handle:
					wantError(t, got.released, loss.sentinel, "release", loss.errorType)
				case policy == "closed":
					wantError(t, got.err, loss.sentinel, "release", loss.errorType)
				case got.err != errWork:
					t.Errorf("error %v, want the work's own alone", got.err)
				}

				w.drain()
				acquired, lost := attempt{"acquire", "acquired"}, attempt{"release", "release_error", loss.errorType, policy}
				found := attempt{"extend", "extend_error", loss.errorType, "closed"}
				if byWhom == "lease" {
					found = lost
					wantAttempts(t, w.seen, acquired, lost)
				} else {
					wantAttempts(t, w.seen, acquired, found, lost)
				}
				wantOneWarning(t, w, found, way.mode, loss.body)
				wantAtRest(t, w.seen)
				if token, err := w.side.Get(t.Context(), w.key).Result(); loss.errorType != "stolen" && token != "" {
					t.Errorf("the key was made again: %v", err)
				}
			})
		})
	}
}

func TestExtendOfALeaseThatFailedOpenIsRefusedAndSendsNothing(t *testing.T) {
	w := newWire(t, startServer(t))
	refused(w)
	lease, err := w.mutex.Lock(t.Context())
	if err != nil || lease.Protected() {
		t.Fatalf("Lock: %v, %v; want an unprotected lease", lease, err)
	}
	if err := w.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	wantError(t, lease.Extend(t.Context(), longTTL), otellock.ErrBackend, "extend", "unprotected")
	w.keyIsGone()
	w.drain()
	wantAttempts(t, w.seen, attempt{"acquire", "backend_error", "connection_refused", "open"})
}

func TestExtendTakesNoLongerThanItsCallersDeadline(t *testing.T) {
	const timeout, deadline = 8 * time.Second, time.Second
	w := newWire(t, startServer(t), otellock.WithAttemptTimeout(timeout))
	lease, err := w.mutex.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blackHole(w)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	err = lease.Extend(ctx, longTTL)
	within(t, "Extend", time.Since(start), deadline)
	wantError(t, err, otellock.ErrBackend, "extend", "timeout")
	w.heal()
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("Release after the outage: %v", err)
	}
}
