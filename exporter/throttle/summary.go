package throttle

import (
	"context"
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
		counts[i] = int64(n)
	}
	return []attribute.KeyValue{
		semconv.LockReportSuppressedCountKey.Int64(int64(c.Suppressed)),
		semconv.LockReportSuppressedSince(window.FormatTime(c.Since)),
		semconv.LockReportSuppressedErrorTypes(c.ErrorTypes...),
		semconv.LockReportSuppressedErrorCountsKey.Int64Slice(counts),
	}
}

// withCount returns a copy of the record with what its claim carries. At the SDK's
// limit of attributes the record's last ones give way: the claim counts as
// delivered, and so must arrive.
func (p *Processor) withCount(r *sdklog.Record, c *window.Claim) sdklog.Record {
	var key, errorType, rest []attribute.KeyValue
	count := carried(c)
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
	clone := r.Clone()
	clone.SetAttributes(slices.Concat(key, count, errorType, rest)...)
	return clone
}

// attributes writes a key as attributes.
func (p *Processor) attributes(key []string) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, len(p.keys), len(p.keys)+8)
	for i, name := range p.keys {
		attrs[i] = name.String(key[i])
	}
	return attrs
}

const maxTemplateText = 256 // bytes of an attribute that a template keeps

// newTemplate keeps of a record what is true of its key and not only of the one
// occurrence. Only the SDK can make a record that has a resource, a scope and room
// for attributes, so it has to be a real one.
func (p *Processor) newTemplate(r *sdklog.Record, c *window.Claim) *sdklog.Record {
	keep := []attribute.KeyValue{otelsemconv.OTelEventName(semconv.EventLockReportSummary)}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if !c.Overflow && (kv.Key == semconv.LockKeyPatternKey || kv.Key == semconv.LockBackendNameKey) &&
			kv.Value.Type() == attribute.STRING && len(kv.Value.AsString()) <= maxTemplateText {
			keep = append(keep, kv)
		}
		return true
	})
	t := *r // a shallow copy: SetAttributes replaces the shared slice, and these five what the record's array holds
	t.SetAttributes(attribute.Int("1", 0), attribute.Int("2", 0), attribute.Int("3", 0), attribute.Int("4", 0), attribute.Int("5", 0))
	t.SetAttributes(keep...)
	t.SetBody(attribute.Value{})
	t.SetEventName(semconv.EventLockReportSummary)
	t.SetSeverity(log.SeverityInfo)
	t.SetSeverityText("INFO")
	t.SetTraceID(trace.TraceID{})
	t.SetSpanID(trace.SpanID{})
	t.SetTraceFlags(0)
	return &t
}

// summarize sends what a claim carries as a record of its own.
func (p *Processor) summarize(c *window.Claim) error {
	t, ok := c.Template.(*sdklog.Record)
	if !ok {
		return errNoTemplate
	}
	record, now := t.Clone(), time.Now()
	record.SetBody(attribute.StringValue(c.SummaryText()))
	record.SetTimestamp(now)
	record.SetObservedTimestamp(now)
	attrs := append(p.attributes(c.Key), carried(c)...)
	attrs = append(attrs, semconv.LockReportSuppressedUntil(window.FormatTime(c.Until)))
	t.WalkAttributes(func(kv attribute.KeyValue) bool {
		if !slices.Contains(p.keys, kv.Key) {
			attrs = append(attrs, kv)
		}
		return true
	})
	record.SetAttributes(attrs...)
	return p.next.OnEmit(context.Background(), &record)
}
