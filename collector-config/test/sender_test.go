package test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A sender is a plain SDK that exports every span and record at once. It sends
// what otellock never would, or what only a larger fleet would.
type sender struct {
	spans    *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	logs     *sdklog.LoggerProvider
	exporter sdklog.Exporter // of the logs
}

func newSender(t *testing.T, host string, attrs ...attribute.KeyValue) sender {
	t.Helper()
	ctx := t.Context()
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(host), otlptracehttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(host), otlpmetrichttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := otlploghttp.New(ctx, otlploghttp.WithEndpoint(host), otlploghttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	res := resource.NewSchemaless(attrs...)
	s := sender{
		spans:    sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSyncer(spans)),
		metrics:  sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics))),
		logs:     sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewSimpleProcessor(logs))),
		exporter: logs,
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = errors.Join(s.spans.Shutdown(ctx), s.metrics.Shutdown(ctx), s.logs.Shutdown(ctx))
	})
	return s
}

func (s sender) flushMetrics(t *testing.T) {
	t.Helper()
	if err := s.metrics.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// warning is a lock's log record as DESIGN has it, as far as routing looks at it.
func warning(attrs ...attribute.KeyValue) log.Record {
	var r log.Record
	r.SetSeverity(log.SeverityWarn)
	r.SetSeverityText("WARN")
	r.SetEventName("lock.backend_error")
	r.SetBody(attribute.StringValue("lock backend failed: projects runs unprotected"))
	r.AddAttributes(
		attribute.String("lock.action", "backend_error"),
		attribute.String("lock.target", "projects"),
		attribute.String("lock.key_pattern", "lock:projects:*"),
		attribute.String("error.type", "timeout"),
		attribute.Int("lock.report.suppressed_count", 7),
	)
	r.AddAttributes(attrs...)
	return r
}
