package sentryissueexporter

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

// benchLogs is the record of sentrylog's benchmark, as it comes out of a receiver.
func benchLogs(b *testing.B) plog.Logs {
	b.Helper()
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	if err := rl.Resource().Attributes().FromRaw(map[string]any{
		"service.name": "shop", "service.version": "1.4.2", "service.instance.id": "shop-7f9c", "deployment.environment.name": "staging",
		"host.name": "node-3", "telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.47.0",
	}); err != nil {
		b.Fatal(err)
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("github.com/otellock/otellock-go/otellock")
	r := sl.LogRecords().AppendEmpty()
	r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	r.SetSeverityNumber(plog.SeverityNumberWarn)
	r.SetEventName("lock.backend_error")
	r.SetTraceID(pcommon.TraceID{1})
	r.SetSpanID(pcommon.SpanID{2})
	r.Body().SetStr("lock backend failed: projects runs unprotected")
	if err := r.Attributes().FromRaw(map[string]any{
		"lock.action": "backend_error", "lock.target": "projects", "lock.key_pattern": "lock:projects:*", "lock.operation.name": "acquire",
		"lock.mode": "wait", "lock.outcome": "backend_error", "lock.failure_policy": "open", "lock.backend.name": "redis",
		"lock.ttl": 10.0, "lock.hold.duration": 1.25, "lock.retries": 2, "error.type": "timeout", "exception.type": "*otellock.Error",
		"exception.message":  "otellock: acquire projects: timeout",
		"code.function.name": "github.com/acme/shop/cart.(*Store).Checkout", "code.file.path": "/src/shop/cart/store.go", "code.line.number": 42,
		"server.address": "redis.internal", "server.port": 6379, "otel.event.name": "lock.backend_error",
		"lock.report.suppressed_count": 1843, "lock.report.suppressed_since": "2026-11-22T03:03:05Z",
		"lock.report.suppressed_error_types": []any{"timeout", "NOAUTH"},
	}); err != nil {
		b.Fatal(err)
	}
	return ld
}

// BenchmarkMap is one record of a batch to an event with its id, as
// BenchmarkMap of package sentrylog is from the SDK.
func BenchmarkMap(b *testing.B) {
	rl := benchLogs(b).ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	origin := sentryissue.NewOrigin(attributes(nil, rl.Resource().Attributes()), sentryissue.Project{}, sentryissue.Config{})
	var id identity
	id.setResource(rl.Resource())
	b.ReportAllocs()
	for b.Loop() {
		mapped(origin, &id, sl, sl.LogRecords().At(0))
	}
}

// BenchmarkMapAndEncode adds what sentry-go does when it captures: the trace, the
// envelope and its JSON.
func BenchmarkMapAndEncode(b *testing.B) {
	dsn, err := sentryissue.ParseDSN(anyDSN)
	if err != nil {
		b.Fatal(err)
	}
	rl := benchLogs(b).ResourceLogs().At(0)
	sl := rl.ScopeLogs().At(0)
	origin := sentryissue.NewOrigin(attributes(nil, rl.Resource().Attributes()), sentryissue.Project{}, sentryissue.Config{})
	var id identity
	id.setResource(rl.Resource())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mapped(origin, &id, sl, sl.LogRecords().At(0)).Envelope(dsn, sentry.SdkInfo{Name: sdkName}, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

type acceptAll struct{}

func (acceptAll) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

// BenchmarkConsume is one record through everything but the network and the
// queue: cap, mapping, envelope, exporterhelper, HTTP request.
func BenchmarkConsume(b *testing.B) {
	cfg := createDefaultConfig().(*Config)
	cfg.DSN, cfg.Cap = anyDSN, 0
	cfg.QueueConfig = noQueue
	exporter, err := NewFactory().CreateLogs(b.Context(), exportertest.NewNopSettings(typ), cfg)
	if err != nil {
		b.Fatal(err)
	}
	if err := exporter.Start(b.Context(), componenttest.NewNopHost()); err != nil {
		b.Fatal(err)
	}
	exporter.(*admission).exporter.client.Transport = acceptAll{}
	ld := benchLogs(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := exporter.ConsumeLogs(b.Context(), ld); err != nil {
			b.Fatal(err)
		}
	}
	if err := exporter.Shutdown(b.Context()); err != nil {
		b.Fatal(err)
	}
}
