package sentryissue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/attribute"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/semconv"
)

// lockPrefix is the namespace of the attributes and events of locks.
const lockPrefix = "lock."

// tagKeys are the attributes that are always tags.
var tagKeys = [...]attribute.Key{
	semconv.LockTargetKey, semconv.LockKeyPatternKey, semconv.LockActionKey, semconv.LockOperationNameKey,
	semconv.LockBackendNameKey, semconv.LockFailurePolicyKey, otelconv.ErrorTypeKey,
}

// facts are what decides about an event's title, class and grouping.
type facts struct {
	attributes                 []Attribute
	eventName                  string
	action, target, errorType  string
	function                   string
	suppressed                 int64
	suppressedTypes            []string
	aboutLock, summary, framed bool
}

func read(r *Record) facts {
	f := facts{attributes: r.Attributes}
	f.action, f.target = f.text(semconv.LockActionKey), f.text(semconv.LockTargetKey)
	f.errorType, f.function = f.text(otelconv.ErrorTypeKey), f.text(otelconv.CodeFunctionNameKey)
	f.suppressed = max(0, number(find(r.Attributes, semconv.LockReportSuppressedCountKey)))
	f.suppressedTypes = all(find(r.Attributes, semconv.LockReportSuppressedErrorTypesKey), text)
	f.eventName = cmp.Or(r.EventName, f.text(otelconv.OTelEventNameKey))
	if f.eventName == "" && f.action != "" {
		f.eventName = lockPrefix + f.action
	}
	f.aboutLock = f.action != "" && f.target != ""
	f.summary = f.aboutLock && f.eventName == semconv.EventLockReportSummary
	return f
}

func (f *facts) text(key attribute.Key) string { return text(find(f.attributes, key)) }

// find returns the value of an attribute, the last one of that key, or nil.
func find(attributes []Attribute, key attribute.Key) any {
	for i := len(attributes) - 1; i >= 0; i-- {
		if attributes[i].Key == string(key) {
			return attributes[i].Value
		}
	}
	return nil
}

// New maps a record. The event shares no mutable state with the record, the
// origin or another event.
func (o *Origin) New(r *Record) *Event {
	f, room := read(r), o.room
	message := room.text(r.Body, maxText)
	exception := f.exception(o, &room, message)
	lock, others := f.contexts(&room)
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
		Occurrences: f.occurrences(),
		platform:    o.platform,
		traceID:     r.TraceID,
		spanID:      r.SpanID,
		sampled:     r.Sampled,
		project:     o.project,
		room:        room,
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

// ClassOf returns the class of the event that a record becomes, without making
// the event.
func ClassOf(r *Record) Class {
	f := read(r)
	return f.class()
}

func (f *facts) class() Class {
	switch {
	case f.summary:
		return Summary
	case f.lostLease() != "":
		return LostLease
	}
	return Other
}

func (f *facts) occurrences() int64 {
	if f.summary {
		return f.suppressed
	}
	return 1 + f.suppressed
}

// AddTag adds a tag that Sentry accepts, unless there is one already. A user.id
// is the event's user as well, where the hub has none.
func (e *Event) AddTag(key, value string) {
	k, v := tagKey(key), line(value, maxTag)
	if _, there := e.Tags[k]; there || k == "" || v == "" || !e.room.take(jsonSize(k)+jsonSize(v)+2) {
		return
	}
	e.Tags[k] = v
	if key == string(otelconv.UserIDKey) {
		e.userID = v
	}
}

// contexts sorts the attributes into those of the lock and the others. What the
// event says elsewhere is left out.
func (f *facts) contexts(room *budget) (lock, others sentry.Context) {
	room, done := room.limit(maxAttributes)
	defer done()
	lock, others = make(sentry.Context, len(f.attributes)/2), make(sentry.Context)
	for _, a := range f.attributes {
		switch key := attribute.Key(a.Key); {
		case key == otelconv.OTelEventNameKey, key == otelconv.CodeFunctionNameKey, key == otelconv.CodeFilePathKey,
			key == otelconv.CodeLineNumberKey, key == otelconv.ExceptionStacktraceKey && f.framed:
		case strings.HasPrefix(a.Key, lockPrefix):
			room.put(lock, a.Key, a.Key[len(lockPrefix):], a.Value, 0)
		default:
			room.put(others, a.Key, a.Key, a.Value, 0)
		}
	}
	return lock, others
}

// lostLease returns how the lease was lost, empty where it was not. A summary
// speaks of one only where all that it speaks of was lost in that way.
func (f *facts) lostLease() string {
	t := f.errorType
	if f.summary && len(f.suppressedTypes) == 1 {
		t = f.suppressedTypes[0]
	}
	if f.aboutLock && (t == "expired" || t == "lost" || t == "stolen") {
		return t
	}
	return ""
}

func (f *facts) tags(service string) map[string]string {
	tags := make(map[string]string, 12)
	for _, key := range tagKeys {
		if value := line(f.text(key), maxTag); value != "" {
			tags[string(key)] = value
		}
	}
	if service != "" {
		tags[string(otelconv.ServiceNameKey)] = service
	}
	return tags
}

// fingerprint groups by what an operator would repair. A summary has the
// fingerprint of the warnings that it belongs to.
func (f *facts) fingerprint(service string) []string {
	part := func(s string) string { return cmp.Or(line(s, maxTag), "unknown") }
	switch {
	case f.lostLease() != "":
		return []string{part(f.action), part(f.target), f.lostLease()}
	case f.aboutLock:
		return []string{part(f.action), part(service), part(f.text(semconv.LockBackendNameKey))}
	case f.eventName != "":
		kind := cmp.Or(f.errorType, f.text(otelconv.ExceptionTypeKey))
		return []string{part(f.eventName), part(service), part(kind)}
	}
	return nil // Sentry's own grouping
}

// levels are those of OpenTelemetry's ranges of four severity numbers each.
var levels = [...]sentry.Level{
	sentry.LevelInfo, sentry.LevelDebug, sentry.LevelDebug, sentry.LevelInfo, sentry.LevelWarning, sentry.LevelError, sentry.LevelFatal,
}

func level(severity int) sentry.Level {
	return levels[min(max(0, severity+3)/4, len(levels)-1)]
}
