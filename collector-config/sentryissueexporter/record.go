package sentryissueexporter

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/sentryissue"
	"github.com/otellock/otellock-go/semconv"
)

// read copies what a record says.
func read(scope pcommon.InstrumentationScope, r plog.LogRecord) sentryissue.Record {
	return sentryissue.Record{
		Time:       moment(r),
		EventName:  r.EventName(),
		Severity:   int(r.SeverityNumber()),
		Body:       r.Body().AsString(),
		Scope:      scope.Name(),
		TraceID:    r.TraceID(),
		SpanID:     r.SpanID(),
		Sampled:    r.Flags().IsSampled(),
		Attributes: attributes(make([]sentryissue.Attribute, 0, r.Attributes().Len()), r.Attributes()),
	}
}

// moment returns when the record was made, or else when it was seen.
func moment(r plog.LogRecord) time.Time {
	if t := r.Timestamp(); t != 0 {
		return t.AsTime()
	}
	if t := r.ObservedTimestamp(); t != 0 {
		return t.AsTime()
	}
	return time.Time{}
}

func attributes(to []sentryissue.Attribute, m pcommon.Map) []sentryissue.Attribute {
	for k, v := range m.All() {
		if v.Type() == pcommon.ValueTypeMap {
			if a, ok := v.Map().Get(string(semconv.LockActionKey)); ok && a.Type() == pcommon.ValueTypeStr {
				to = attributes(to, v.Map()) // a slog.Logger with a group nests what the lock says
				continue
			}
		}
		to = append(to, sentryissue.Attribute{Key: k, Value: v.AsRaw()})
	}
	return to
}
