package otellock

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

func (h *hold) extend(ctx context.Context, ttl time.Duration) error {
	f, span, err := h.extendOnce(&ctx, ttl)
	switch {
	case span == nil: // nobody was asked
	case err == nil:
		span.End()
	default:
		h.fail(ctx, span, f)
	}
	return err
}

// extendOnce asks nobody, and gives no span, where the lease has ended or is
// known to be lost. It puts the span into the context.
func (h *hold) extendOnce(in *context.Context, ttl time.Duration) (f failure, span trace.Span, err error) {
	h.ending.Lock()
	defer h.ending.Unlock()
	switch {
	case h.lost != nil:
		return failure{}, nil, h.lost
	case h.ended:
		return failure{}, nil, h.newError(opExtend, "released", ErrLost, h.result)
	}
	family := h.settings.family
	ctx, span := family.locker.tracer.Start(*in, family.spanNames[opExtend], h.settings.startOptions(opExtend, 0)...)
	*in = ctx

	start := time.Now()
	timeout := h.settings.attemptTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, deadline.Sub(start))
	}
	a := h.ask(ctx, opExtend, ttl, start, timeout, new(attemptContext))
	result := extended
	if a.class == "" {
		h.length.Store(int64(start.Sub(h.start) + ttl))
		family.done(ctx, extended)
	} else {
		result = extendError
		failed := h.newError(opExtend, a.class, sentinel(a.class), a.cause)
		if failed.kind != ErrBackend {
			h.lost = failed
			h.gone.Store(true)
		}
		f = failure{op: opExtend, outcome: extendError, policy: closed, class: a.class,
			at: a.at, held: a.at.Sub(h.granted()), retries: a.retries}
		family.add(ctx, 1, count{opExtend, extendError, closed, a.class})
		err = failed
	}
	if span.IsRecording() {
		span.SetAttributes(outcomeAttrs[result], semconv.LockRetries(a.retries))
	}
	return f, span, err
}
