package sentrylog

import (
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/log/logtest"
)

func TestAttributesOfEveryTypeAreRead(t *testing.T) {
	record := logtest.RecordFactory{
		Attributes: []attribute.KeyValue{
			attribute.String("string", "s"), attribute.Bool("bool", true), attribute.Int("int", 7), attribute.Float64("float", 1.5),
			attribute.StringSlice("strings", []string{"a", "b"}), attribute.BoolSlice("bools", []bool{true, false}),
			attribute.Int64Slice("ints", []int64{1, 2}), attribute.Float64Slice("floats", []float64{0.5}),
			{Key: "bytes", Value: attribute.ByteSliceValue([]byte{1})},
			{Key: "list", Value: attribute.SliceValue(attribute.StringValue("x"), attribute.Int64Value(1))},
			{Key: "map", Value: attribute.MapValue(attribute.String("a", "b"), attribute.Int("n", 1))},
			{Key: "empty"},
		},
		Body:                 attribute.MapValue(attribute.String("k", "v")),
		ObservedTimestamp:    time.Unix(9, 0),
		InstrumentationScope: &instrumentation.Scope{Name: "scope"},
	}.NewRecord()
	r := read(&record)
	got := map[string]any{}
	for _, a := range r.Attributes {
		got[a.Key] = a.Value
	}
	want := map[string]any{
		"string": "s", "bool": true, "int": int64(7), "float": 1.5, "strings": []string{"a", "b"}, "bools": []bool{true, false},
		"ints": []int64{1, 2}, "floats": []float64{0.5}, "bytes": []byte{1}, "list": []any{"x", int64(1)},
		"map": map[string]any{"a": "b", "n": int64(1)},
	}
	if v, there := got["empty"]; there && v != nil {
		t.Errorf("an empty value became %v", v)
	}
	delete(got, "empty")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !r.Time.Equal(time.Unix(9, 0)) || r.Body != `{"k":"v"}` || r.Scope != "scope" {
		t.Errorf("time %v, body %s, scope %s", r.Time, r.Body, r.Scope)
	}
}

func TestOnlyLockWarningsPassTheDefaultFilter(t *testing.T) {
	action := attribute.String("lock.action", "backend_error")
	group := func(kvs ...attribute.KeyValue) attribute.KeyValue {
		return attribute.KeyValue{Key: "app", Value: attribute.MapValue(kvs...)}
	}
	for _, c := range []struct {
		name     string
		severity log.Severity
		attrs    []attribute.KeyValue
		want     bool
	}{
		{"a warning", log.SeverityWarn, []attribute.KeyValue{attribute.Int("n", 1), action}, true},
		{"WARN4", log.SeverityWarn4, []attribute.KeyValue{action}, true},
		{"an error", log.SeverityError, []attribute.KeyValue{action}, true},
		{"in a group", log.SeverityWarn, []attribute.KeyValue{group(attribute.Int("n", 1), action)}, true},
		{"a summary", log.SeverityInfo, []attribute.KeyValue{action}, false},
		{"INFO4", log.SeverityInfo4, []attribute.KeyValue{action}, false},
		{"no severity", log.SeverityUndefined, []attribute.KeyValue{action}, false},
		{"no action", log.SeverityError, []attribute.KeyValue{attribute.String("lock.target", "x"), group(attribute.Int("n", 1))}, false},
		{"an empty action", log.SeverityWarn, []attribute.KeyValue{attribute.String("lock.action", "")}, false},
		{"an action that is no string", log.SeverityWarn, []attribute.KeyValue{attribute.Int("lock.action", 1)}, false},
		{"two groups deep", log.SeverityWarn, []attribute.KeyValue{group(group(action))}, false},
	} {
		record := logtest.RecordFactory{Severity: c.severity, Attributes: c.attrs}.NewRecord()
		if got := LockWarnings(&record); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
