package otellock

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// release ends the lease as its holder does. first is memory for the first
// attempt's context.
func (h *hold) release(ctx context.Context, first *attemptContext) error {
	if !h.protected {
		return nil
	}
	f, span, err := h.releaseOnce(&ctx, first)
	switch {
	case span == nil: // it had ended before
	case err == nil:
		span.End()
	default: // after the mutex is free: a handler of the report may look at the lease
		h.fail(ctx, span, f)
	}
	return err
}

// releaseOnce gives the first result again, and no span, where the lease has
// ended. It puts the span into the context.
func (h *hold) releaseOnce(in *context.Context, first *attemptContext) (f failure, span trace.Span, err error) {
	h.ending.Lock()
	defer h.ending.Unlock()
	if h.ended {
		return failure{}, nil, h.result
	}
	family := h.settings.family
	l := family.locker
	ctx, span := l.tracer.Start(*in, family.spanNames[opRelease], h.settings.startOptions(opRelease, 0)...)
	*in = ctx

	a := answer{at: since(h.start)}
	if h.lost != nil {
		a.class = h.lost.Type
	} else {
		a = h.ask(ctx, opRelease, 0, a.at, h.settings.attemptTimeout, first)
	}
	held := a.at.Sub(h.granted())
	utilization := float64(a.at.Sub(h.start)) / float64(h.length.Load())
	l.holdDuration.Record(ctx, held.Seconds(), family.targetOnly...)
	l.holdUtilization.Record(ctx, utilization, family.targetOnly...)

	result := released
	if a.class == "" {
		family.done(ctx, released)
	} else {
		result = releaseError
		h.result = h.newError(opRelease, a.class, sentinel(a.class), a.cause)
		f = failure{op: opRelease, outcome: releaseError, policy: policyOf(h.settings.failClosed), class: a.class,
			at: a.at, held: held, retries: a.retries, known: h.lost != nil}
		family.add(ctx, 1, count{opRelease, releaseError, f.policy, a.class})
	}
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[result], semconv.LockRetries(a.retries),
			semconv.LockHoldUtilization(utilization), semconv.LockHoldDuration(held.Seconds()))
	}
	h.conclude(ctx)
	return f, span, h.result
}

// cleanUp ends the lease as Close does. Its error is that of this very end.
func (h *hold) cleanUp(ctx context.Context) error {
	h.ending.Lock()
	defer h.ending.Unlock()
	if h.ended { // by its holder, or by another Close
		return nil
	}
	a := h.ask(ctx, opCleanup, 0, time.Now(), h.settings.attemptTimeout, new(attemptContext))
	family := h.settings.family
	h.conclude(ctx)
	h.result = h.newError(opRelease, "closed", ErrClosed, nil)
	if a.class == "" {
		family.done(ctx, cleaned)
		return nil
	}
	family.add(ctx, 1, count{op: opCleanup, outcome: cleanupError, class: a.class})
	return h.newError(opRelease, a.class, sentinel(a.class), a.cause)
}

// conclude marks the end of the lease, whatever its result.
func (h *hold) conclude(ctx context.Context) {
	family := h.settings.family
	h.ended = true
	h.gone.Store(true)
	family.countHeld(ctx, -1)
	if h.manual {
		family.locker.mu.Lock()
		delete(family.locker.manual, h)
		family.locker.mu.Unlock()
	}
}
