package exporter_test

import (
	"context"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/protobuf/proto"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/otlptest"
)

const scope = "exporter_test"

// emit makes one span, one warning inside it, and one count.
func emit(ctx context.Context, t *testing.T, tel *exporter.Telemetry) {
	t.Helper()
	ctx, span := tel.TracerProvider().Tracer(scope).Start(ctx, "acquire projects")
	defer span.End()
	logger := otelslog.NewLogger(scope, otelslog.WithLoggerProvider(tel.LoggerProvider()))
	logger.WarnContext(ctx, "lock backend failed: projects runs unprotected",
		"lock.action", "lock.backend_error",
		"lock.target", "projects",
		"otel.event.name", "lock.backend_error")
	count(ctx, t, tel)
}

func count(ctx context.Context, t *testing.T, tel *exporter.Telemetry) {
	t.Helper()
	attempts, err := tel.MeterProvider().Meter(scope).Int64Counter("lock.attempts")
	if err != nil {
		t.Fatal(err)
	}
	attempts.Add(ctx, 3, metric.WithAttributes(attribute.String("lock.target", "projects")))
}

func TestAllThreeSignalsArriveCorrelated(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			complaints := isolate(t)
			r := otlptest.Start(t)
			r.Setenv(t, protocol)
			t.Setenv("OTEL_SERVICE_NAME", "shop")
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%20whale")
			tel := setup(t, exporter.WithoutGlobals(),
				exporter.WithResourceAttributes(attribute.String("service.version", "1.2.3")))

			emit(context.Background(), t, tel)
			mustShutdown(t, tel)

			spans, logs := r.Spans(), r.Logs()
			metric, counted := r.LastMetric("lock.attempts")
			if len(spans) != 1 || len(logs) != 1 || !counted {
				t.Fatalf("received %d spans, %d log records, lock.attempts: %v; want one of each", len(spans), len(logs), counted)
			}
			span, record := spans[0], logs[0]
			if record.TraceIDHex() != span.TraceIDHex() || record.SpanIDHex() != span.SpanIDHex() || span.TraceIDHex() == "" {
				t.Errorf("record belongs to trace %s span %s, the span is trace %s span %s",
					record.TraceIDHex(), record.SpanIDHex(), span.TraceIDHex(), span.SpanIDHex())
			}
			if got := record.GetEventName(); got != "lock.backend_error" {
				t.Errorf("event name %q", got)
			}
			if got := r.Total("lock.attempts", map[string]string{"lock.target": "projects"}); got != 3 {
				t.Errorf("lock.attempts is %v, want 3", got)
			}
			if !proto.Equal(span.Resource, record.Resource) || !proto.Equal(span.Resource, metric.Resource) {
				t.Errorf("resources differ:\n%v\n%v\n%v", span.Resource, record.Resource, metric.Resource)
			}
			resource := otlptest.Attrs(span.Resource.GetAttributes())
			if resource["service.name"] != "shop" || resource["service.version"] != "1.2.3" {
				t.Errorf("resource is %v", resource)
			}
			for _, req := range r.Requests() {
				if req.Protocol != protocol || req.Header.Get("X-Tenant") != "blue whale" {
					t.Errorf("%s came over %s with X-Tenant %q", req.Signal, req.Protocol, req.Header.Get("X-Tenant"))
				}
			}
			if s := complaints.String(); s != "" {
				t.Errorf("OpenTelemetry complained: %s", s)
			}
		})
	}
}

func TestSignalsMayUseDifferentProtocolsAndEndpoints(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", r.GRPCEndpoint())
	t.Setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", r.Endpoint()+"/custom/v1/logs")
	tel := setup(t, exporter.WithoutGlobals())

	emit(context.Background(), t, tel)
	mustShutdown(t, tel)

	got := map[otlptest.Signal]string{}
	for _, req := range r.Requests() {
		got[req.Signal] = req.Protocol + " " + req.Path
	}
	want := map[otlptest.Signal]string{
		otlptest.Traces:  "grpc /opentelemetry.proto.collector.trace.v1.TraceService/Export",
		otlptest.Metrics: "http/protobuf /v1/metrics",
		otlptest.Logs:    "http/protobuf /custom/v1/logs",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSetupReplacesTheGlobals(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	tel := setup(t)

	if otel.GetTracerProvider() != tel.TracerProvider() || otel.GetMeterProvider() != tel.MeterProvider() ||
		otel.GetLoggerProvider() != tel.LoggerProvider() {
		t.Error("the global providers are not those of Setup")
	}
	if got := fields(otel.GetTextMapPropagator()); !slices.Equal(got, []string{"baggage", "traceparent", "tracestate"}) {
		t.Errorf("the global propagator has fields %s", got)
	}

	mustShutdown(t, tel)
	if enabled(otel.GetLoggerProvider()) {
		t.Error("the global logger is still enabled after Shutdown")
	}
	again := setup(t)
	if otel.GetLoggerProvider() != again.LoggerProvider() || !enabled(otel.GetLoggerProvider()) {
		t.Error("a second Setup did not replace the global logger provider")
	}
}

func TestWithoutGlobalsLeavesThemAlone(t *testing.T) {
	isolate(t)
	exportNothing(t)
	propagator := &propagation.TraceContext{}
	otel.SetTextMapPropagator(propagator)
	tracers, meters, loggers := otel.GetTracerProvider(), otel.GetMeterProvider(), otel.GetLoggerProvider()

	setup(t, exporter.WithoutGlobals(), nil)

	if otel.GetTracerProvider() != tracers || otel.GetMeterProvider() != meters || otel.GetLoggerProvider() != loggers {
		t.Error("a global provider has changed")
	}
	if otel.GetTextMapPropagator() != propagator {
		t.Error("the global propagator has changed")
	}
}

func enabled(p log.LoggerProvider) bool {
	return p.Logger(scope).Enabled(context.Background(), log.EnabledParameters{Severity: log.SeverityWarn})
}

func TestNoneMeansNoLoggerIsEnabled(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	exportNothing(t)
	tel := setup(t, exporter.WithoutGlobals())

	if enabled(tel.LoggerProvider()) {
		t.Error("a logger that leads nowhere says that it is enabled: warnings would vanish instead of reaching the console")
	}
	emit(context.Background(), t, tel)
	mustShutdown(t, tel)
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if tel.Suppress(time.Now(), "backend_error", "projects", "timeout") {
		t.Error("suppressed a record without a throttle")
	}
}

// The stdout exporters take hold of os.Stdout when the program starts, so this
// runs the test binary once more and reads what that prints.
func TestConsoleExporterWritesToStdout(t *testing.T) {
	isolate(t)
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} {
		t.Setenv(name, "console")
	}
	const child = "EXPORTER_TEST_CONSOLE_CHILD"
	if os.Getenv(child) != "" {
		tel := setup(t, exporter.WithoutGlobals())
		emit(context.Background(), t, tel)
		mustShutdown(t, tel)
		return
	}
	t.Setenv(child, "1")
	out, err := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"acquire projects", "lock.attempts", `"EventName":"lock.backend_error"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
}

func TestDisabledSDKEmitsNothingAndKeepsThePropagators(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_SDK_DISABLED", "True")
	t.Setenv("OTEL_PROPAGATORS", "baggage")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "not read when disabled")
	tel := setup(t, exporter.WithoutGlobals())

	emit(context.Background(), t, tel)
	if err := tel.ForceFlush(t.Context()); err != nil {
		t.Errorf("ForceFlush: %v", err)
	}
	mustShutdown(t, tel)

	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if enabled(tel.LoggerProvider()) {
		t.Error("the logger is enabled")
	}
	if got := fields(tel.Propagator()); !slices.Equal(got, []string{"baggage"}) {
		t.Errorf("propagator fields are %s", got)
	}
	if tel.Suppress(time.Now(), "a", "t", "timeout") {
		t.Error("suppressed a record without a throttle")
	}
}

func TestPropagatorsOfTheEnvironment(t *testing.T) {
	for value, want := range map[string][]string{
		"":                              {"baggage", "traceparent", "tracestate"},
		"tracecontext":                  {"traceparent", "tracestate"},
		"baggage, tracecontext,baggage": {"baggage", "traceparent", "tracestate"},
		"none":                          nil,
	} {
		t.Run(value, func(t *testing.T) {
			isolate(t)
			t.Setenv("OTEL_SDK_DISABLED", "true")
			t.Setenv("OTEL_PROPAGATORS", value)
			tel := setup(t, exporter.WithoutGlobals())
			if got := fields(tel.Propagator()); !slices.Equal(got, want) {
				t.Errorf("fields %v, want %v", got, want)
			}
		})
	}
}

func fields(p propagation.TextMapPropagator) []string {
	return slices.Sorted(slices.Values(p.Fields()))
}

func TestSamplerOfTheEnvironment(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	tel := setup(t, exporter.WithoutGlobals())
	emit(context.Background(), t, tel)
	mustShutdown(t, tel)
	if len(r.Spans()) != 0 || len(r.Logs()) != 1 {
		t.Errorf("received %d spans and %d log records, want 0 and 1", len(r.Spans()), len(r.Logs()))
	}
}

func TestBatchAndIntervalSettingsOfTheEnvironment(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1")
	t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "1")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
	tel := setup(t, exporter.WithoutGlobals())

	logger := tel.LoggerProvider().Logger(scope)
	for range 3 {
		var rec log.Record
		rec.SetBody(attribute.StringValue("plain"))
		logger.Emit(context.Background(), rec)
	}
	emit(context.Background(), t, tel)

	// Nobody flushes: the intervals alone must bring everything here.
	r.Wait(t, "4 log records, a span and a metric", func() bool {
		return len(r.Logs()) == 4 && len(r.Spans()) == 1 && r.Total("lock.attempts", nil) == 3
	})
	logRequests := 0
	for _, req := range r.Requests() {
		if req.Signal == otlptest.Logs {
			logRequests++
		}
	}
	if logRequests != 4 {
		t.Errorf("4 records came in %d requests, want one each", logRequests)
	}
}

func TestCardinalityLimit(t *testing.T) {
	for value, limit := range map[string]int{"": 10_000, "50": 50} {
		t.Run("OTEL_GO_X_CARDINALITY_LIMIT="+value, func(t *testing.T) {
			isolate(t)
			t.Setenv("OTEL_GO_X_CARDINALITY_LIMIT", value)
			exportNothing(t)
			reader := sdkmetric.NewManualReader()
			tel := setup(t, exporter.WithoutGlobals(), exporter.WithMetricReader(reader))
			counter, err := tel.MeterProvider().Meter(scope).Int64Counter("lock.attempts")
			if err != nil {
				t.Fatal(err)
			}
			for i := range limit + 10 {
				counter.Add(context.Background(), 1, metric.WithAttributes(attribute.Int("i", i)))
			}
			var rm metricdata.ResourceMetrics
			if err := reader.Collect(context.Background(), &rm); err != nil {
				t.Fatal(err)
			}
			points := rm.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints
			overflowed := int64(0)
			for _, p := range points {
				if p.Attributes.HasValue("otel.metric.overflow") {
					overflowed = p.Value
				}
			}
			// One of the series allowed is the overflow's own.
			if len(points) != limit || overflowed != 11 {
				t.Errorf("%d series, %d increments in the overflow; want %d and 11", len(points), overflowed, limit)
			}
		})
	}
}

func TestOwnProcessorsAndReadersStandBesideTheExporters(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	spans := tracetest.NewSpanRecorder()
	records := &recorder{}
	reader := sdkmetric.NewManualReader()
	tel := setup(t, exporter.WithoutGlobals(),
		exporter.WithSpanProcessor(spans), exporter.WithLogProcessor(records), exporter.WithMetricReader(reader),
		exporter.WithSpanProcessor(nil), exporter.WithLogProcessor(nil), exporter.WithMetricReader(nil))

	emit(context.Background(), t, tel)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	mustShutdown(t, tel)

	if len(spans.Ended()) != 1 || len(records.all()) != 1 || len(rm.ScopeMetrics) == 0 {
		t.Errorf("own processors saw %d spans, %d records, %d metric scopes", len(spans.Ended()), len(records.all()), len(rm.ScopeMetrics))
	}
	if len(r.Spans()) != 1 || len(r.Logs()) != 1 || r.Total("lock.attempts", nil) != 3 {
		t.Errorf("the exporters missed something")
	}
	if !records.isShutDown() {
		t.Error("the log processor was not shut down")
	}
}

func TestPrometheusReaderIsReachable(t *testing.T) {
	isolate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_LOGS_EXPORTER", "none")
	t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
	t.Setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")
	t.Setenv("OTEL_EXPORTER_PROMETHEUS_PORT", port)

	if _, err := exporter.Setup(t.Context(), exporter.WithoutGlobals()); err == nil || !strings.Contains(err.Error(), "OTEL_METRICS_EXPORTER") {
		t.Fatalf("Setup on a port in use: %v", err)
	}
	_ = l.Close()
	tel := setup(t, exporter.WithoutGlobals())
	count(context.Background(), t, tel)
	if body := get(t, "http://127.0.0.1:"+port+"/metrics"); !strings.Contains(body, "lock_attempts") {
		t.Errorf("scraped %s", body)
	}
	mustShutdown(t, tel)
}
