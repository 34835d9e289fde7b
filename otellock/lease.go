package otellock

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/otellock/otellock-go/semconv"
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
// had failed open. The lease keeps the time it had if Extend fails otherwise. A
// ttl below 1 ms or not above the attempt timeout is an error. Extending a lock
// that is disabled does nothing.
func (l *Lease) Extend(ctx context.Context, ttl time.Duration) error {
	if l == nil || l.hold == nil {
		return invalid(opExtend.String(), "", "there is no lease")
	}
	h := l.hold
	c := h.settings.lockConfig
	c.ttl = ttl
	if err := c.validate(); err != nil {
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
	return h.extend(ctx, ttl)
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
	err := l.hold.end(ctx, opRelease, new(attemptContext))
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

// GoString is String: key and token are in no formatted text.
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
	runtime.AddCleanup(lease, (*hold).abandon, h)
	return lease
}

func (h *hold) abandon() {
	h.ending.Lock()
	defer h.ending.Unlock()
	if h.ended {
		return
	}
	h.conclude(context.Background())
	h.settings.family.done(context.Background(), abandoned)
}

// conclude marks the end of the lease, whatever its result.
func (h *hold) conclude(ctx context.Context) {
	f := h.settings.family
	h.ended = true
	h.over.Store(true)
	f.hold(ctx, -1)
	if h.manual {
		f.locker.mu.Lock()
		delete(f.locker.manual, h)
		f.locker.mu.Unlock()
	}
}

// end releases the lease: as its holder does it (opRelease), or as Close does it
// (opCleanup). first is memory for the first attempt's context.
func (h *hold) end(ctx context.Context, op operation, first *attemptContext) error {
	if !h.protected {
		return nil
	}
	h.ending.Lock()
	switch {
	case h.ended && op == opCleanup: // by its holder, or by another Close
		h.ending.Unlock()
		return nil
	case h.ended:
		defer h.ending.Unlock()
		return h.result
	case op == opCleanup:
		defer h.ending.Unlock()
		return h.cleanUp(ctx, first)
	}
	f := h.settings.family
	l := f.locker
	ctx, span := l.tracer.Start(ctx, f.spanNames[opRelease], h.settings.startOptions(opRelease, 0)...)

	a := answer{at: since(h.start)}
	lost := h.lost
	if lost != nil {
		a.class = lost.Type
	} else {
		a = h.twice(ctx, opRelease, a.at, h.settings.attemptTimeout, first, Backend.Release)
	}
	held := a.at.Sub(h.granted())
	utilization := float64(a.at.Sub(h.start)) / float64(h.length.Load())
	l.holdDuration.Record(ctx, held.Seconds(), f.targetOnly...)
	l.holdUtilization.Record(ctx, utilization, f.targetOnly...)

	result, p := released, policyOf(h.settings.failClosed)
	if a.class == "" {
		f.done(ctx, released)
	} else {
		result = releaseError
		h.result = h.newError(opRelease, a.class, sentinel(a.class), a.cause)
		f.add(ctx, 1, count{opRelease, releaseError, p, a.class})
	}
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[result], semconv.LockRetries(a.retries),
			semconv.LockHoldUtilization(utilization), semconv.LockHoldDuration(held.Seconds()))
	}
	h.conclude(ctx)
	err := h.result
	h.ending.Unlock() // a handler of the report may look at the lease
	if a.class == "" {
		span.End()
	} else {
		h.fail(ctx, span, failure{op: opRelease, outcome: releaseError, policy: p, class: a.class,
			at: a.at, held: held, retries: a.retries, known: lost != nil})
	}
	return err
}

// cleanUp is the end that Close makes.
func (h *hold) cleanUp(ctx context.Context, first *attemptContext) error {
	a := h.twice(ctx, opCleanup, time.Now(), h.settings.attemptTimeout, first, Backend.Release)
	f := h.settings.family
	h.conclude(ctx)
	h.result = h.newError(opRelease, "closed", ErrClosed, nil)
	if a.class == "" {
		f.done(ctx, cleaned)
		return nil
	}
	f.add(ctx, 1, count{op: opCleanup, outcome: cleanupError, class: a.class})
	return h.newError(opRelease, a.class, sentinel(a.class), a.cause)
}

func (h *hold) extend(ctx context.Context, ttl time.Duration) error {
	h.ending.Lock()
	switch {
	case h.ended:
		defer h.ending.Unlock()
		return h.newError(opExtend, "released", ErrLost, h.result)
	case h.lost != nil:
		defer h.ending.Unlock()
		return h.lost
	}
	f := h.settings.family
	ctx, span := f.locker.tracer.Start(ctx, f.spanNames[opExtend], h.settings.startOptions(opExtend, 0)...)

	start := time.Now()
	timeout := h.settings.attemptTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, deadline.Sub(start))
	}
	a := h.twice(ctx, opExtend, start, timeout, new(attemptContext), func(b Backend, ctx context.Context, c Claim) error {
		c.TTL = ttl
		return b.Extend(ctx, c)
	})
	if a.class == "" {
		h.length.Store(int64(start.Sub(h.start) + ttl))
		f.done(ctx, extended)
		if span.IsRecording() {
			span.SetAttributes(outcomeAttrs[extended], semconv.LockRetries(a.retries))
		}
		span.End()
		h.ending.Unlock()
		return nil
	}
	err := h.newError(opExtend, a.class, sentinel(a.class), a.cause)
	if err.kind != ErrBackend {
		h.lost = err
		h.over.Store(true)
	}
	f.add(ctx, 1, count{opExtend, extendError, closed, a.class})
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[extendError], semconv.LockRetries(a.retries))
	}
	h.ending.Unlock()
	h.fail(ctx, span, failure{op: opExtend, outcome: extendError, policy: closed, class: a.class,
		at: a.at, held: a.at.Sub(h.granted()), retries: a.retries})
	return err
}

// An answer is what the backend said to a release or an extend.
type answer struct {
	class   string // of the failure; empty where there is none
	cause   error  // its raw error
	at      time.Time
	retries int
}

// twice makes one attempt at the backend, and a second one if the first was
// never answered, both within the timeout from now and whatever becomes of the
// caller. The key's absence at the second attempt to release is the answer to the
// first one.
func (h *hold) twice(ctx context.Context, op operation, now time.Time, timeout time.Duration, a *attemptContext,
	call func(Backend, context.Context, Claim) error,
) answer {
	b := h.settings.family.locker.backend
	detached := context.WithoutCancel(ctx)
	start, limit := now, timeout/2
	for retries := 0; ; retries++ {
		again := retries > 0
		a.Context, a.deadline = detached, start.Add(limit)
		err := call(b, a, h.claim(h.settings.ttl))
		a.stop()
		now = since(now)
		if err == nil || again && op != opExtend && errors.Is(err, ErrLost) {
			return answer{at: now, retries: retries}
		}
		class := lossType(err, now, h.deadline())
		lost := class != ""
		if lost {
			err = nil // its sentinel says it: an expired lease is not ErrLost as well
		} else {
			class = errorType(err)
		}
		if lost || again || !unanswered(class) || now.Sub(start) >= timeout {
			return answer{class, err, now, retries}
		}
		a, limit = new(attemptContext), timeout
	}
}

// sentinel is the error that a failed release or extend of this class is.
func sentinel(class string) error {
	if kind, ok := lossesByKind[class]; ok {
		return kind
	}
	return ErrBackend
}
