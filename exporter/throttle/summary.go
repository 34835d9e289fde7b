package throttle

import (
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	otelsemconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

var errNoTemplate = errors.New("throttle: no " + semconv.EventLockReportSummary + ": no record of the key has been let through yet")

// carried is what a record says of those suppressed before it.
func carried(c *window.Claim) []attribute.KeyValue {
	counts := make([]int64, len(c.ErrorCounts))
	for i, n := range c.ErrorCounts {
		counts[i] = toInt64(n)
	}
	return []attribute.KeyValue{
		semconv.LockReportSuppressedCountKey.Int64(toInt64(c.Suppressed)),
		semconv.LockReportSuppressedSince(window.FormatTime(c.Since)),
		semconv.LockReportSuppressedErrorTypes(c.ErrorTypes...),
		semconv.LockReportSuppressedErrorCountsKey.Int64Slice(counts),
	}
}

// withCount returns a copy of the record with what its claim carries. Where that
// would be beyond the SDK's limit of attributes, the record's last ones give way:
// the claim counts as delivered, and so must arrive.
func (p *Processor) withCount(r *sdklog.Record, c *window.Claim) sdklog.Record {
	clone, count := r.Clone(), carried(c)
	clone.AddAttributes(count...)
	if clone.DroppedAttributes() == r.DroppedAttributes() {
		return clone
	}
	var key, errorType, rest []attribute.KeyValue
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		switch {
		case slices.Contains(p.keys, kv.Key):
			key = append(key, kv)
		case kv.Key == semconv.ErrorTypeKey:
			errorType = append(errorType, kv)
		case !slices.ContainsFunc(count, func(own attribute.KeyValue) bool { return own.Key == kv.Key }):
			rest = append(rest, kv)
		}
		return true
	})
	clone.SetAttributes(slices.Concat(key, count, errorType, rest)...)
	return clone
}

// key writes the key of a claim as attributes.
func (p *Processor) key(c *window.Claim) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, len(p.keys), len(p.keys)+8)
	for i, name := range p.keys {
		attrs[i] = name.String(c.Key[i])
	}
	return attrs
}

const maxTemplateText = 256 // bytes of an attribute that a template keeps

// newTemplate keeps of a record what is true of its key and not only of the one
// occurrence. What passed at the overflow gate may become the template of a key
// that gets its own entry, so the key is written anew on each summary. A template
// has to come from a real record: only the SDK can make one that has a resource, a
// scope and room for attributes.
func (p *Processor) newTemplate(r *sdklog.Record, c *window.Claim) *sdklog.Record {
	keep := append(p.key(c), otelsemconv.OTelEventName(semconv.EventLockReportSummary))
	if !c.Overflow {
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			switch kv.Key {
			case semconv.LockKeyPatternKey, semconv.LockBackendNameKey:
				if kv.Value.Type() == attribute.STRING && len(kv.Value.AsString()) <= maxTemplateText && !slices.Contains(p.keys, kv.Key) {
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
	t.SetBody(attribute.Value{})
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
func (p *Processor) newSummary(c *window.Claim) (sdklog.Record, error) {
	t, ok := c.Template.(*sdklog.Record)
	if !ok {
		return sdklog.Record{}, errNoTemplate
	}
	record, now := t.Clone(), time.Now()
	record.SetBody(attribute.StringValue(c.SummaryText()))
	record.SetTimestamp(now)
	record.SetObservedTimestamp(now)
	attrs := append(p.key(c), carried(c)...)
	attrs = append(attrs, semconv.LockReportSuppressedUntil(window.FormatTime(c.Until)))
	t.WalkAttributes(func(kv attribute.KeyValue) bool {
		if !slices.Contains(p.keys, kv.Key) {
			attrs = append(attrs, kv)
		}
		return true
	})
	record.SetAttributes(attrs...)
	return record, nil
}
