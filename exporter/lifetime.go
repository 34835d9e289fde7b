package exporter

import (
	"context"
	"errors"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var errShutDown = errors.New("exporter: shut down before the export had an answer")

// bounded returns ctx, ended also when life ends, which it does when
// [Telemetry.Shutdown] gives up. The SDK's batch processors export on a
// background context: a server that hangs would keep their goroutines for
// another 10 to 30 seconds.
func bounded(ctx, life context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

type boundSpanExporter struct {
	sdktrace.SpanExporter
	life context.Context
}

func (e boundSpanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, release := bounded(ctx, e.life)
	defer release()
	return e.SpanExporter.ExportSpans(ctx, spans)
}

type boundLogExporter struct {
	sdklog.Exporter
	life context.Context
}

func (e boundLogExporter) Export(ctx context.Context, records []sdklog.Record) error {
	ctx, release := bounded(ctx, e.life)
	defer release()
	return e.Exporter.Export(ctx, records)
}
