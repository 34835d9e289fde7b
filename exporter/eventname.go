package exporter

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	otelsemconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// eventNameProcessor makes an event of a record that only says so in the
// attribute otel.event.name, which is how events arrive through a logging
// library: log/slog has no event name of its own.
//
// The attribute stays. The semantic conventions define it for destinations
// that cannot store an event name, and those sit behind OTLP as well (Loki's
// OTLP ingest drops EventName), where this processor cannot see them. A record
// that already has an event name keeps it.
//
// The name is set for the duration of next.OnEmit only, on the record itself:
// processors registered beside this one see the record as it was emitted. It
// stands behind the throttle: what is held back needs no name.
type eventNameProcessor struct {
	next sdklog.Processor
}

func (p eventNameProcessor) Enabled(ctx context.Context, param sdklog.EnabledParameters) bool {
	return p.next.Enabled(ctx, param)
}

func (p eventNameProcessor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if record.EventName() != "" {
		return p.next.OnEmit(ctx, record)
	}
	name := eventNameOf(record)
	if name == "" {
		return p.next.OnEmit(ctx, record)
	}
	record.SetEventName(name)
	defer record.SetEventName("")
	return p.next.OnEmit(ctx, record)
}

func (p eventNameProcessor) Shutdown(ctx context.Context) error { return p.next.Shutdown(ctx) }

func (p eventNameProcessor) ForceFlush(ctx context.Context) error { return p.next.ForceFlush(ctx) }

// eventNameOf is empty when the attribute is absent or not a string.
func eventNameOf(record *sdklog.Record) string {
	var name string
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key != otelsemconv.OTelEventNameKey {
			return true
		}
		if kv.Value.Type() == attribute.STRING {
			name = kv.Value.AsString()
		}
		return false
	})
	return name
}
