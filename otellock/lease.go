package otellock

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// A Lease is a lock that is held, or was meant to be: see [Lease.Protected]. It
// is safe for concurrent use, and a nil Lease allows every method.
//
// A lease is not a fence. Its time to live may run out, or the backend may
// forget it, while the holder works on; the holder learns it at the end, by
// [Lease.Extend], or by looking at [Lease.Deadline].
type Lease struct{ hold *hold }

// Protected reports whether the lease is held, as far as this process knows. It
// is false where the lock failed open or is disabled, where Extend found the
// lease lost, and after the release. A deadline that has passed does not make it
// false: the server decides.
func (l *Lease) Protected() bool { return l != nil && l.hold != nil && l.hold.holds() }

// Deadline is when the lease runs out unless it is extended: the start of the
// request that was granted, plus the time to live, on the local clock. It is
// advisory; the server decides. It is zero for a lease that never was protected.
func (l *Lease) Deadline() time.Time {
	if l == nil || l.hold == nil || !l.hold.protected {
		return time.Time{}
	}
	return l.hold.deadline()
}

// Extend makes the lease run out ttl from now. It never fails open: the error is
// [ErrExpired], [ErrLost] or [ErrStolen] if the lease is gone, for which every
// later call returns the same, and [ErrBackend] if nobody knows or if the lock
// had failed open. If it fails so, [Lease.Deadline] says the earlier of the two:
// the server may have taken the new time without ever saying so. A ttl below 1 ms
// or not above the attempt timeout is an error. Extending a lock
// that is disabled does nothing. Only what asks the backend is an operation, with
// a span and a count.
func (l *Lease) Extend(ctx context.Context, ttl time.Duration) error {
	if l == nil || l.hold == nil {
		return invalid(opExtend.String(), "", "there is no lease")
	}
	h := l.hold
	c := h.settings.lockConfig
	c.ttl = ttl
	if err := c.resolve(); err != nil {
		return invalid(opExtend.String(), h.settings.family.name, err.Error())
	}
	switch {
	case h.settings.disabled:
		return nil
	case !h.protected:
		return h.newError(opExtend, "unprotected", ErrBackend, nil)
	}
	if err := ended(ctx, time.Now()); err != nil {
		return h.newError(opExtend, "canceled", err, context.Cause(ctx))
	}
	calls := &h.settings.family.locker.calls
	calls.begin()
	defer calls.end()
	return h.extend(ctx, ttl, c.attemptTimeout)
}

// Release ends the lease. ctx carries the trace only: its cancellation and its
// deadline do not cut the release, which takes at most one attempt timeout. The
// error says that the lease was lost ([ErrExpired], [ErrLost], [ErrStolen]) or
// that the backend failed ([ErrBackend]: the key stays until its time to live
// has passed). Every call returns the result of the first; [ErrClosed] if
// [Locker.Close] released the lease before. An unprotected lease has nothing to
// release.
func (l *Lease) Release(ctx context.Context) error {
	if l == nil || l.hold == nil {
		return nil
	}
	calls := &l.hold.settings.family.locker.calls
	calls.begin() // so that Close waits for its report
	defer calls.end()
	err := l.hold.release(ctx)
	runtime.KeepAlive(l)
	return err
}

// String is the bounded name of the lease's target, without key and token.
func (l *Lease) String() string {
	if l == nil || l.hold == nil {
		return "<nil>"
	}
	return fmt.Sprintf("lease of %s, protected: %t", l.hold.settings.family.name, l.Protected())
}

// GoString is String.
func (l *Lease) GoString() string { return l.String() }

// handOut makes the Lease of a hold, and counts it as abandoned if it becomes
// garbage before it is released. The backend is not touched then: the collector
// may run while the critical section still does.
func (l *Locker) handOut(h *hold) *Lease {
	lease := &Lease{hold: h}
	if !h.protected {
		return lease
	}
	h.manual = true
	l.mu.Lock()
	l.manual[h] = struct{}{}
	l.mu.Unlock()
	runtime.AddCleanup(lease, func(h *hold) { go h.endAsGarbage() }, h) // it may wait for the end
	return lease
}
