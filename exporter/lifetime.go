package exporter

import (
	"context"
	"errors"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var errShutDown = errors.New("exporter: shut down before the export had an answer")

// lifetime cuts exports short that are still under way when [Telemetry.Shutdown]
// gives up on them. The SDK's batch processors export on a background context,
// so that a server that hangs would otherwise keep their goroutines for
// another 10 to 30 seconds.
type lifetime struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func newLifetime() lifetime {
	ctx, end := context.WithCancelCause(context.Background())
	return lifetime{ctx: ctx, end: end}
}

func (l lifetime) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

type boundSpanExporter struct {
	sdktrace.SpanExporter
	lifetime lifetime
}

func (e boundSpanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, release := e.lifetime.bound(ctx)
	defer release()
	return e.SpanExporter.ExportSpans(ctx, spans)
}

type boundLogExporter struct {
	sdklog.Exporter
	lifetime lifetime
}

func (e boundLogExporter) Export(ctx context.Context, records []sdklog.Record) error {
	ctx, release := e.lifetime.bound(ctx)
	defer release()
	return e.Exporter.Export(ctx, records)
}
