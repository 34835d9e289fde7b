package sentryissue

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/getsentry/sentry-go"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// exception returns nil for a plain message.
func (f *facts) exception(o *Origin, room *budget, body string) []sentry.Exception {
	x := sentry.Exception{Mechanism: &sentry.Mechanism{Type: "otel.log", Handled: sentry.Pointer(true)}}
	switch {
	case f.summary:
		x.Type, x.Value = lockPrefix+f.action, f.summaryTitle()
	case f.aboutLock:
		x.Type, x.Value = f.eventName, f.title()
	default:
		x.Type = cmp.Or(f.eventName, f.text(otelconv.ExceptionTypeKey))
		x.Value = cmp.Or(f.text(otelconv.ExceptionMessageKey), body)
	}
	if x.Type == "" {
		return nil
	}
	x.Type, x.Value = line(x.Type, maxTag), line(x.Value, maxTitle)
	room, done := room.limit(maxStack)
	defer done()
	frames := o.frames(f.text(otelconv.ExceptionStacktraceKey), room)
	f.framed = len(frames) > 0
	if file := f.text(otelconv.CodeFilePathKey); f.function != "" || file != "" {
		frames = withCaller(frames, o.frame(f.function, file, int(number(find(f.attributes, otelconv.CodeLineNumberKey)))))
	}
	if len(frames) > 0 {
		x.Stacktrace = &sentry.Stacktrace{Frames: frames}
	}
	return []sentry.Exception{x}
}

// title says what failed and how, and which errors that an operator must act
// upon a throttle suppressed before it.
func (f *facts) title() string {
	title := f.target
	if f.errorType != "" {
		title += ": " + words(f.errorType)
	}
	if urgent, _ := f.errorTypes(); len(urgent) > 0 {
		title += " (before it: " + strings.Join(urgent, ", ") + ")"
	}
	return title
}

// summaryTitle says how often a lock failed after the last warning, between when
// and when, and with which errors, the urgent ones first.
func (f *facts) summaryTitle() string {
	title := fmt.Sprintf("%s: %d more", f.target, f.suppressed)
	if since := f.text(semconv.LockReportSuppressedSinceKey); since != "" {
		title += " since " + since
	}
	if until := f.text(semconv.LockReportSuppressedUntilKey); until != "" {
		title += " until " + until
	}
	if urgent, others := f.errorTypes(); len(urgent)+len(others) > 0 {
		title += ": " + strings.Join(append(urgent, others...), ", ")
	}
	return title
}

// errorTypes returns the error types of what a throttle suppressed, in words and
// with how many there were of each where that is known. The record's own type is
// not among the urgent ones: its title says it.
func (f *facts) errorTypes() (urgent, others []string) {
	counts := all(find(f.attributes, semconv.LockReportSuppressedErrorCountsKey), number)
	for i, t := range f.suppressedTypes {
		s := words(t)
		if i < len(counts) && counts[i] > 0 {
			s = fmt.Sprintf("%s %d", s, counts[i])
		}
		if window.IsUrgent(t) && t != f.errorType {
			urgent = append(urgent, s)
		} else {
			others = append(others, s)
		}
	}
	return urgent, others
}

// words says what an error type means. Types without an entry, such as Redis
// codes, stand for themselves.
func words(errorType string) string {
	switch errorType {
	case "expired", "lost", "stolen":
		return "lease " + errorType
	case "connection_refused":
		return "connection refused"
	case "pool_exhausted":
		return "connection pool exhausted"
	case "eof":
		return "connection broken"
	case "closed":
		return "client closed"
	case "_OTHER":
		return "other error"
	}
	return errorType
}
