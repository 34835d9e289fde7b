package otlptest

import (
	"encoding/hex"
	"slices"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Span is a span as received, beside its resource and scope.
type Span struct {
	*tracepb.Span
	Resource *resourcepb.Resource
	Scope    *commonpb.InstrumentationScope
}

// TraceIDHex is the trace id in hexadecimal.
func (s Span) TraceIDHex() string { return hex.EncodeToString(s.GetTraceId()) }

// SpanIDHex is the span id in hexadecimal.
func (s Span) SpanIDHex() string { return hex.EncodeToString(s.GetSpanId()) }

// Attr is the value of an attribute as [Value] gives it, nil when absent.
func (s Span) Attr(key string) any { return Attr(s.GetAttributes(), key) }

// LogRecord is a log record as received, beside its resource and scope.
type LogRecord struct {
	*logspb.LogRecord
	Resource *resourcepb.Resource
	Scope    *commonpb.InstrumentationScope
}

// TraceIDHex is the trace id in hexadecimal, empty when the record has none.
func (l LogRecord) TraceIDHex() string { return hex.EncodeToString(l.GetTraceId()) }

// SpanIDHex is the span id in hexadecimal, empty when the record has none.
func (l LogRecord) SpanIDHex() string { return hex.EncodeToString(l.GetSpanId()) }

// Attr is the value of an attribute as [Value] gives it, nil when absent.
func (l LogRecord) Attr(key string) any { return Attr(l.GetAttributes(), key) }

// Metric is one instrument's data of one export, beside its resource and
// scope. An instrument that was exported twice is there twice.
type Metric struct {
	*metricspb.Metric
	Resource *resourcepb.Resource
	Scope    *commonpb.InstrumentationScope
}

// Point is one data point of a metric. Value is the sum or gauge, and for
// histograms the number of observations.
type Point struct {
	Attributes map[string]any
	Value      float64
}

// Points returns the data points of a sum, gauge or histogram.
func (m Metric) Points() []Point {
	var points []Point
	add := func(attrs []*commonpb.KeyValue, value float64) {
		points = append(points, Point{Attributes: Attrs(attrs), Value: value})
	}
	numbers := slices.Concat(m.GetSum().GetDataPoints(), m.GetGauge().GetDataPoints())
	for _, p := range numbers {
		add(p.GetAttributes(), p.GetAsDouble()+float64(p.GetAsInt()))
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		add(p.GetAttributes(), float64(p.GetCount()))
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		add(p.GetAttributes(), float64(p.GetCount()))
	}
	return points
}

// Spans returns the spans received so far, in the order of arrival.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// SpansNamed returns the spans of that name, in the order of arrival.
func (r *Receiver) SpansNamed(name string) []Span {
	return slices.DeleteFunc(r.Spans(), func(s Span) bool { return s.GetName() != name })
}

// Logs returns the log records received so far, in the order of arrival.
func (r *Receiver) Logs() []LogRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.logs)
}

// LogsNamed returns the log records of that event name, in the order of
// arrival. The empty name selects records that are not events.
func (r *Receiver) LogsNamed(event string) []LogRecord {
	return slices.DeleteFunc(r.Logs(), func(l LogRecord) bool { return l.GetEventName() != event })
}

// Metrics returns the metrics received so far, in the order of arrival.
func (r *Receiver) Metrics() []Metric {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.metrics)
}

// LastMetric returns the metric of that name that arrived last.
func (r *Receiver) LastMetric(name string) (Metric, bool) {
	for _, m := range slices.Backward(r.Metrics()) {
		if m.GetName() == name {
			return m, true
		}
	}
	return Metric{}, false
}

// Total sums the points of the metric of that name that arrived last, those
// only that carry all of the given string attributes. With the SDK's default
// of cumulative temporality this is the total since the start.
func (r *Receiver) Total(name string, attrs map[string]string) float64 {
	m, ok := r.LastMetric(name)
	if !ok {
		return 0
	}
	var total float64
next:
	for _, p := range m.Points() {
		for k, v := range attrs {
			if p.Attributes[k] != v {
				continue next
			}
		}
		total += p.Value
	}
	return total
}

// Attr finds an attribute and gives its [Value], nil when absent.
func Attr(attrs []*commonpb.KeyValue, key string) any {
	for _, kv := range attrs {
		if kv.GetKey() == key {
			return Value(kv.GetValue())
		}
	}
	return nil
}

// Attrs gives all attributes by their key.
func Attrs(attrs []*commonpb.KeyValue) map[string]any {
	m := make(map[string]any, len(attrs))
	for _, kv := range attrs {
		m[kv.GetKey()] = Value(kv.GetValue())
	}
	return m
}

// Value turns an OTLP value into the Go value it stands for: string, bool,
// int64, float64, []byte, []any, map[string]any, or nil.
func Value(v *commonpb.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonpb.AnyValue_BytesValue:
		return v.BytesValue
	case *commonpb.AnyValue_ArrayValue:
		values := make([]any, len(v.ArrayValue.GetValues()))
		for i, e := range v.ArrayValue.GetValues() {
			values[i] = Value(e)
		}
		return values
	case *commonpb.AnyValue_KvlistValue:
		return Attrs(v.KvlistValue.GetValues())
	default:
		return nil
	}
}
