package sentryissueexporter

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otellock/otellock-go/collector-config/sentryissueexporter/internal/metadatatest"
)

var noQueue = configoptional.None[exporterhelper.QueueBatchConfig]()

// A harness is the exporter as the Collector runs it, with what it says.
type harness struct {
	exporter.Logs
	t         *testing.T
	telemetry *componenttest.Telemetry
	said      *observer.ObservedLogs // at every level
}

// newHarness starts the exporter with the defaults, without a queue and with
// quick retries, unless change says otherwise.
func newHarness(t *testing.T, dsn string, change func(*Config)) *harness {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.DSN = configopaque.String(dsn)
	cfg.QueueConfig = noQueue
	cfg.RetryConfig.InitialInterval, cfg.RetryConfig.MaxInterval = time.Millisecond, 10*time.Millisecond
	if change != nil {
		change(cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, telemetry: componenttest.NewTelemetry()}
	set := metadatatest.NewSettings(h.telemetry)
	var core zapcore.Core
	core, h.said = observer.New(zapcore.DebugLevel)
	set.Logger = zap.New(core)
	var err error
	if h.Logs, err = NewFactory().CreateLogs(t.Context(), set, cfg); err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
		_ = h.telemetry.Shutdown(ctx)
	})
	return h
}

// sendBy replaces what carries the requests, for tests in virtual time.
func (h *harness) sendBy(transport http.RoundTripper) {
	h.Logs.(*admission).exporter.client.Transport = transport
}

func (h *harness) consume(ld plog.Logs) {
	h.t.Helper()
	if err := h.ConsumeLogs(h.t.Context(), ld); err != nil {
		h.t.Fatal(err)
	}
}

// events returns how many events of each outcome were counted.
func (h *harness) events() map[string]int64 {
	h.t.Helper()
	return h.counter("otelcol_exporter_sentryissue_events", "outcome")
}

func (h *harness) counter(name, by string) map[string]int64 {
	h.t.Helper()
	counts := map[string]int64{}
	m, err := h.telemetry.GetMetric(name)
	if err != nil {
		return counts
	}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		v, _ := p.Attributes.Value(attribute.Key(by))
		counts[v.AsString()] += p.Value
	}
	return counts
}

// text returns all that was said, with every field.
func (h *harness) text() string {
	var b strings.Builder
	for _, e := range h.said.All() {
		fmt.Fprintln(&b, e.Level, e.Message, e.ContextMap())
	}
	return b.String()
}

var moment0 = time.Date(2026, 11, 22, 3, 4, 5, 678_000_000, time.UTC)

// failure is the record of a failed lock of the target, n nanoseconds after
// moment0.
func failure(target, errorType string, n int) plog.LogRecord {
	r := plog.NewLogRecord()
	r.SetTimestamp(pcommon.NewTimestampFromTime(moment0.Add(time.Duration(n))))
	r.SetSeverityNumber(plog.SeverityNumberWarn)
	r.SetEventName("lock.backend_error")
	r.Body().SetStr("lock backend failed: " + target + " runs unprotected")
	for k, v := range map[string]string{"lock.action": "backend_error", "lock.target": target, "lock.backend.name": "redis", "error.type": errorType} {
		r.Attributes().PutStr(k, v)
	}
	return r
}

// batch is what one instance of a service sends.
func batch(service string, records ...plog.LogRecord) plog.Logs {
	ld := plog.NewLogs()
	addTo(ld, service, records...)
	return ld
}

func addTo(ld plog.Logs, service string, records ...plog.LogRecord) {
	rl := ld.ResourceLogs().AppendEmpty()
	if service != "" {
		rl.Resource().Attributes().PutStr("service.name", service)
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("github.com/otellock/otellock-go/otellock")
	for _, r := range records {
		r.CopyTo(sl.LogRecords().AppendEmpty())
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func stringField(key, value string) zapcore.Field { return zap.String(key, value) }
