package observe_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otellock/otellock-go/otellock/observe"
)

// telemetry is an Observer, and what it has emitted.
type telemetry struct {
	*observe.Observer
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader

	mu      sync.Mutex
	records []sdklog.Record
}

func newTelemetry(t testing.TB, opts ...observe.Option) *telemetry {
	t.Helper()
	x := &telemetry{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	o, err := observe.New(append([]observe.Option{
		observe.WithBackendName("files"),
		observe.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(x.spans))),
		observe.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(x.reader), sdkmetric.WithCardinalityLimit(10_000))),
		observe.WithLoggerProvider(sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(x)))),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	x.Observer = o
	return x
}

func (x *telemetry) Export(_ context.Context, records []sdklog.Record) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range records {
		x.records = append(x.records, r.Clone())
	}
	return nil
}

func (*telemetry) Shutdown(context.Context) error   { return nil }
func (*telemetry) ForceFlush(context.Context) error { return nil }

func (x *telemetry) target(t testing.TB, opts ...observe.LockOption) *observe.Target {
	t.Helper()
	target, err := x.Target("reports", "lock:reports:*", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// warnings closes the Observer, and returns the attributes of every warning.
func (x *telemetry) warnings(t testing.TB) []map[string]any {
	t.Helper()
	if err := x.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var warnings []map[string]any
	for _, r := range x.records {
		if r.Severity() != log.SeverityWarn {
			continue
		}
		attrs := map[string]any{}
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			attrs[string(kv.Key)] = kv.Value.AsInterface()
			return true
		})
		warnings = append(warnings, attrs)
	}
	return warnings
}

// points returns the data of a metric: what the series count by the values of
// these attributes, joined, without those at zero.
func (x *telemetry) points(t testing.TB, metric string, keys ...attribute.Key) map[string]int64 {
	t.Helper()
	var collected metricdata.ResourceMetrics
	if err := x.reader.Collect(context.Background(), &collected); err != nil {
		t.Fatal(err)
	}
	points := map[string]int64{}
	add := func(set attribute.Set, n int64) {
		var name []string
		for _, key := range keys {
			if v, ok := set.Value(key); ok {
				name = append(name, v.AsString())
			}
		}
		if n != 0 {
			points[strings.Join(name, " ")] += n
		}
	}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != metric {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, int64(p.Count))
				}
			}
		}
	}
	return points
}

// attempts is lock.attempts by operation, outcome, error.type and policy.
func (x *telemetry) attempts(t testing.TB) map[string]int64 {
	t.Helper()
	return x.points(t, "lock.attempts", "lock.operation.name", "lock.outcome", "error.type", "lock.failure_policy")
}

// total is the sum of a metric over all its series.
func (x *telemetry) total(t testing.TB, metric string) int64 {
	t.Helper()
	return x.points(t, metric)[""]
}

// span returns the attributes of the last span that has ended.
func (x *telemetry) span(t testing.TB) (attrs map[string]any, span sdktrace.ReadOnlySpan) {
	t.Helper()
	ended := x.spans.Ended()
	if len(ended) == 0 {
		t.Fatal("no span has ended")
	}
	span, attrs = ended[len(ended)-1], map[string]any{}
	for _, kv := range span.Attributes() {
		attrs[string(kv.Key)] = kv.Value.AsInterface()
	}
	return attrs, span
}

// classed is an error that names its class, and wraps another.
type classed struct {
	class string
	error
}

func (c classed) ErrorType() string { return c.class }
func (c classed) Unwrap() error     { return c.error }
