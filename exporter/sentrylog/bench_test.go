package sentrylog

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

const benchDSN = "https://key@127.0.0.1/1"

func benchRecord() sdklog.Record {
	return logtest.RecordFactory{
		EventName: "lock.backend_error", Timestamp: time.Now(), Severity: log.SeverityWarn,
		Body:    attribute.StringValue("lock backend failed: projects runs unprotected"),
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
		Resource: resource.NewSchemaless(
			attribute.String("service.name", "shop"), attribute.String("service.version", "1.4.2"),
			attribute.String("service.instance.id", "shop-7f9c"), attribute.String("deployment.environment.name", "staging"),
			attribute.String("host.name", "node-3"), attribute.String("telemetry.sdk.language", "go"),
			attribute.String("telemetry.sdk.name", "opentelemetry"), attribute.String("telemetry.sdk.version", "1.47.0"),
		),
		Attributes: []attribute.KeyValue{
			attribute.String("lock.action", "backend_error"), attribute.String("lock.target", "projects"),
			attribute.String("lock.key_pattern", "lock:projects:*"), attribute.String("lock.operation.name", "acquire"),
			attribute.String("lock.mode", "wait"), attribute.String("lock.outcome", "backend_error"),
			attribute.String("lock.failure_policy", "open"), attribute.String("lock.backend.name", "redis"),
			attribute.Float64("lock.ttl", 10), attribute.Float64("lock.hold.duration", 1.25), attribute.Int("lock.retries", 2),
			attribute.String("error.type", "timeout"), attribute.String("exception.type", "*otellock.Error"),
			attribute.String("exception.message", "otellock: acquire projects: timeout"),
			attribute.String("code.function.name", "github.com/acme/shop/cart.(*Store).Checkout"),
			attribute.String("code.file.path", "/src/shop/cart/store.go"), attribute.Int("code.line.number", 42),
			attribute.String("server.address", "redis.internal"), attribute.Int("server.port", 6379),
			attribute.String("otel.event.name", "lock.backend_error"), attribute.Int("lock.report.suppressed_count", 1843),
			attribute.String("lock.report.suppressed_since", "2026-11-22T03:03:05Z"),
			attribute.StringSlice("lock.report.suppressed_error_types", []string{"timeout", "NOAUTH"}),
		},
	}.NewRecord()
}

// discard is a transport that drops every event at its door.
type discard struct{}

func (discard) Flush(time.Duration) bool              { return true }
func (discard) FlushWithContext(context.Context) bool { return true }
func (discard) Configure(sentry.ClientOptions)        {}
func (discard) SendEvent(*sentry.Event)               {}
func (discard) Close()                                {}

func discardingClient(b *testing.B) *sentry.Client {
	b.Helper()
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn: benchDSN, Release: "1.4.2", Environment: "staging", ServerName: "shop-7f9c", Transport: discard{},
		Integrations: func([]sentry.Integration) []sentry.Integration { return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return client
}

// BenchmarkMap is one record from the SDK to a Sentry event.
func BenchmarkMap(b *testing.B) {
	record := benchRecord()
	p := discarding(b)
	b.ReportAllocs()
	for b.Loop() {
		p.event(b.Context(), &record)
	}
}

// BenchmarkMapAndCapture adds the scope, that of a hub with what a request
// leaves on it, and sentry-go's own processing, up to a transport that discards.
func BenchmarkMapAndCapture(b *testing.B) {
	hub := sentry.NewHub(discardingClient(b), sentry.NewScope())
	hub.Scope().SetUser(sentry.User{ID: "u-1"})
	hub.Scope().SetTag("tenant", "blue")
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://shop.example/cart?id=7", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	hub.Scope().SetRequest(request)
	for i := range 100 {
		hub.Scope().AddBreadcrumb(&sentry.Breadcrumb{Category: "sql", Message: "SELECT " + strconv.Itoa(i), Data: map[string]any{"rows": i}}, 100)
	}
	for name, ctx := range map[string]context.Context{
		"no hub": b.Context(), "a hub, 100 breadcrumbs": sentry.SetHubOnContext(b.Context(), hub),
	} {
		b.Run(name, func(b *testing.B) {
			record, p := benchRecord(), discarding(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.OnEmit(ctx, &record); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func discarding(b *testing.B) *Processor {
	b.Helper()
	p, err := New("", WithClient(discardingClient(b)), WithCap(0, 0))
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkSentryCaptureException is the same content given to sentry-go by
// hand, as an application without this exporter would.
func BenchmarkSentryCaptureException(b *testing.B) {
	client, err := discardingClient(b), errors.New("projects: timeout")
	b.ReportAllocs()
	for b.Loop() {
		scope := sentry.NewScope()
		scope.SetLevel(sentry.LevelWarning)
		scope.SetFingerprint([]string{"backend_error", "shop", "redis"})
		scope.SetTags(map[string]string{
			"lock.target": "projects", "lock.key_pattern": "lock:projects:*", "lock.action": "backend_error",
			"lock.operation.name": "acquire", "lock.backend.name": "redis", "lock.failure_policy": "open",
			"error.type": "timeout", "service.name": "shop",
		})
		scope.SetContext("lock", sentry.Context{
			"action": "backend_error", "target": "projects", "key_pattern": "lock:projects:*", "operation.name": "acquire",
			"mode": "wait", "outcome": "backend_error", "failure_policy": "open", "backend.name": "redis",
			"ttl": 10.0, "hold.duration": 1.25, "retries": 2, "report.suppressed_count": 1843,
			"report.suppressed_since": "2026-11-22T03:03:05Z", "report.suppressed_error_types": []string{"timeout", "NOAUTH"},
		})
		scope.SetContext("otel", sentry.Context{
			"resource": map[string]any{
				"service.name": "shop", "service.version": "1.4.2", "service.instance.id": "shop-7f9c",
				"deployment.environment.name": "staging", "host.name": "node-3", "telemetry.sdk.language": "go",
				"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.47.0",
			},
			"attributes": map[string]any{
				"error.type": "timeout", "exception.type": "*otellock.Error",
				"exception.message": "otellock: acquire projects: timeout", "server.address": "redis.internal", "server.port": 6379,
			},
		})
		scope.SetPropagationContext(sentry.PropagationContext{TraceID: sentry.TraceID{1}, SpanID: sentry.SpanID{2}})
		client.CaptureException(err, &sentry.EventHint{}, scope)
	}
}

type acceptAll struct{}

func (acceptAll) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

// BenchmarkEmitAndSend is one record through everything but the network:
// mapping, cap, JSON, envelope, compression and HTTP request.
func BenchmarkEmitAndSend(b *testing.B) {
	p, err := New(benchDSN, WithHTTPTransport(acceptAll{}), WithCap(0, 0))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	record := benchRecord()
	b.ReportAllocs()
	for b.Loop() {
		if err := p.OnEmit(context.Background(), &record); err != nil {
			b.Fatal(err)
		}
		if err := p.ForceFlush(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
