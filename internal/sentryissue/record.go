// Package sentryissue turns one log record into one Sentry event. It knows
// neither the log SDK nor the Collector's data model: whoever has records in
// either form fills a [Record] and an [Origin], and sends what comes out.
package sentryissue

import "time"

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

	// Attributes are only read here, and not kept.
	Attributes []Attribute
}

// Occurrences returns how many failures the record stands for: itself and those
// that a throttle held back before it.
func (r *Record) Occurrences() int64 {
	var suppressed int64
	for _, a := range r.Attributes {
		if a.Key == keyLockSuppressedCount {
			suppressed = number(a.Value)
		}
	}
	return 1 + max(0, suppressed)
}

// An Attribute is one attribute of a record or of a resource. Value is a
// string, bool, int64, float64, []byte, a slice of those, []any, or
// map[string]any.
type Attribute struct {
	Key   string
	Value any
}

// A Class says which cap an event counts against.
type Class uint8

// The classes of events.
const (
	Other     Class = iota // backend faults, and records that are not about locks
	LostLease              // expired, lost, stolen
)
