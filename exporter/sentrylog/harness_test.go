package sentrylog_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/semconv"
)

const scopeName = "github.com/otellock/otellock-go/otellock"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var moment = time.Date(2026, 11, 22, 3, 4, 5, 678_000_000, time.UTC)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func shop() *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.name", "shop"),
		attribute.String("service.version", "1.4.2"),
		attribute.String("service.instance.id", "shop-7f9c"),
		attribute.String("deployment.environment.name", "staging"),
		attribute.String("host.name", "node-3"),
	)
}

// traced returns a context with a remote span, sampled.
func traced(ctx context.Context) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
		SpanID:     trace.SpanID{0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7},
		TraceFlags: trace.FlagsSampled,
	}))
}

// failure is the record of a failed lock, as otellock emits it; more attributes
// replace or add.
func failure(action, target, errorType string, more ...attribute.KeyValue) log.Record {
	var r log.Record
	r.SetTimestamp(moment)
	r.SetSeverity(log.SeverityWarn)
	r.SetSeverityText("WARN")
	r.SetBody(attribute.StringValue("lock backend failed: " + target + " runs unprotected"))
	r.SetEventName("lock." + action)
	operation := map[string]string{"release_error": "release", "extend_error": "extend"}[action]
	if operation == "" {
		operation = "acquire"
	}
	r.AddAttributes(
		semconv.LockActionKey.String(action),
		semconv.LockTarget(target),
		semconv.LockKeyPattern("lock:project:*"),
		semconv.LockOperationNameKey.String(operation),
		semconv.LockModeKey.String("wait"),
		semconv.LockOutcomeKey.String(action),
		semconv.LockFailurePolicyKey.String("open"),
		semconv.LockBackendName("redis"),
		attribute.Float64("lock.ttl", 10),
		attribute.Float64("lock.hold.duration", 1.25),
		attribute.Int("lock.retries", 2),
		attribute.String("error.type", errorType),
		attribute.String("exception.type", "*otellock.Error"),
		attribute.String("exception.message", "otellock: "+operation+" "+target+": "+errorType),
		attribute.String("exception.stacktrace", "github.com/acme/shop/cart.(*Store).Checkout\n\t/src/shop/cart/store.go:42\n"+
			"github.com/acme/shop/web.(*Server).checkout.func1\n\t/src/shop/web/server.go:108\n"+
			"github.com/otellock/otellock-go/otellock.(*Mutex).Do\n\t/mod/otellock/mutex.go:70\n"+
			"net/http.HandlerFunc.ServeHTTP\n\t/usr/local/go/src/net/http/server.go:2322\n"+
			"main.main\n\t/src/shop/main.go:17"),
		attribute.String("code.function.name", "github.com/acme/shop/cart.(*Store).Checkout"),
		attribute.String("code.file.path", "/src/shop/cart/store.go"),
		attribute.Int("code.line.number", 42),
		attribute.String("server.address", "redis.internal"),
		attribute.Int("server.port", 6379),
		attribute.String("otel.event.name", "lock."+action),
		attribute.Int("lock.report.suppressed_count", 1843),
		attribute.String("lock.report.suppressed_since", "2026-11-22T03:03:05Z"),
		attribute.StringSlice("lock.report.suppressed_error_types", []string{"timeout", "NOAUTH"}),
	)
	r.AddAttributes(more...)
	return r
}

// pipeline is what an application has: a provider, the processor, and a Sentry
// that is a real HTTP server.
type pipeline struct {
	*sdklog.LoggerProvider
	processor *sentrylog.Processor
	logger    log.Logger
}

func newProcessor(t *testing.T, dsn string, opts ...sentrylog.Option) *sentrylog.Processor {
	t.Helper()
	t.Setenv("SENTRY_RELEASE", "")
	t.Setenv("SENTRY_ENVIRONMENT", "")
	e, err := sentrylog.New(dsn, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = e.Shutdown(ctx)
	})
	return e
}

func newPipeline(t *testing.T, p *sentrylog.Processor) pipeline {
	t.Helper()
	provider := sdklog.NewLoggerProvider(sdklog.WithResource(shop()), sdklog.WithProcessor(p))
	return pipeline{LoggerProvider: provider, processor: p, logger: provider.Logger(scopeName)}
}

// export emits the records and waits until they are sent or given up.
func export(ctx context.Context, p *sentrylog.Processor, records []sdklog.Record) error {
	var errs []error
	for i := range records {
		errs = append(errs, p.OnEmit(ctx, &records[i]))
	}
	return errors.Join(append(errs, p.ForceFlush(ctx))...)
}

func (p pipeline) flush(t *testing.T) {
	t.Helper()
	if err := p.ForceFlush(within(t, 20*time.Second)); err != nil {
		t.Fatalf("ForceFlush: %v", err)
	}
}

func oneEvent(t *testing.T, s *envelopetest.Server) envelopetest.Event {
	t.Helper()
	events := s.Events()
	if len(events) != 1 {
		t.Fatalf("%d events arrived, want 1", len(events))
	}
	return events[0]
}

func targetName(i int) string { return "target-" + strconv.Itoa(i) }

func attributes(r log.Record) iter.Seq[attribute.KeyValue] {
	return func(yield func(attribute.KeyValue) bool) { r.WalkAttributes(yield) }
}
