package observe

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// KeepCaller remembers who acquires the lease: [Lease.Renew] and [Lease.Expire] are
// called in another goroutine, and their warnings name the caller too.
func (l *Lease) KeepCaller() {
	if l != nil {
		l.stack = currentStack(1)
	}
}

// Renew begins an extend that the lock makes on its own, after which the lease
// lives for ttl from now. It is counted as any extend, but a job that is renewed a
// thousand times does not get a thousand spans: those have one that fail, and of
// the others the first, second, fourth, eighth and so on. Where there is none, the
// context carries the caller's trace and no span that records, so that the
// backend's own instrumentation is quiet too.
func (l *Lease) Renew(ctx context.Context, ttl time.Duration) (context.Context, Operation) {
	if l == nil {
		return ctx, Operation{}
	}
	n := l.renewals.Add(1)
	if n&(n-1) == 0 {
		ctx, op := l.begin(ctx, opExtend, l.target.extendStart, ttl)
		op.renewal = n
		return ctx, op
	}
	quiet := trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx))
	return quiet, Operation{lease: l, op: opExtend, ctx: ctx, span: noop.Span{}, start: time.Now(), ttl: ttl, renewal: n, late: true}
}

// startLate gives a renewal that has failed the span that it was begun without.
func (op *Operation) startLate() {
	t := op.lease.target
	start := append(slices.Clip(t.extendStart), trace.WithTimestamp(op.start))
	op.ctx, op.span = t.series.observer.startSpan(op.ctx, t.series.spanNames[opExtend], start)
}
