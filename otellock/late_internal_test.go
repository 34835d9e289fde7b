package otellock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// granting is a backend that grants everything, and counts the extends.
type granting struct{ extends int }

func (g *granting) Acquire(context.Context, Claim) (Grant, error) {
	return Grant{Acquired: true}, nil
}
func (g *granting) Extend(context.Context, Claim) error  { g.extends++; return nil }
func (g *granting) Release(context.Context, Claim) error { return nil }

// On a busy machine a goroutine can run before the timer that is due. The lease is
// over all the same: an extend finds that, and sends nothing.
func TestALeaseThatIsOverByItsClockIsNotExtendedWhereTheTimerIsLate(t *testing.T) {
	const ttl = 9 * time.Second
	for name, opts := range map[string][]LockOption{
		"the loss ends the work":              {WithCancelOnLoss(true)},
		"it is renewed":                       {WithAutoExtend(time.Hour)},
		"it is renewed, and its loss ends it": {WithAutoExtend(time.Hour), WithCancelOnLoss(true)},
	} {
		t.Run(name, func(t *testing.T) {
			for which, extend := range map[string]func(*Lease) error{
				"Extend": func(l *Lease) error { return l.Extend(t.Context(), time.Minute) },
				"renewal": func(l *Lease) error {
					l.state.renew()
					if lost := l.state.loss(); lost != nil {
						return lost
					}
					return nil
				},
			} {
				t.Run(which, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						backend := &granting{}
						locker, err := New(backend)
						if err != nil {
							t.Fatal(err)
						}
						lease, err := locker.UndeclaredMutex("lock:projects:7").With(append(opts, WithTTL(ttl))...).Lock(context.Background())
						if err != nil {
							t.Fatal(err)
						}
						holdTimers(lease.state)
						time.Sleep(ttl)

						err = extend(lease)
						var lost *Error
						if !errors.As(err, &lost) || lost.Op != "lease" || lost.Type != "expired" || !errors.Is(err, ErrExpired) {
							t.Errorf("the loss is %v; want that the lease's own clock has found it", err)
						}
						if backend.extends != 0 {
							t.Errorf("%d extends were sent", backend.extends)
						}
						if lease.Protected() {
							t.Error("the lease is protected after its loss")
						}
						if work := lease.Context(); lease.state.config.cancelOnLoss && context.Cause(work) != err {
							t.Errorf("the work was told %v, want %v", context.Cause(work), err)
						}
						if again := lease.Extend(t.Context(), time.Minute); again != err {
							t.Errorf("the second Extend returns %v, the first %v", again, err)
						}
						if err := lease.Release(t.Context()); !errors.Is(err, ErrExpired) {
							t.Errorf("Release: %v", err)
						}
						if err := locker.Close(t.Context()); err != nil {
							t.Error(err)
						}
					})
				})
			}
		})
	}
}

// holdTimers makes the timers of the lease later than anything else.
func holdTimers(l *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch.expiry.Stop()
	if l.watch.renewal != nil {
		l.watch.renewal.Stop()
	}
}
