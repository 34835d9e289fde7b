package otellock_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otellock/otellock-go/otellock"
)

// telemetry keeps in memory what a Locker emits. A warning is handed over beside
// the caller and a cleanup is made in the background: look at them after
// Locker.Close, which drains both, or wait with eventually.
type telemetry struct {
	tracers *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
	loggers *sdklog.LoggerProvider

	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
	logs   *logMemory
}

func newTelemetry() *telemetry {
	x := &telemetry{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader(), logs: &logMemory{}}
	x.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(x.spans))
	x.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(x.reader), sdkmetric.WithCardinalityLimit(10_000))
	x.loggers = sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(x.logs)))
	return x
}

// options are the three providers, before more.
func (x *telemetry) options(more ...otellock.Option) []otellock.Option {
	return append([]otellock.Option{
		otellock.WithTracerProvider(x.tracers),
		otellock.WithMeterProvider(x.meters),
		otellock.WithLoggerProvider(x.loggers),
	}, more...)
}

// An attempt is a series of lock.attempts, whatever its target and backend.
type attempt struct{ operation, outcome, errorType, policy string }

// attempts is how often each operation was counted, without the series at zero.
func (x *telemetry) attempts(t testing.TB) map[attempt]int64 {
	t.Helper()
	counted := map[attempt]int64{}
	for _, p := range x.sums(t, "lock.attempts") {
		if p.Value != 0 {
			counted[attempt{
				operation: text(p.Attributes, "lock.operation.name"),
				outcome:   text(p.Attributes, "lock.outcome"),
				errorType: text(p.Attributes, "error.type"),
				policy:    text(p.Attributes, "lock.failure_policy"),
			}] += p.Value
		}
	}
	return counted
}

// total is the sum over all series of a counter or an up-down counter.
func (x *telemetry) total(t testing.TB, name string) int64 {
	t.Helper()
	var total int64
	for _, p := range x.sums(t, name) {
		total += p.Value
	}
	return total
}

// reports is lock.reports by its result, whatever the action and the target.
func (x *telemetry) reports(t testing.TB) map[string]int64 {
	t.Helper()
	counted := map[string]int64{}
	for _, p := range x.sums(t, "lock.reports") {
		if p.Value != 0 {
			counted[text(p.Attributes, "lock.report.result")] += p.Value
		}
	}
	return counted
}

func (x *telemetry) sums(t testing.TB, name string) []metricdata.DataPoint[int64] {
	t.Helper()
	m, ok := x.metric(t, name)
	if !ok {
		return nil
	}
	sum, ok := m.Data.(metricdata.Sum[int64])
	if !ok {
		t.Fatalf("%s is a %T, not a sum of integers", name, m.Data)
	}
	return sum.DataPoints
}

// histogram is the data points of a histogram.
func (x *telemetry) histogram(t testing.TB, name string) []metricdata.HistogramDataPoint[float64] {
	t.Helper()
	m, ok := x.metric(t, name)
	if !ok {
		return nil
	}
	histogram, ok := m.Data.(metricdata.Histogram[float64])
	if !ok {
		t.Fatalf("%s is a %T, not a histogram", name, m.Data)
	}
	return histogram.DataPoints
}

func (x *telemetry) metric(t testing.TB, name string) (metricdata.Metrics, bool) {
	t.Helper()
	for _, scope := range x.collect(t).ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m, true
			}
		}
	}
	return metricdata.Metrics{}, false
}

func (x *telemetry) collect(t testing.TB) metricdata.ResourceMetrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := x.reader.Collect(context.Background(), &rm); err != nil {
		t.Fatalf("collect the metrics: %v", err)
	}
	return rm
}

// ended is the spans that have ended and bear the name, in the order of their end.
func (x *telemetry) ended(name string) []sdktrace.ReadOnlySpan {
	return slices.DeleteFunc(x.spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.Name() != name })
}

// warnings is the attributes of every record of severity WARN, in order.
func (x *telemetry) warnings() []map[string]any {
	var attrs []map[string]any
	for _, r := range x.logs.all() {
		if r.Severity() == log.SeverityWarn {
			attrs = append(attrs, recordAttributes(r))
		}
	}
	return attrs
}

// recordAttributes is a record's attributes as plain Go values.
func recordAttributes(r sdklog.Record) map[string]any {
	attrs := make(map[string]any, r.AttributesLen())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs[string(kv.Key)] = kv.Value.AsInterface()
		return true
	})
	return attrs
}

// plainAttributes is a span's or an event's attributes as plain Go values.
func plainAttributes(kvs []attribute.KeyValue) map[string]any {
	attrs := make(map[string]any, len(kvs))
	for _, kv := range kvs {
		attrs[string(kv.Key)] = kv.Value.AsInterface()
	}
	return attrs
}

func text(set attribute.Set, key attribute.Key) string {
	v, _ := set.Value(key)
	return v.AsString()
}

// logMemory is an exporter that keeps every record.
type logMemory struct {
	mu      sync.Mutex
	records []sdklog.Record
}

var _ sdklog.Exporter = (*logMemory)(nil)

func (m *logMemory) Export(_ context.Context, records []sdklog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		m.records = append(m.records, r.Clone())
	}
	return nil
}

func (m *logMemory) Shutdown(context.Context) error   { return nil }
func (m *logMemory) ForceFlush(context.Context) error { return nil }

func (m *logMemory) all() []sdklog.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records)
}

// eventually waits until the condition holds, and fails the test where that
// takes longer than any machine needs.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	const patience, pollEvery = 10 * time.Second, 2 * time.Millisecond
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}
