package locktest

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

// A Telemetry keeps in memory what a Locker emits. A warning is handed over beside
// the caller and a cleanup is made in the background: look at them after
// Locker.Close, which drains both, or wait with Eventually.
type Telemetry struct {
	Tracers *sdktrace.TracerProvider
	Meters  *sdkmetric.MeterProvider
	Loggers *sdklog.LoggerProvider

	Spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
	Logs   *LogMemory
}

// NewTelemetry returns providers that keep everything that they are given.
func NewTelemetry() *Telemetry {
	x := &Telemetry{Spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader(), Logs: &LogMemory{}}
	x.Tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(x.Spans))
	x.Meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(x.reader), sdkmetric.WithCardinalityLimit(10_000))
	x.Loggers = sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(x.Logs)))
	return x
}

// Options returns the three providers, and then more.
func (x *Telemetry) Options(more ...otellock.Option) []otellock.Option {
	return append([]otellock.Option{
		otellock.WithTracerProvider(x.Tracers),
		otellock.WithMeterProvider(x.Meters),
		otellock.WithLoggerProvider(x.Loggers),
	}, more...)
}

// Locker returns a Locker on b that emits to x. Who asks for it closes it.
func (x *Telemetry) Locker(t *testing.T, b otellock.Backend, opts ...otellock.Option) *otellock.Locker {
	t.Helper()
	l, err := otellock.New(b, x.Options(opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// An Attempt is a series of lock.attempts, whatever its target and backend: the
// operation, its outcome, error.type and failure policy.
type Attempt [4]string

func (a Attempt) Operation() string { return a[0] }
func (a Attempt) Outcome() string   { return a[1] }
func (a Attempt) ErrorType() string { return a[2] }
func (a Attempt) Policy() string    { return a[3] }

// Attempts returns how often each operation was counted, without the series at zero.
func (x *Telemetry) Attempts(t testing.TB) map[Attempt]int64 {
	t.Helper()
	counted := map[Attempt]int64{}
	for _, p := range x.Sums(t, "lock.attempts") {
		if p.Value != 0 {
			counted[Attempt{
				Text(p.Attributes, "lock.operation.name"),
				Text(p.Attributes, "lock.outcome"),
				Text(p.Attributes, "error.type"),
				Text(p.Attributes, "lock.failure_policy"),
			}] += p.Value
		}
	}
	return counted
}

// Total returns the sum over all series of a counter or an up-down counter.
func (x *Telemetry) Total(t testing.TB, name string) int64 {
	t.Helper()
	var total int64
	for _, p := range x.Sums(t, name) {
		total += p.Value
	}
	return total
}

// Reports returns lock.reports by its result, whatever the action and the target.
func (x *Telemetry) Reports(t testing.TB) map[string]int64 {
	t.Helper()
	counted := map[string]int64{}
	for _, p := range x.Sums(t, "lock.reports") {
		if p.Value != 0 {
			counted[Text(p.Attributes, "lock.report.result")] += p.Value
		}
	}
	return counted
}

// Sums returns the data points of a counter or an up-down counter.
func (x *Telemetry) Sums(t testing.TB, name string) []metricdata.DataPoint[int64] {
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

// Histogram returns the data points of a histogram.
func (x *Telemetry) Histogram(t testing.TB, name string) []metricdata.HistogramDataPoint[float64] {
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

func (x *Telemetry) metric(t testing.TB, name string) (metricdata.Metrics, bool) {
	t.Helper()
	for _, scope := range x.Collect(t).ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m, true
			}
		}
	}
	return metricdata.Metrics{}, false
}

// Collect returns all metrics as they are now.
func (x *Telemetry) Collect(t testing.TB) metricdata.ResourceMetrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := x.reader.Collect(context.Background(), &rm); err != nil {
		t.Fatalf("collect the metrics: %v", err)
	}
	return rm
}

// Ended returns the spans that have ended and bear the name, in the order of their end.
func (x *Telemetry) Ended(name string) []sdktrace.ReadOnlySpan {
	return slices.DeleteFunc(x.Spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.Name() != name })
}

// Warnings returns the attributes of every record of severity WARN, in order.
func (x *Telemetry) Warnings() []map[string]any {
	var attrs []map[string]any
	for _, r := range x.Logs.All() {
		if r.Severity() == log.SeverityWarn {
			attrs = append(attrs, RecordAttributes(r))
		}
	}
	return attrs
}

// RecordAttributes returns a record's attributes as plain Go values.
func RecordAttributes(r sdklog.Record) map[string]any {
	attrs := make(map[string]any, r.AttributesLen())
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs[string(kv.Key)] = kv.Value.AsInterface()
		return true
	})
	return attrs
}

// PlainAttributes returns a span's or an event's attributes as plain Go values.
func PlainAttributes(kvs []attribute.KeyValue) map[string]any {
	attrs := make(map[string]any, len(kvs))
	for _, kv := range kvs {
		attrs[string(kv.Key)] = kv.Value.AsInterface()
	}
	return attrs
}

// Text returns the value of a string attribute, or "".
func Text(set attribute.Set, key attribute.Key) string {
	v, _ := set.Value(key)
	return v.AsString()
}

// A LogMemory is an exporter that keeps every record.
type LogMemory struct {
	mu      sync.Mutex
	records []sdklog.Record
}

var _ sdklog.Exporter = (*LogMemory)(nil)

func (m *LogMemory) Export(_ context.Context, records []sdklog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		m.records = append(m.records, r.Clone())
	}
	return nil
}

func (m *LogMemory) Shutdown(context.Context) error   { return nil }
func (m *LogMemory) ForceFlush(context.Context) error { return nil }

func (m *LogMemory) All() []sdklog.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records)
}

// Eventually waits until the condition holds, and fails the test where that
// takes longer than any machine needs.
func Eventually(t testing.TB, what string, holds func() bool) {
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
