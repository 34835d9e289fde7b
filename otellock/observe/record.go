package observe

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// A failure is one operation that failed, in bounded words.
type failure struct {
	target    *Target
	op        operation // acquire, release or extend
	try       bool
	outcome   outcome
	policy    policy
	errorType string
	at        time.Time // set by fail
	ttl       time.Duration
	held      time.Duration // 0 at acquire
	retries   int
	err       error     // of which only the type is said
	stack     []uintptr // of the caller, where that is another goroutine's
}

var actions = [...]struct {
	attr  attribute.KeyValue
	event string
}{
	opAcquire: {semconv.LockActionBackendError, semconv.EventLockBackendError},
	opRelease: {semconv.LockActionReleaseError, semconv.EventLockReleaseError},
	opExtend:  {semconv.LockActionExtendError, semconv.EventLockExtendError},
}

func (f *failure) action() string { return actions[f.op].attr.Value.AsString() }

// fail counts a failed operation, marks and ends its span, and warns, unless the
// same loss was told before or the throttle would suppress the warning.
func (o *Observer) fail(ctx context.Context, span trace.Span, f failure, told int32) {
	s := f.target.series
	if told != counted {
		s.add(ctx, 1, failedSeries{f.op, f.outcome, f.policy, f.errorType})
	}
	f.at = time.Now() // by the wall clock: the lease's own time stands still while the machine sleeps
	if span.IsRecording() {
		span.SetStatus(codes.Error, f.errorType)
		span.SetAttributes(semconv.ErrorTypeKey.String(f.errorType), policyAttrs[f.policy])
		if o.spanEvents {
			span.AddEvent(actions[f.op].event, trace.WithTimestamp(f.at), trace.WithAttributes(f.attributes()...))
		}
	}
	endSpan(span)
	switch {
	case told == counted:
	case told == reported:
		o.reporter.count(ctx, &f, semconv.LockReportResultSuppressed)
	default:
		suppressed := o.suppressed(&f)
		if !suppressed {
			o.reporter.deliver(ctx, &f)
		}
		s.showFailure(&f, suppressed, span)
	}
}

// suppressed asks the throttle, which is somebody else's code: it may not hurt
// the caller.
func (o *Observer) suppressed(f *failure) (yes bool) {
	if o.throttle == nil || f.target.logger != nil { // it stands in the pipeline
		return false
	}
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return o.throttle.Suppress(f.at, f.action(), f.target.series.name, f.errorType)
}

// startSpan starts a span. A sampler or a span processor that panics costs the
// span: the lock goes on with the caller's.
func (i *instruments) startSpan(in context.Context, name string, opts []trace.SpanStartOption) (ctx context.Context, span trace.Span) {
	defer func() {
		if recover() != nil {
			ctx, span = in, noop.Span{}
		}
	}()
	return i.tracer.Start(in, name, opts...)
}

// endSpan ends a span. A span processor that panics loses it.
func endSpan(span trace.Span) {
	defer func() { _ = recover() }()
	span.End()
}

// keyAttributes is how many attributes of a record are the throttle's key: they
// come first.
const keyAttributes = 2

// attributes are what is said of the failure, first what a throttle looks for, so
// that it walks no further than it must.
func (f *failure) attributes() []attribute.KeyValue {
	s := f.target.series
	mode := semconv.LockModeWait
	if f.try {
		mode = semconv.LockModeTry
	}
	attrs := append(make([]attribute.KeyValue, 0, 12),
		actions[f.op].attr,
		s.target,
		semconv.ErrorTypeKey.String(f.errorType),
		s.keyPattern,
		operationAttrs[f.op],
		mode,
		outcomeAttrs[f.outcome],
		policyAttrs[f.policy],
		s.backend,
		semconv.LockTTL(f.ttl.Seconds()),
		semconv.LockRetries(f.retries),
	)
	if f.op != opAcquire {
		attrs = append(attrs, semconv.LockHoldDuration(f.held.Seconds()))
	}
	return attrs
}

// record returns the failure as a warning, with what a window in front of it has
// to say. It holds no error value: a handler would render the raw text.
func (f *failure) record(caller uintptr, windowed ...slog.Attr) slog.Record {
	r := slog.NewRecord(f.at, slog.LevelWarn, f.message(), caller)
	for i, attr := range f.attributes() {
		if i == keyAttributes {
			r.AddAttrs(windowed...)
		}
		r.AddAttrs(slogAttr(attr))
	}
	s := f.target.series
	r.AddAttrs(
		slog.String(string(otelconv.OTelEventNameKey), actions[f.op].event),
		slog.String(string(otelconv.ExceptionTypeKey), fmt.Sprintf("%T", f.err)),
		slog.String(string(otelconv.ExceptionMessageKey), "otellock: "+s.spanNames[f.op]+": "+f.errorType),
	)
	if o := s.observer; o.host != "" {
		r.AddAttrs(slog.String(string(otelconv.ServerAddressKey), o.host))
		if o.port != 0 {
			r.AddAttrs(slog.Int(string(otelconv.ServerPortKey), o.port))
		}
	}
	return r
}

func (f *failure) message() string {
	name := f.target.series.name
	switch {
	case f.op == opAcquire && f.policy == open:
		return "lock backend failed: " + name + " runs unprotected"
	case f.op == opAcquire:
		return "lock backend failed: " + name + " was refused"
	case f.errorType == typeExpired:
		return "lock lease expired while held: another holder of " + name + " may have run"
	case f.errorType == typeLost:
		return "lock lease lost while held: another holder of " + name + " may have run"
	case f.errorType == typeStolen:
		return "lock lease stolen while held: another holder of " + name + " runs"
	case f.op == opExtend:
		return "lock backend failed: the lease of " + name + " was not extended"
	}
	return "lock backend failed: " + name + " may stay locked until its time to live has passed"
}

func slogAttr(kv attribute.KeyValue) slog.Attr {
	key := string(kv.Key)
	switch kv.Value.Type() {
	case attribute.FLOAT64:
		return slog.Float64(key, kv.Value.AsFloat64())
	case attribute.INT64:
		return slog.Int64(key, kv.Value.AsInt64())
	}
	return slog.String(key, kv.Value.AsString())
}

// windowAttrs are what a window says with the record that it lets through.
func windowAttrs(c *window.Claim) []slog.Attr {
	counts := make([]int64, len(c.ErrorCounts))
	for i, n := range c.ErrorCounts {
		counts[i] = int64(n)
	}
	return []slog.Attr{
		slog.Int64(string(semconv.LockReportSuppressedCountKey), int64(c.Suppressed)),
		slog.String(string(semconv.LockReportSuppressedSinceKey), window.FormatTime(c.Since)),
		slog.Any(string(semconv.LockReportSuppressedErrorTypesKey), append([]string{}, c.ErrorTypes...)),
		slog.Any(string(semconv.LockReportSuppressedErrorCountsKey), counts),
	}
}
