package otellock

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// release ends the lease as its holder does. Later calls return the result of
// the first.
func (h *hold) release(ctx context.Context) error {
	if !h.protected {
		return nil
	}
	var span trace.Span
	var f failure
	h.end(func() { ctx, span, f = h.endByHolder(ctx) })
	if span != nil && h.result != nil { // after the end: a handler of the report may look at the lease
		h.fail(ctx, span, f)
	}
	return h.result
}

// endByHolder releases the lease and returns what is to be reported.
func (h *hold) endByHolder(ctx context.Context) (context.Context, trace.Span, failure) {
	family := h.settings.family
	l := family.locker
	defer h.conclude(ctx)
	ctx, span := l.startSpan(ctx, family.spanNames[opRelease], h.settings.startOptions(opRelease, 0))

	r := h.giveBack(ctx, opRelease)
	held := r.at.Sub(h.granted())
	utilization := float64(r.at.Sub(h.start)) / float64(h.length.Load())
	l.holdDuration.Record(ctx, held.Seconds(), family.targetOnly...)
	l.holdUtilization.Record(ctx, utilization, family.targetOnly...)

	var f failure
	outcome := released
	if r.class == "" {
		family.done(ctx, released)
	} else {
		outcome = releaseError
		h.result = h.newError(opRelease, r.class, sentinel(r.class), r.cause)
		f = failure{op: opRelease, outcome: releaseError, policy: policyOf(h.settings.failClosed), class: r.class,
			held: held, retries: r.retries, known: h.lost != nil}
		family.add(ctx, 1, count{opRelease, releaseError, f.policy, r.class})
		if sentinel(r.class) == ErrBackend {
			l.cleanup.add(ctx, h, false)
		}
	}
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[outcome], semconv.LockRetries(r.retries),
			semconv.LockHoldUtilization(utilization), semconv.LockHoldDuration(held.Seconds()))
	}
	if r.class == "" {
		endSpan(span)
	}
	return ctx, span, f
}

// endByClose ends the lease as Close does.
func (h *hold) endByClose(ctx context.Context) {
	h.end(func() {
		defer h.conclude(ctx)
		h.result = h.newError(opRelease, "closed", ErrClosed, nil)
		family := h.settings.family
		switch r := h.giveBack(ctx, opCleanup); {
		case r.class == "":
			family.done(ctx, cleaned)
		case sentinel(r.class) == ErrBackend:
			family.locker.cleanup.add(ctx, h, true)
		default:
			family.add(ctx, 1, count{op: opCleanup, outcome: cleanupError, class: r.class})
		}
	})
}

// endAsGarbage ends a lease that nobody can release any more. The backend is not
// touched: the collector may run while the critical section still does.
func (h *hold) endAsGarbage() {
	h.end(func() {
		ctx := context.Background()
		h.conclude(ctx)
		h.settings.family.done(ctx, abandoned)
	})
}

// giveBack removes the key, unless the lease is known to be lost. It takes one
// attempt timeout at most, of which half may be spent on waiting for an Extend.
// One that is not answered by then is overtaken, and finds the key gone.
func (h *hold) giveBack(ctx context.Context, op operation) result {
	start, timeout := since(h.start), h.settings.attemptTimeout
	h.mu.Lock()
	h.releasing = true
	extending := h.extending
	h.mu.Unlock()
	now := start
	if extending != nil {
		timer := time.NewTimer(timeout / 2)
		select {
		case <-extending:
		case <-timer.C:
		}
		timer.Stop()
		now = since(start)
	}
	h.mu.Lock()
	lost := h.lost
	h.mu.Unlock()
	if lost != nil {
		return result{class: lost.Type, at: now}
	}
	return h.call(ctx, op, 0, now, timeout-now.Sub(start))
}

// conclude marks the end of the lease, whatever its result.
func (h *hold) conclude(ctx context.Context) {
	family := h.settings.family
	h.gone.Store(true)
	family.countHeld(ctx, -1)
	if h.pending { // an attempt to acquire may still land
		family.locker.cleanup.add(ctx, h, false)
	}
	if h.manual {
		family.locker.mu.Lock()
		delete(family.locker.manual, h)
		family.locker.mu.Unlock()
	}
}
