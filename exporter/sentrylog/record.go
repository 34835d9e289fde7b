package sentrylog

import (
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/sentryissue"
	"github.com/otellock/otellock-go/semconv"
)

// read copies what a record says.
func read(record *sdklog.Record) sentryissue.Record {
	r := sentryissue.Record{
		Time:       record.Timestamp(),
		EventName:  record.EventName(),
		Severity:   int(record.Severity()),
		Scope:      record.InstrumentationScope().Name,
		TraceID:    record.TraceID(),
		SpanID:     record.SpanID(),
		Sampled:    record.TraceFlags().IsSampled(),
		Attributes: make([]sentryissue.Attribute, 0, record.AttributesLen()),
	}
	if r.Time.IsZero() {
		r.Time = record.ObservedTimestamp() // never zero
	}
	if body := record.Body(); body.Type() != attribute.EMPTY {
		r.Body = body.String()
	}
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		group := []attribute.KeyValue{kv}
		if kv.Value.Type() == attribute.MAP && textIn(kv.Value.AsMap(), semconv.LockActionKey) != "" {
			group = kv.Value.AsMap() // a slog.Logger with a group nests what the lock says
		}
		r.Attributes = appendAttributes(r.Attributes, group)
		return true
	})
	return r
}

func appendAttributes(to []sentryissue.Attribute, kvs []attribute.KeyValue) []sentryissue.Attribute {
	for _, kv := range kvs {
		to = append(to, sentryissue.Attribute{Key: string(kv.Key), Value: value(kv.Value)})
	}
	return to
}

func value(v attribute.Value) any {
	switch v.Type() {
	case attribute.SLICE:
		values := v.AsSlice()
		out := make([]any, len(values))
		for i := range values {
			out[i] = value(values[i])
		}
		return out
	case attribute.MAP:
		kvs := v.AsMap()
		out := make(map[string]any, len(kvs))
		for _, kv := range kvs {
			out[string(kv.Key)] = value(kv.Value)
		}
		return out
	}
	return v.AsInterface()
}
