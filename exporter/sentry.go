package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/sentryissue"
)

const (
	dsnVar = "SENTRY_DSN"

	// sentryName selects Sentry alone: OTEL_LOGS_EXPORTER=sentry.
	sentryName = "sentry"
)

// openSentry returns nil where there is neither a DSN nor a client.
func openSentry(_ context.Context, b *builder) (sdklog.Processor, error) {
	p, err := sentrylog.New(os.Getenv(dsnVar), append([]sentrylog.Option{
		sentrylog.WithMeterProvider(b.metrics),
		sentrylog.WithUndelivered(func(record sdklog.Record, reason string) { b.out.undelivered("Sentry", reason, &record) }),
	}, b.sentry...)...)
	switch {
	case errors.Is(err, sentrylog.ErrNoDSN) && os.Getenv(logsVar) == sentryName:
		return nil, malformed(dsnVar, "must be set when "+logsVar+" is "+sentryName+", unless WithSentry is given a client")
	case errors.Is(err, sentrylog.ErrNoDSN):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("exporter: WithSentry: %w", err)
	}
	return p, nil
}

// openSentrySpans returns what sends spans to Sentry's OTLP endpoint. Address,
// headers and certificates of OTEL_EXPORTER_OTLP_* are replaced: those belong to
// another receiver.
func openSentrySpans(ctx context.Context, b *builder) (sdktrace.SpanProcessor, error) {
	if !b.sentryTraces || os.Getenv(dsnVar) == "" {
		return nil, nil
	}
	dsn, err := sentryissue.ParseDSN(os.Getenv(dsnVar))
	if err != nil {
		return nil, err
	}
	url := strings.TrimSuffix(dsn.GetAPIURL().String(), "envelope/") + "integration/otlp/v1/traces"
	e, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(url),
		otlptracehttp.WithHeaders(map[string]string{"x-sentry-auth": "sentry sentry_key=" + dsn.GetPublicKey()}),
		otlptracehttp.WithTLSClientConfig(nil),
	)
	if err != nil {
		return nil, fmt.Errorf("exporter: WithSentryTraces: %w", err)
	}
	return sdktrace.NewBatchSpanProcessor(routedSpanExporter{e, &route{signal: "traces", host: dsn.GetHost(), life: b.life, console: b.out}}), nil
}
