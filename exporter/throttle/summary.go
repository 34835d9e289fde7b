package throttle

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	otelsemconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

const sinceLayout = "2006-01-02T15:04:05.000Z07:00" // RFC 3339, sortable as text

// carried is what a record says of those held back before it.
func carried(c *window.Claim) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.LockReportSuppressedCountKey.Int64(toInt64(c.Suppressed)),
		semconv.LockReportSuppressedSince(c.Since.UTC().Format(sinceLayout)),
		semconv.LockReportSuppressedErrorTypes(c.ErrorTypes...),
	}
}

const maxTemplateText = 256 // bytes of an attribute that a template keeps

// newTemplate keeps of a record what is true of its key and not only of the one
// occurrence, and leaves room for the key: what passed at the overflow gate may
// become the template of a key that gets its own entry. It has to come from a real record: only the SDK can make one that
// has a resource, a scope and room for attributes.
func newTemplate(r *sdklog.Record, c *window.Claim) *sdklog.Record {
	keep := []attribute.KeyValue{
		semconv.LockActionKey.String(c.Action),
		semconv.LockTarget(c.Target),
		otelsemconv.OTelEventName(semconv.EventLockReportSummary),
	}
	if !c.Overflow {
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			switch kv.Key {
			case semconv.LockKeyPatternKey, semconv.LockBackendNameKey:
				if kv.Value.Type() == attribute.STRING && len(kv.Value.AsString()) <= maxTemplateText {
					keep = append(keep, kv)
				}
			}
			return true
		})
	}
	t := *r // a shallow copy: SetAttributes replaces the shared slice
	var blank [8]attribute.KeyValue
	for i := range blank {
		blank[i] = attribute.Bool(string(rune('a'+i)), false)
	}
	t.SetAttributes(blank[:]...) // or values beyond those kept would live on in the record's array
	t.SetAttributes(keep...)
	t.SetEventName(semconv.EventLockReportSummary)
	t.SetSeverity(log.SeverityInfo)
	t.SetSeverityText("INFO")
	t.SetTimestamp(time.Time{})
	t.SetObservedTimestamp(time.Time{})
	t.SetTraceID(trace.TraceID{})
	t.SetSpanID(trace.SpanID{})
	t.SetTraceFlags(0)
	return &t
}

// newSummary makes a record of its own of what a claim carries.
func newSummary(c *window.Claim) (sdklog.Record, error) {
	t, ok := c.Template().(*sdklog.Record)
	if !ok {
		return sdklog.Record{}, errNoTemplate
	}
	record, now := t.Clone(), time.Now()
	record.SetBody(attribute.StringValue("lock failures held back: " + c.Target + ", " + c.Action))
	record.SetTimestamp(now)
	record.SetObservedTimestamp(now)
	record.AddAttributes(append(carried(c), semconv.LockActionKey.String(c.Action), semconv.LockTarget(c.Target))...)
	return record, nil
}
