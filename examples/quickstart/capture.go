package main

import (
	"context"
	"sync"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/exporter"
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

// traceOf is the trace that the first record of the event belongs to.
func (c *capture) traceOf(event string) trace.TraceID {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.records {
		if r.EventName() == event {
			return r.TraceID()
		}
	}
	return trace.TraceID{}
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
