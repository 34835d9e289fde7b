package sentryissue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/getsentry/sentry-go"

	"github.com/otellock/otellock-go/semconv"
)

// facts are the attributes that decide about the event's title, grouping and
// tags.
type facts struct {
	action, target, keyPattern, operation, backend, policy string
	errorType                                              string
	eventName                                              string
	exceptionType, exceptionMessage, stack                 string
	function, file                                         string
	line                                                   int64

	suppressed      int64
	since, until    string
	suppressedTypes []string
}

// lockPrefix is the namespace of the attributes and events of locks.
const lockPrefix = "lock."

// New maps a record. The event shares no mutable state with the record, the
// origin or another event.
func (o *Origin) New(r *Record) *Event {
	var f facts
	ours := 0
	for _, a := range r.Attributes {
		f.read(a)
		if strings.HasPrefix(a.Key, lockPrefix) {
			ours++
		}
	}
	if f.eventName = cmp.Or(r.EventName, f.eventName); f.eventName == "" && f.action != "" {
		f.eventName = lockPrefix + f.action
	}

	room := o.room
	message := room.text(r.Body, maxText)
	exception, stackRead := f.exception(o, &room, message)
	lock, others := f.contexts(r, &room, ours, stackRead)
	otel := sentry.Context{"resource": o.context()}
	if len(others) > 0 {
		otel["attributes"] = map[string]any(others)
	}
	e := &Event{
		Event: &sentry.Event{
			Timestamp:   r.Time,
			Level:       level(r.Severity),
			Message:     message,
			Logger:      line(r.Scope, maxLogger),
			Transaction: line(f.function, maxTag),
			Release:     o.release,
			Environment: o.environment,
			ServerName:  o.server,
			Tags:        f.tags(o.service),
			Contexts:    map[string]sentry.Context{"otel": otel},
			Fingerprint: f.fingerprint(o.service),
			Exception:   exception,
			Modules:     o.config.Modules,
		},
		Class:       f.class(),
		Occurrences: 1 + f.suppressed,
		project:     o.project,
		room:        room,
	}
	e.trace, e.traced = r.trace()
	if f.isSummary() {
		e.Occurrences = f.suppressed
	}
	if len(lock) > 0 {
		e.Contexts["lock"] = lock
	}
	for _, a := range r.Attributes {
		if slices.Contains(o.config.Tags, a.Key) {
			e.AddTag(a.Key, text(a.Value))
		}
	}
	return e
}

// AddTag adds a tag that Sentry accepts, unless there is one already. A user.id
// is the event's user as well, where the hub has none.
func (e *Event) AddTag(key, value string) {
	k, v := tagKey(key), line(value, maxTag)
	if _, there := e.Tags[k]; there || k == "" || v == "" || !e.room.take(jsonSize(k)+jsonSize(v)+2) {
		return
	}
	e.Tags[k] = v
	if key == keyUserID {
		e.userID = v
	}
}

func (f *facts) read(a Attribute) {
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
	case keyLockSuppressedCount:
		f.suppressed = max(0, number(a.Value))
	case keyLockSuppressedSince:
		f.since = text(a.Value)
	case keyLockSuppressedUntil:
		f.until = text(a.Value)
	case keyLockSuppressedTypes:
		f.suppressedTypes = texts(a.Value)
	case keyErrorType:
		f.errorType = text(a.Value)
	case keyExceptionType:
		f.exceptionType = text(a.Value)
	case keyExceptionMessage:
		f.exceptionMessage = text(a.Value)
	case keyExceptionStack:
		f.stack = text(a.Value)
	case keyEventName:
		f.eventName = text(a.Value)
	case keyCodeFunction:
		f.function = text(a.Value)
	case keyCodeFile:
		f.file = text(a.Value)
	case keyCodeLine:
		f.line = number(a.Value)
	}
}

// contexts sorts the attributes into those of the lock and the others. What the
// event says elsewhere is left out.
func (f *facts) contexts(r *Record, room *budget, ours int, stackRead bool) (lock, others sentry.Context) {
	room, done := room.limit(maxAttributes)
	defer done()
	lock, others = make(sentry.Context, ours), make(sentry.Context)
	for _, a := range r.Attributes {
		switch a.Key {
		case keyEventName, keyCodeFunction, keyCodeFile, keyCodeLine:
			continue
		case keyExceptionStack:
			if stackRead {
				continue
			}
		}
		if short, ok := strings.CutPrefix(a.Key, lockPrefix); ok {
			if v, ok := room.entry(a.Key, a.Value, 0); ok {
				lock[cut(short, maxKey)] = v
			}
			continue
		}
		room.put(others, a.Key, a.Value)
	}
	return lock, others
}

func (f *facts) aboutLock() bool { return f.action != "" && f.target != "" }

func (f *facts) isSummary() bool {
	return f.aboutLock() && f.eventName == semconv.EventLockReportSummary
}

func (f *facts) class() Class {
	switch {
	case f.isSummary():
		return Summary
	case f.lostLease() != "":
		return LostLease
	}
	return Other
}

// lostLease returns how the lease was lost, empty where it was not. A summary
// speaks of one only where all that it speaks of was lost in that way.
func (f *facts) lostLease() string {
	t := f.errorType
	if f.isSummary() && len(f.suppressedTypes) == 1 {
		t = f.suppressedTypes[0]
	}
	switch t {
	case "expired", "lost", "stolen":
		if f.aboutLock() {
			return t
		}
	}
	return ""
}

func (f *facts) tags(service string) map[string]string {
	tags := make(map[string]string, 12)
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
// put all events of one call site, or all without a frame, into one issue. A
// summary has the fingerprint of the warnings that it belongs to.
func (f *facts) fingerprint(service string) []string {
	part := func(s string) string { return cmp.Or(line(s, maxTag), "unknown") }
	switch {
	case f.lostLease() != "":
		return []string{part(f.action), part(f.target), f.lostLease()}
	case f.aboutLock():
		return []string{part(f.action), part(service), part(f.backend)}
	case f.eventName != "":
		return []string{part(f.eventName), part(service), part(cmp.Or(f.errorType, f.exceptionType))}
	}
	return nil // Sentry's own grouping
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
