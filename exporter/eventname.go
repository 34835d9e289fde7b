package exporter

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	otelsemconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// eventNameProcessor makes an event of a record that only says so in the
// attribute otel.event.name, which is how events arrive through log/slog.
//
// The attribute stays, for destinations behind OTLP that drop the event name
// (Loki does). The name is set for the duration of OnEmit only: processors
// registered beside this one see the record as it was emitted.
type eventNameProcessor struct{ sdklog.Processor }

func (p eventNameProcessor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if record.EventName() == "" {
		record.WalkAttributes(func(kv attribute.KeyValue) bool {
			if kv.Key != otelsemconv.OTelEventNameKey {
				return true
			}
			if kv.Value.Type() == attribute.STRING {
				record.SetEventName(kv.Value.AsString())
			}
			return false
		})
		defer record.SetEventName("")
	}
	return p.Processor.OnEmit(ctx, record)
}
