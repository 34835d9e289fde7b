package sentryissue

import (
	"cmp"
	"maps"
	"runtime"
	"strings"

	"github.com/getsentry/sentry-go"
)

// An Issue is a Sentry event, with what its sender must know about it.
type Issue struct {
	Event       *sentry.Event
	Class       Class
	Occurrences int64 // of the record
}

// facts are the attributes that decide about the event's title, grouping and
// tags.
type facts struct {
	action, target, keyPattern, operation, backend, policy string
	errorType                                              string
	eventName                                              string
	exceptionType, exceptionMessage                        string
	function, file                                         string
	line                                                   int64
}

// lockPrefix is the namespace of the attributes and events of locks.
const lockPrefix = "lock."

// Build maps a record. The event shares no mutable state with the record, the
// origin or another event.
func Build(r *Record, o *Origin) Issue {
	var f facts
	ours := 0
	for _, a := range r.Attributes {
		if strings.HasPrefix(a.Key, lockPrefix) {
			ours++
		}
	}
	lock, others := make(sentry.Context, ours), make(sentry.Context)
	for _, a := range r.Attributes {
		f.read(a, lock, others)
	}
	eventName := cmp.Or(r.EventName, f.eventName)
	if eventName == "" && f.action != "" {
		eventName = lockPrefix + f.action
	}

	otel := sentry.Context{"resource": maps.Clone(o.resource)}
	if len(others) > 0 {
		otel["attributes"] = map[string]any(others)
	}
	e := &sentry.Event{
		Timestamp:   r.Time,
		Level:       level(r.Severity),
		Message:     cut(r.Body, maxMessage),
		Logger:      r.Scope,
		Transaction: line(f.function, maxTag),
		Release:     o.release,
		Environment: o.environment,
		ServerName:  o.server,
		Tags:        f.tags(o.service),
		Contexts:    map[string]sentry.Context{"otel": otel},
		Fingerprint: f.fingerprint(eventName, o.service),
		Exception:   f.exception(eventName, r.Body),
	}
	if len(lock) > 0 {
		e.Contexts["lock"] = lock
	}
	issue := Issue{Event: e, Occurrences: r.Occurrences()}
	if f.lostLease() {
		issue.Class = LostLease
	}
	return issue
}

func (f *facts) read(a Attribute, lock, others sentry.Context) {
	switch a.Key {
	case keyLockAction:
		f.action = text(a.Value)
	case keyLockTarget:
		f.target = text(a.Value)
	case keyLockKeyPattern:
		f.keyPattern = text(a.Value)
	case keyLockOperationName:
		f.operation = text(a.Value)
	case keyLockBackendName:
		f.backend = text(a.Value)
	case keyLockFailurePolicy:
		f.policy = text(a.Value)
	case keyErrorType:
		f.errorType = text(a.Value)
	case keyExceptionType:
		f.exceptionType = text(a.Value)
	case keyExceptionMessage:
		f.exceptionMessage = text(a.Value)
	case keyEventName:
		f.eventName = text(a.Value)
		return
	case keyCodeFunction:
		f.function = text(a.Value)
		return
	case keyCodeFile:
		f.file = text(a.Value)
		return
	case keyCodeLine:
		f.line = number(a.Value)
		return
	}
	if short, ok := strings.CutPrefix(a.Key, lockPrefix); ok {
		lock[short] = kept(a.Key, a.Value, 0)
		return
	}
	others[a.Key] = kept(a.Key, a.Value, 0)
}

func (f *facts) aboutLock() bool { return f.action != "" && f.target != "" }

func (f *facts) lostLease() bool {
	if !f.aboutLock() {
		return false
	}
	switch f.errorType {
	case "expired", "lost", "stolen":
		return true
	}
	return false
}

func (f *facts) tags(service string) map[string]string {
	tags := make(map[string]string, 8)
	set := func(key, value string) {
		if value = line(value, maxTag); value != "" {
			tags[key] = value
		}
	}
	set(keyLockTarget, f.target)
	set(keyLockKeyPattern, f.keyPattern)
	set(keyLockAction, f.action)
	set(keyLockOperationName, f.operation)
	set(keyLockBackendName, f.backend)
	set(keyLockFailurePolicy, f.policy)
	set(keyErrorType, f.errorType)
	set(keyServiceName, service)
	return tags
}

// fingerprint groups by what an operator would repair. Without it Sentry would
// put all events of one call site, or all without a frame, into one issue.
func (f *facts) fingerprint(eventName, service string) []string {
	part := func(s string) string { return cmp.Or(line(s, maxTag), "unknown") }
	switch {
	case f.lostLease():
		return []string{part(f.action), part(f.target), part(f.errorType)}
	case f.aboutLock():
		return []string{part(f.action), part(service), part(f.backend)}
	case eventName != "":
		return []string{part(eventName), part(service), part(cmp.Or(f.errorType, f.exceptionType))}
	}
	return nil // Sentry's own grouping
}

func (f *facts) exception(eventName, body string) []sentry.Exception {
	x := sentry.Exception{Mechanism: &sentry.Mechanism{Type: "otel.log", Handled: sentry.Pointer(true)}}
	switch {
	case f.aboutLock():
		x.Type, x.Value = eventName, f.target
		if f.errorType != "" {
			x.Value += ": " + words(f.errorType)
		}
	case eventName != "":
		x.Type, x.Value = eventName, cmp.Or(f.exceptionMessage, body)
	case f.exceptionType != "":
		x.Type, x.Value = f.exceptionType, cmp.Or(f.exceptionMessage, body)
	default:
		return nil // a plain message
	}
	x.Type, x.Value = line(x.Type, maxTag), line(x.Value, maxTitle)
	if f.function != "" || f.file != "" {
		frame := sentry.NewFrame(runtime.Frame{Function: f.function, File: f.file, Line: int(f.line)})
		frame.InApp = true // the caller's, whatever its path looks like
		x.Stacktrace = &sentry.Stacktrace{Frames: []sentry.Frame{frame}}
	}
	return []sentry.Exception{x}
}

func level(severity int) sentry.Level {
	switch {
	case severity >= 21:
		return sentry.LevelFatal
	case severity >= 17:
		return sentry.LevelError
	case severity >= 13:
		return sentry.LevelWarning
	case severity >= 9:
		return sentry.LevelInfo
	case severity >= 1:
		return sentry.LevelDebug
	}
	return sentry.LevelInfo
}
