package otellock

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// extend follows an extend that is under way. It calls nobody, and makes no span,
// where the lease has ended or is known to be lost.
func (h *hold) extend(ctx context.Context, ttl, timeout time.Duration) error {
	done := make(chan struct{})
	for {
		before, err := h.beginExtend(done)
		if err != nil {
			return err
		}
		if before == nil {
			break
		}
		select {
		case <-before:
		case <-ctx.Done():
			return h.newError(opExtend, "canceled", ctx.Err(), context.Cause(ctx))
		}
	}
	ctx, span, f, err := h.extendNow(ctx, ttl, timeout, done)
	if err == nil {
		endSpan(span)
	} else {
		h.fail(ctx, span, f)
	}
	return err
}

// beginExtend returns the end of the extend that is under way, or makes done that
// of the caller's.
func (h *hold) beginExtend(done chan struct{}) (before chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.lost != nil:
		return nil, h.lost
	case h.releasing || h.gone.Load():
		return nil, h.newError(opExtend, "released", ErrLost, nil)
	case h.extending != nil:
		return h.extending, nil
	}
	h.extending = done
	return nil, nil
}

func (h *hold) extendNow(in context.Context, ttl, timeout time.Duration, done chan struct{}) (ctx context.Context, span trace.Span, f failure, err error) {
	defer func() {
		h.mu.Lock()
		h.extending = nil
		h.mu.Unlock()
		close(done)
	}()
	family := h.settings.family
	ctx, span = family.locker.startSpan(in, family.spanNames[opExtend], h.settings.startOptions(opExtend, 0))

	start := time.Now()
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, deadline.Sub(start))
	}
	// The server may take a shorter time to live without ever saying so.
	length := start.Sub(h.start) + ttl
	h.length.Store(min(h.length.Load(), int64(length)))
	r := h.call(ctx, opExtend, ttl, start, timeout)
	outcome := extended
	h.mu.Lock()
	if sentinel(r.class) != ErrBackend && h.releasing {
		r.class = typeTimeout // the release has overtaken it: no loss
	}
	if r.class == "" {
		h.length.Store(int64(start.Sub(h.start) + min(ttl, h.shortest)))
	}
	if r.pending {
		h.shortest = min(h.shortest, ttl)
	}
	if r.class != "" {
		outcome = extendError
		failed := h.newError(opExtend, r.class, sentinel(r.class), r.cause)
		if failed.kind != ErrBackend {
			h.lost = failed
			h.gone.Store(true)
		}
		err = failed
	}
	h.mu.Unlock()
	if err == nil {
		family.done(ctx, extended)
	} else {
		f = failure{op: opExtend, outcome: extendError, policy: closed, class: r.class, held: r.at.Sub(h.granted()), retries: r.retries}
		family.add(ctx, 1, count{opExtend, extendError, closed, r.class})
	}
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[outcome], semconv.LockRetries(r.retries))
	}
	return ctx, span, f, err
}
