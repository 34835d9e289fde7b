package observe

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// A Target is what the locks of one collection have in common: bounded names, and
// every option that their telemetry needs, made once. Create it with
// [Observer.Target]. It is safe for concurrent use.
type Target struct {
	lockConfig
	series *series

	waitStart, tryStart, releaseStart, extendStart []trace.SpanStartOption
}

func newTarget(s *series, opts []LockOption) *Target {
	t := &Target{lockConfig: s.observer.lock, series: s}
	t.releaseStart = s.spanStart(opRelease)
	t.extendStart = s.spanStart(opExtend)
	t.tryStart = s.spanStart(opAcquire, semconv.LockModeTry)
	return t.configure(opts)
}

// With returns the same target with other options.
func (t *Target) With(opts ...LockOption) *Target {
	changed := *t
	return changed.configure(opts)
}

func (t *Target) configure(opts []LockOption) *Target {
	before := t.wait
	for _, opt := range opts {
		if opt != nil {
			opt.applyLock(&t.lockConfig)
		}
	}
	if t.waitStart == nil || t.wait != before {
		attrs := []attribute.KeyValue{semconv.LockModeWait}
		if t.wait >= 0 {
			attrs = append(attrs, semconv.LockWaitTimeout(t.wait.Seconds()))
		}
		t.waitStart = t.series.spanStart(opAcquire, attrs...)
	}
	return t
}

// Name returns lock.target.
func (t *Target) Name() string { return t.series.name }

// String returns the name and the pattern of the target, never a key.
func (t *Target) String() string { return t.series.name + " (" + t.series.pattern + ")" }

func (t *Target) policy() policy {
	if t.failOpen {
		return open
	}
	return closed
}

// Disabled counts an acquire while locking is switched off: the work runs, and no
// backend is asked.
func (t *Target) Disabled(ctx context.Context) {
	t.series.done(ctx, disabled)
}

// Cleanup counts what the lock did on its own about a lease that nobody would have
// released: nil if it is gone, else why it may still be there.
func (t *Target) Cleanup(ctx context.Context, err error) {
	if err == nil {
		t.series.done(ctx, cleaned)
		return
	}
	t.series.add(ctx, 1, failedSeries{op: opCleanup, outcome: cleanupError, errorType: ErrorType(err)})
}

func (s *series) spanStart(op operation, attrs ...attribute.KeyValue) []trace.SpanStartOption {
	attrs = append(attrs, operationAttrs[op], s.target, s.keyPattern, s.backend)
	return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attrs...)}
}
