package test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// providers are what a locker is given.
type providers interface {
	TracerProvider() trace.TracerProvider
	MeterProvider() metric.MeterProvider
	LoggerProvider() log.LoggerProvider
}

// exportTo points what exporter.Setup and the SDK read at a Collector, and makes
// them export soon.
func exportTo(t *testing.T, c *collector) {
	t.Helper()
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + c.http,
		"OTEL_METRIC_EXPORT_INTERVAL": "500",
		"OTEL_BSP_SCHEDULE_DELAY":     "200",
		"OTEL_BLRP_SCHEDULE_DELAY":    "200",
	} {
		t.Setenv(name, value)
	}
}

// setup is exporter.Setup for one of several instances in this process.
func setup(t *testing.T, service string, attrs ...attribute.KeyValue) *exporter.Telemetry {
	t.Helper()
	attrs = append([]attribute.KeyValue{attribute.String("service.name", service), attribute.String("service.instance.id", service+"-1"), attribute.String("service.version", "1.2.3")}, attrs...)
	tel, err := exporter.Setup(t.Context(), exporter.WithoutGlobals(), exporter.WithResourceAttributes(attrs...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = tel.Shutdown(ctx)
	})
	return tel
}

// newLocker is a Locker on the client whose telemetry goes to the providers.
func newLocker(t *testing.T, rdb *goredis.Client, p providers, opts ...otellock.Option) *otellock.Locker {
	t.Helper()
	if err := redisotel.InstrumentMetrics(rdb, redisotel.WithMeterProvider(p.MeterProvider())); err != nil {
		t.Fatal(err)
	}
	backend, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	opts = append(opts, otellock.WithTracerProvider(p.TracerProvider()), otellock.WithMeterProvider(p.MeterProvider()), otellock.WithLoggerProvider(p.LoggerProvider()))
	locker, err := otellock.New(backend, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = locker.Close(ctx)
	})
	return locker
}

func target(t *testing.T, l *otellock.Locker, name, pattern string, opts ...otellock.LockOption) *otellock.Target {
	t.Helper()
	target, err := l.Target(name, pattern, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// quiet keeps go-redis from writing a line for every refused connection.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { goredis.SetLogger(quiet{}) }
