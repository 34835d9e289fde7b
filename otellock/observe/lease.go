package observe

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/internal/live"
	"github.com/otellock/otellock-go/semconv"
)

// A Lease is a lock that is held, from [Acquire.End] to the End of its release. It
// is counted in lock.held meanwhile. Its operations follow each other, except that a
// release may begin while an extend is under way.
type Lease struct {
	target   *Target
	start    time.Duration // when the attempt that was granted began: the lease counts from here
	granted  time.Duration // when it was; both since the Observer was made
	ttl      atomic.Int64  // a time.Duration: what it was acquired or last extended for
	deadline atomic.Int64  // a time.Duration like start, and equal to it without a time to live
	renewals atomic.Int64
	stack    []uintptr    // of the caller who acquired it, where KeepCaller was called
	told     atomic.Int32 // of the loss: one of the constants below
	try      bool
	root     rootSpan   // of the acquire, where the caller had no span
	live     live.Entry // on the page of package lockz
}

// A rootSpan is what a record says of its span. It stands in the lease itself, which
// costs no allocation.
type rootSpan struct {
	trace trace.TraceID
	span  trace.SpanID
	flags trace.TraceFlags
}

// How much has been said of a loss before its release ends.
const (
	nothing  int32 = iota
	reported       // by an extend, which counted itself
	counted        // by Expire, which counted the release
)

// Release begins the release of the lease.
func (l *Lease) Release(ctx context.Context) (context.Context, Operation) {
	if l == nil {
		return ctx, Operation{}
	}
	return l.begin(ctx, opRelease, l.target.releaseStart, 0)
}

// Extend begins an extend, after which the lease lives for ttl from now.
func (l *Lease) Extend(ctx context.Context, ttl time.Duration) (context.Context, Operation) {
	if l == nil {
		return ctx, Operation{}
	}
	return l.begin(ctx, opExtend, l.target.extendStart, ttl)
}

func (l *Lease) begin(in context.Context, kind operation, start []trace.SpanStartOption, ttl time.Duration) (context.Context, Operation) {
	op := Operation{lease: l, op: kind, start: time.Now(), ttl: ttl}
	s := l.target.series
	op.ctx, op.span = s.observer.startSpan(in, s.spanNames[kind], start)
	return op.ctx, op
}

// Expire says that the lease has run out while it is held, at that moment: it
// counts the release as failed with expired, and warns. err is what the lock makes
// of it. The release that follows does neither again, whatever it finds. A loss
// that an extend has found is not said again.
func (l *Lease) Expire(ctx context.Context, err error) {
	if l == nil || !l.told.CompareAndSwap(nothing, counted) {
		return
	}
	if l.root.trace.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: l.root.trace, SpanID: l.root.span, TraceFlags: l.root.flags,
		}))
	}
	f := l.failure(opRelease, typeExpired, time.Now(), err)
	f.stack = l.stack
	l.target.series.observer.fail(ctx, noop.Span{}, f, nothing)
}

// Drop ends the lease without an operation of its own, as when a lock is closed:
// what becomes of it is told by [Target.Cleanup].
func (l *Lease) Drop(ctx context.Context) {
	if l != nil {
		l.live.End()
		add(ctx, l.target.series.observer.held, -1, l.target.series.gauge)
	}
}

// Abandon ends a lease that became garbage without a release, and counts it so.
func (l *Lease) Abandon(ctx context.Context) {
	if l != nil {
		l.Drop(ctx)
		l.target.series.done(ctx, abandoned)
	}
}

// record ends the lease and records how long it was held.
func (l *Lease) record(ctx context.Context, span trace.Span, now time.Time) {
	s := l.target.series
	l.live.End()
	held := l.held(now).Seconds()
	add(ctx, s.observer.held, -1, s.gauge)
	record(ctx, s.observer.holdDuration, held, s.hold)
	if span.IsRecording() {
		span.SetAttributes(semconv.LockHoldDuration(held))
		if n := l.renewals.Load(); n > 0 {
			span.SetAttributes(semconv.LockRenewals(int(n)))
		}
	}
	length := max(time.Duration(l.deadline.Load())-l.start, l.target.limit)
	if length <= 0 {
		return
	}
	utilization := float64(s.observer.since(now)-l.start) / float64(length)
	record(ctx, s.observer.holdUtilization, utilization, s.hold)
	if span.IsRecording() {
		span.SetAttributes(semconv.LockHoldUtilization(utilization))
	}
}

func (l *Lease) held(now time.Time) time.Duration {
	return l.target.series.observer.since(now) - l.granted
}

// loss tells a lease that ran out from one that vanished before.
func (l *Lease) loss(errorType string, now time.Time) string {
	deadline := time.Duration(l.deadline.Load())
	if errorType == typeLost && deadline > l.start && l.target.series.observer.since(now) >= deadline {
		return typeExpired
	}
	return errorType
}

// extended makes the lease last for ttl from start.
func (l *Lease) extended(start time.Time, ttl time.Duration) {
	l.ttl.Store(int64(ttl))
	l.deadline.Store(int64(l.target.series.observer.since(start) + ttl))
}

// tell returns how much has been said already of what the operation has found, and
// remembers what it says itself.
func (l *Lease) tell(op operation, errorType string) int32 {
	switch {
	case op == opRelease:
		return l.told.Load()
	case isLoss(errorType) && l.told.CompareAndSwap(nothing, reported):
		return nothing
	}
	return min(l.told.Load(), reported) // an extend counts itself
}

// failure describes an operation on the lease that failed.
func (l *Lease) failure(op operation, errorType string, now time.Time, err error) failure {
	f := failure{target: l.target, op: op, try: l.try, outcome: releaseError, policy: l.target.policy(), errorType: errorType, ttl: time.Duration(l.ttl.Load()), held: l.held(now), err: err}
	if op == opExtend { // it never fails open
		f.outcome, f.policy = extendError, closed
	}
	return f
}
