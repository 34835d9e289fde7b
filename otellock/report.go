package otellock

import (
	"context"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/semconv"
)

// A failure is one operation that failed, in bounded words.
type failure struct {
	op      operation // acquire, release or extend
	outcome outcome
	policy  policy
	class   string
	at      time.Time     // set by fail
	held    time.Duration // 0 at acquire
	retries int
	known   bool // Extend has reported this loss already
}

var actions = [...]struct {
	attr  attribute.KeyValue
	event string
}{
	opAcquire: {semconv.LockActionBackendError, semconv.EventLockBackendError},
	opRelease: {semconv.LockActionReleaseError, semconv.EventLockReleaseError},
	opExtend:  {semconv.LockActionExtendError, semconv.EventLockExtendError},
}

// actionOf is the lock.action of an operation that failed.
func actionOf(op operation) string { return actions[op].attr.Value.AsString() }

// fail marks and ends the span of a failed operation, and warns unless the
// throttle would suppress the warning.
func (h *hold) fail(ctx context.Context, span trace.Span, f failure) {
	family := h.settings.family
	l := family.locker
	f.at = time.Now() // by the wall clock: the lease's own time stands still while the machine sleeps
	if span.IsRecording() {
		span.SetStatus(codes.Error, f.class)
		span.SetAttributes(semconv.ErrorTypeKey.String(f.class), policyAttrs[f.policy])
		if l.spanEvents {
			span.AddEvent(actions[f.op].event, trace.WithTimestamp(f.at), trace.WithAttributes(h.describe(f)...))
		}
	}
	endSpan(span)
	if f.known {
		l.reporter.count(ctx, family, f.op, semconv.LockReportResultSuppressed)
		return
	}
	if l.suppressed(family.name, f) {
		return
	}
	l.reporter.deliver(ctx, h, f)
}

// startSpan starts a span. A sampler or a span processor that panics costs the
// span: the lock goes on with the caller's. One that blocks, blocks the caller.
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

// traceOnly returns a context with nothing of ctx but its trace, for work that
// may outlive a request by far.
func traceOnly(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.SpanContextFromContext(ctx))
}

// suppressed asks the throttle, which is somebody else's code: it may not hurt
// the request.
func (l *Locker) suppressed(target string, f failure) (yes bool) {
	if l.throttle == nil {
		return false
	}
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return l.throttle.Suppress(f.at, actionOf(f.op), target, f.class)
}

// keys is how many attributes of a record are the throttle's key: they come
// first.
const keys = 2

// describe is the failure as attributes, first what a throttle looks for: it
// walks no further than it must.
func (h *hold) describe(f failure) []attribute.KeyValue {
	family := h.settings.family
	attrs := make([]attribute.KeyValue, 0, 12)
	attrs = append(attrs,
		actions[f.op].attr,
		family.common[0],
		semconv.ErrorTypeKey.String(f.class),
		family.common[1],
		operationAttrs[f.op],
		modeAttrs[h.mode],
		outcomeAttrs[f.outcome],
		policyAttrs[f.policy],
		family.common[2],
		semconv.LockTTL(h.settings.ttl.Seconds()),
		semconv.LockRetries(f.retries),
	)
	if f.op != opAcquire {
		attrs = append(attrs, semconv.LockHoldDuration(f.held.Seconds()))
	}
	return attrs
}

// record is the failure as a warning, with what a window in front of it has to
// say. It holds no error value: a handler would render the raw text.
func (h *hold) record(f failure, caller uintptr, windowed ...slog.Attr) slog.Record {
	r := slog.NewRecord(f.at, slog.LevelWarn, h.message(f), caller)
	for i, attr := range h.describe(f) {
		if i == keys {
			r.AddAttrs(windowed...)
		}
		r.AddAttrs(slogAttr(attr))
	}
	l := h.settings.family.locker
	r.AddAttrs(
		slog.String(string(otelconv.OTelEventNameKey), actions[f.op].event),
		slog.String(string(otelconv.ExceptionTypeKey), "*otellock.Error"),
		slog.String(string(otelconv.ExceptionMessageKey), h.newError(f.op, f.class, nil, nil).Error()),
	)
	if l.host != "" {
		r.AddAttrs(slog.String(string(otelconv.ServerAddressKey), l.host))
		if l.port != 0 {
			r.AddAttrs(slog.Int(string(otelconv.ServerPortKey), l.port))
		}
	}
	return r
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

func (h *hold) message(f failure) string {
	name := h.settings.family.name
	switch {
	case f.op == opAcquire && f.policy == open:
		return "lock backend failed: " + name + " runs unprotected"
	case f.op == opAcquire:
		return "lock backend failed: " + name + " was refused"
	case f.class == typeExpired:
		return "lock lease expired while held: another holder of " + name + " may have run"
	case f.class == typeLost:
		return "lock lease lost while held: another holder of " + name + " may have run"
	case f.class == typeStolen:
		return "lock lease stolen while held: another holder of " + name + " runs"
	case f.op == opExtend:
		return "lock backend failed: the lease of " + name + " was not extended"
	}
	return "lock backend failed: " + name + " may stay locked until its time to live has passed"
}

// callers returns the frames from the one that called this package. Where the
// release of a Do runs because of a panic, what fn left on the stack above that
// Do is skipped.
func callers(stack []uintptr) []runtime.Frame {
	const inside = "github.com/otellock/otellock-go/otellock."
	frames := make([]runtime.Frame, 0, len(stack))
	for next := runtime.CallersFrames(stack); ; {
		frame, more := next.Next()
		frames = append(frames, frame)
		if !more {
			break
		}
	}
	first := 0
	skip := func(match func(function string) bool) {
		for first < len(frames)-1 && match(frames[first].Function) {
			first++
		}
	}
	ours := func(function string) bool { return strings.HasPrefix(function, inside) }
	skip(ours)
	if f := frames[first].Function; f == "runtime.gopanic" || f == "runtime.Goexit" || f == "runtime.panicmem" {
		skip(func(function string) bool { return !ours(function) })
		skip(ours)
	}
	skip(func(function string) bool { return strings.HasPrefix(function, "runtime.") })
	return frames[first:]
}

// trail prints functions and lines, and no arguments.
func trail(frames []runtime.Frame) string {
	var text strings.Builder
	text.Grow(128 * len(frames))
	for i, frame := range frames {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(frame.Function)
		text.WriteString("\n\t")
		text.WriteString(frame.File)
		text.WriteByte(':')
		text.WriteString(strconv.Itoa(frame.Line))
	}
	return text.String()
}
