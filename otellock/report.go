package otellock

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// A failure is one operation that failed, in bounded words.
type failure struct {
	op      operation // acquire, release or extend
	outcome outcome
	policy  policy
	class   string
	at      time.Time
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

// fail marks and ends the span of a failed operation, and warns unless the gate
// would hold the warning back.
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
	span.End()
	if f.known {
		l.reporter.count(ctx, family, f.op, semconv.LockReportResultSuppressed)
		return
	}
	if suppressed(family.suppress[f.op], f) {
		return
	}
	l.reporter.deliver(ctx, h, f)
}

// suppressed asks the gate, which is somebody else's code: it may not hurt the
// request either.
func suppressed(gate func(time.Time, string) bool, f failure) (yes bool) {
	if gate == nil {
		return false
	}
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return gate(f.at, f.class)
}

// opened asks the gate for one action of a target. KeyMutex does so during a
// request, where a gate that panics may not hurt either.
func opened(gate reportGate, action, target string) (suppress func(time.Time, string) bool) {
	defer func() { _ = recover() }()
	return gate(action, target)
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

// callers is the stack from the frame that called this package. Where a Do
// releases after a panic, what fn left on the stack is not the caller.
func callers(stack []uintptr) []runtime.Frame {
	const inside = "github.com/otellock/otellock-go/otellock."
	const guard = inside + "(*session).guard"
	frames := make([]runtime.Frame, 0, len(stack))
	for next := runtime.CallersFrames(stack); ; {
		frame, more := next.Next()
		frames = append(frames, frame)
		if !more {
			break
		}
	}
	leave := func(i int) int {
		for i < len(frames)-1 && strings.HasPrefix(frames[i].Function, inside) {
			i++
		}
		return i
	}
	find := func(function string) int {
		return slices.IndexFunc(frames, func(f runtime.Frame) bool { return f.Function == function })
	}
	first := leave(0)
	if i := find(guard + ".func1"); i >= 0 && i < first { // Do's own release
		first = max(first, leave(max(0, find(guard))))
	}
	for first < len(frames)-1 && strings.HasPrefix(frames[first].Function, "runtime.") {
		first++
	}
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
