package exporter

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/sentrydsn"
)

const (
	dsnVar  = "SENTRY_DSN"
	logsVar = "OTEL_LOGS_EXPORTER"

	// sentryName selects Sentry alone: OTEL_LOGS_EXPORTER=sentry.
	sentryName = "sentry"
)

// The name is autoexport's to resolve as well, for programs that import this
// package and build their own logger provider.
func init() {
	autoexport.RegisterLogExporter(sentryName, func(context.Context) (sdklog.Exporter, error) {
		if err := checkSentry(); err != nil {
			return nil, err
		}
		return sentrylog.New(os.Getenv(dsnVar))
	})
}

// checkSentry reads SENTRY_DSN without using it.
func checkSentry() error {
	dsn := os.Getenv(dsnVar)
	if dsn == "" {
		if os.Getenv(logsVar) == sentryName {
			return malformed(dsnVar, "must be set when "+logsVar+" is "+sentryName)
		}
		return nil
	}
	if _, err := sentrydsn.Parse(dsn); err != nil {
		return fmt.Errorf("exporter: %s: %w", dsnVar, err) // quotes nothing of the DSN
	}
	return nil
}

// newSentrySpanExporter sends spans to Sentry's OTLP endpoint. Everything that
// the OTEL_EXPORTER_OTLP_* variables say about whom to talk to and with what
// credentials is replaced: those belong to another receiver.
func newSentrySpanExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	dsn, err := sentrydsn.Parse(os.Getenv(dsnVar))
	if err != nil {
		return nil, err
	}
	endpoint, headers := dsn.OTLPTraces()
	return otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(endpoint),
		otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithTLSClientConfig(nil),
	)
}
