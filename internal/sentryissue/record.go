// Package sentryissue turns one log record into one Sentry event. It knows
// neither the log SDK nor the Collector's data model: whoever has records in
// either form fills a [Record] and an [Origin], and sends what comes out.
package sentryissue

import (
	"time"

	"github.com/getsentry/sentry-go"
)

// A Record is a log record in the terms of OpenTelemetry's log data model.
type Record struct {
	Time      time.Time
	EventName string
	Severity  int // OpenTelemetry's severity number, 1 to 24; 0 is unspecified
	Body      string
	Scope     string // name of the instrumentation scope

	TraceID [16]byte
	SpanID  [8]byte
	Sampled bool

	Attributes []Attribute // only read
}

// An Attribute is one attribute of a record or of a resource. Value is a
// string, bool, int64, float64, []byte, a slice of those, []any, or
// map[string]any.
type Attribute struct {
	Key   string
	Value any
}

// An Event is what a record became.
type Event struct {
	*sentry.Event
	Class Class
	// Occurrences is how many failures the event stands for: the record, unless it
	// is a summary, and those that a throttle suppressed before it.
	Occurrences int64

	traceID [16]byte
	spanID  [8]byte
	sampled bool
	project Project
	userID  string
	room    budget // what the scope of a hub may still add

	platform string            // for who finishes the event without a client
	trace    map[string]string // the envelope's dynamic sampling context
}

// A Class says which cap an event counts against.
type Class uint8

// The classes of events.
const (
	Other     Class = iota // backend faults, and records that are not about locks
	LostLease              // expired, lost, stolen
	Summary                // what a throttle suppressed, once it is over
	Classes                // how many there are
)
