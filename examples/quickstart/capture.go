package main

import (
	"context"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/semconv"
)

// A capture stands beside the exporters and keeps what they send, to print it.
type capture struct {
	mu      sync.Mutex
	spans   map[trace.TraceID][]sdktrace.ReadOnlySpan
	records []sdklog.Record
	metrics *sdkmetric.ManualReader
}

func newCapture() *capture {
	return &capture{
		spans:   map[trace.TraceID][]sdktrace.ReadOnlySpan{},
		metrics: sdkmetric.NewManualReader(),
	}
}

func (c *capture) options() []exporter.Option {
	return []exporter.Option{
		exporter.WithSpanProcessor((*spanCapture)(c)),
		exporter.WithLogProcessor((*logCapture)(c)),
		exporter.WithMetricReader(c.metrics),
	}
}

func (c *capture) collect(ctx context.Context) (metrics metricdata.ResourceMetrics) {
	if err := c.metrics.Collect(ctx, &metrics); err != nil {
		panic(err) // a manual reader of a running provider collects
	}
	return metrics
}

func (c *capture) trace(id trace.TraceID) []sdktrace.ReadOnlySpan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans[id])
}

// has reports whether a span of the trace has all of the attributes.
func (c *capture) has(id trace.TraceID, all ...attribute.KeyValue) bool {
	return slices.ContainsFunc(c.trace(id), func(s sdktrace.ReadOnlySpan) bool {
		return !slices.ContainsFunc(all, func(kv attribute.KeyValue) bool { return !slices.Contains(s.Attributes(), kv) })
	})
}

// errorType returns the error.type of the acquire that failed in the trace.
func (c *capture) errorType(id trace.TraceID) string {
	for _, s := range c.trace(id) {
		for _, kv := range s.Attributes() {
			if kv.Key == semconv.ErrorTypeKey && strings.HasPrefix(s.Name(), "acquire ") {
				return kv.Value.AsString()
			}
		}
	}
	return "unknown"
}

// all returns the log records so far.
func (c *capture) all() []sdklog.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.records)
}

// warnings returns the texts of the records, by the span that they point to.
func (c *capture) warnings() map[trace.SpanID]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	texts := map[trace.SpanID]string{}
	for _, r := range c.records {
		texts[r.SpanID()] = r.SeverityText() + " " + r.Body().AsString()
	}
	return texts
}

// warningOf returns the trace that the event of this target points to.
func (c *capture) warningOf(event, target string) (id trace.TraceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.records {
		if r.EventName() == event && attributeOf(r, semconv.LockTargetKey).AsString() == target {
			return r.TraceID()
		}
	}
	return trace.TraceID{}
}

func attributeOf(r sdklog.Record, key attribute.Key) (value attribute.Value) {
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key == key {
			value = kv.Value
		}
		return kv.Key != key
	})
	return value
}

type spanCapture capture

func (c *spanCapture) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c *spanCapture) Shutdown(context.Context) error                  { return nil }
func (c *spanCapture) ForceFlush(context.Context) error                { return nil }

func (c *spanCapture) OnEnd(s sdktrace.ReadOnlySpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := s.SpanContext().TraceID()
	c.spans[id] = append(c.spans[id], s)
}

type logCapture capture

func (c *logCapture) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (c *logCapture) Shutdown(context.Context) error                         { return nil }
func (c *logCapture) ForceFlush(context.Context) error                       { return nil }

func (c *logCapture) OnEmit(_ context.Context, r *sdklog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, r.Clone())
	return nil
}
