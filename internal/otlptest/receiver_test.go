package otlptest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/internal/otlptest"
)

// client sends one of each signal over one protocol.
type client struct {
	spans   sdktrace.SpanExporter
	metrics sdkmetric.Exporter
	logs    sdklog.Exporter
}

// newClient retries nothing, so that each call shows one answer.
func newClient(t *testing.T, r *otlptest.Receiver, protocol string) client {
	t.Helper()
	var c client
	var errs [3]error
	ctx := t.Context()
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	switch protocol {
	case "grpc":
		c.spans, errs[0] = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(r.GRPCEndpoint()),
			otlptracegrpc.WithHeaders(map[string]string{"x-key": "header-value"}), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
		c.metrics, errs[1] = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(r.GRPCEndpoint()), otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}))
		c.logs, errs[2] = otlploggrpc.New(ctx, otlploggrpc.WithEndpointURL(r.GRPCEndpoint()), otlploggrpc.WithRetry(otlploggrpc.RetryConfig{}))
	default:
		c.spans, errs[0] = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(r.Endpoint()+"/v1/traces"),
			otlptracehttp.WithHeaders(map[string]string{"x-key": "header-value"}), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
		c.metrics, errs[1] = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(r.Endpoint()+"/v1/metrics"), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
		c.logs, errs[2] = otlploghttp.New(ctx, otlploghttp.WithEndpointURL(r.Endpoint()+"/v1/logs"), otlploghttp.WithRetry(otlploghttp.RetryConfig{}))
	}
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(c.spans.Shutdown(ctx), c.metrics.Shutdown(ctx), c.logs.Shutdown(ctx)); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c client) sendSpan(ctx context.Context) error {
	var exported error
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spanExporterFunc(func(spans []sdktrace.ReadOnlySpan) {
		exported = c.spans.ExportSpans(ctx, spans)
	})))
	_, span := p.Tracer("scope").Start(context.Background(), "a span")
	span.SetAttributes(attribute.StringSlice("list", []string{"x", "y"}), attribute.Bool("yes", true), attribute.Float64("half", .5))
	span.End()
	return exported
}

func (c client) sendMetric(ctx context.Context) error {
	reader := sdkmetric.NewPeriodicReader(c.metrics)
	p := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	m := p.Meter("scope")
	count, _ := m.Int64Counter("a.count")
	count.Add(ctx, 2, metric.WithAttributes(attribute.String("k", "v1")))
	count.Add(ctx, 3, metric.WithAttributes(attribute.String("k", "v2")))
	seconds, _ := m.Float64Histogram("a.histogram")
	seconds.Record(ctx, 1.5)
	seconds.Record(ctx, 2.5)
	return p.ForceFlush(ctx)
}

func (c client) sendLog(ctx context.Context) error {
	var exported error
	p := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(logExporterFunc(func(records []sdklog.Record) {
		exported = c.logs.Export(ctx, records)
	}))))
	var rec log.Record
	rec.SetEventName("an.event")
	rec.AddAttributes(attribute.Int("n", 7))
	p.Logger("scope").Emit(context.Background(), rec)
	return exported
}

type spanExporterFunc func([]sdktrace.ReadOnlySpan)

func (f spanExporterFunc) ExportSpans(_ context.Context, s []sdktrace.ReadOnlySpan) error {
	f(s)
	return nil
}

func (spanExporterFunc) Shutdown(context.Context) error { return nil }

type logExporterFunc func([]sdklog.Record)

func (f logExporterFunc) Export(_ context.Context, r []sdklog.Record) error {
	f(r)
	return nil
}

func (logExporterFunc) Shutdown(context.Context) error { return nil }

func (logExporterFunc) ForceFlush(context.Context) error { return nil }

func eachProtocol(t *testing.T, run func(*testing.T, *otlptest.Receiver, client)) {
	t.Helper()
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			r := otlptest.Start(t)
			run(t, r, newClient(t, r, protocol))
		})
	}
}

func TestEverySignalIsKeptAsSent(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *otlptest.Receiver, c client) {
		ctx := t.Context()
		if err := errors.Join(c.sendSpan(ctx), c.sendMetric(ctx), c.sendLog(ctx)); err != nil {
			t.Fatal(err)
		}
		spans := r.SpansNamed("a span")
		if len(spans) != 1 || len(spans[0].TraceIDHex()) != 32 || len(spans[0].SpanIDHex()) != 16 {
			t.Fatalf("spans are %v", spans)
		}
		list, _ := spans[0].Attr("list").([]any)
		if len(list) != 2 || list[1] != "y" || spans[0].Attr("yes") != true || spans[0].Attr("half") != .5 || spans[0].Attr("absent") != nil {
			t.Errorf("attributes are %v", spans[0].GetAttributes())
		}
		if spans[0].Scope.GetName() != "scope" || otlptest.Attr(spans[0].Resource.GetAttributes(), "telemetry.sdk.language") != "go" {
			t.Errorf("scope %v, resource %v", spans[0].Scope, spans[0].Resource)
		}
		logs := r.LogsNamed("an.event")
		if len(logs) != 1 || logs[0].Attr("n") != int64(7) || logs[0].TraceIDHex() != "" {
			t.Errorf("logs are %v", logs)
		}
		if len(r.LogsNamed("")) != 0 || len(r.SpansNamed("other")) != 0 {
			t.Error("a name selects what does not have it")
		}
		for name, want := range map[string]float64{"a.count": 5, "a.histogram": 2, "absent": 0} {
			if got := r.Total(name, nil); got != want {
				t.Errorf("%s totals %v, want %v", name, got, want)
			}
		}
		if got := r.Total("a.count", map[string]string{"k": "v2"}); got != 3 {
			t.Errorf("the points with k=v2 total %v, want 3", got)
		}
		for _, text := range []string{"a span", "a.count", "an.event", "header-value"} {
			if !r.Contains(text) {
				t.Errorf("%q is not among the bytes received", text)
			}
		}
		if r.Contains("was never sent") {
			t.Error("Contains finds what was never sent")
		}
		r.Reset()
		if len(r.Requests())+len(r.Spans())+len(r.Logs())+len(r.Metrics()) != 0 || r.Contains("a span") {
			t.Error("Reset left something")
		}
	})
}

func TestFailedRequestsAreSearchableButNotAccepted(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *otlptest.Receiver, c client) {
		r.Fail(http.StatusBadRequest, otlptest.Traces)
		if err := c.sendSpan(t.Context()); err == nil {
			t.Error("the client had no error")
		}
		if err := c.sendLog(t.Context()); err != nil {
			t.Errorf("another signal failed: %v", err)
		}
		if len(r.Spans()) != 0 || !r.Contains("a span") {
			t.Errorf("%d spans accepted, bytes kept: %v", len(r.Spans()), r.Contains("a span"))
		}
		r.Accept()
		if err := c.sendSpan(t.Context()); err != nil || len(r.Spans()) != 1 {
			t.Errorf("after Accept: %v, %d spans", err, len(r.Spans()))
		}
	})
}

func TestHangingRequestsEndWithTheClientOrWithAccept(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *otlptest.Receiver, c client) {
		r.Hang(otlptest.Logs)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- c.sendLog(ctx) }()
		r.Wait(t, "the request", func() bool { return len(r.Requests()) == 1 })
		cancel()
		if err := <-gone; err == nil {
			t.Error("a cancelled client had no error")
		}

		answered := make(chan error, 1)
		go func() { answered <- c.sendLog(t.Context()) }()
		r.Wait(t, "the next request", func() bool { return len(r.Requests()) == 2 })
		select {
		case err := <-answered:
			t.Fatalf("it was answered while hanging: %v", err)
		default:
		}
		r.Accept(otlptest.Logs)
		if err := <-answered; err != nil || len(r.Logs()) != 1 {
			t.Errorf("after Accept: %v, %d records", err, len(r.Logs()))
		}
	})
}

func TestRefusedUntilListening(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *otlptest.Receiver, c client) {
		endpoint := r.Endpoint()
		r.Refuse()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := c.sendLog(ctx); err == nil {
			t.Error("the client had no error")
		}
		r.Listen(t)
		if r.Endpoint() != endpoint {
			t.Errorf("listens on %s, was %s", r.Endpoint(), endpoint)
		}
		deadline, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		for c.sendLog(deadline) != nil { // gRPC backs off before it dials again
			if deadline.Err() != nil {
				t.Fatal("not reachable again")
			}
		}
		if len(r.Logs()) != 1 {
			t.Errorf("%d records", len(r.Logs()))
		}
	})
}

func TestWhatIsNotOTLPIsRejected(t *testing.T) {
	r := otlptest.Start(t)
	for path, want := range map[string]int{"/v1/profiles": http.StatusNotFound, "/v1/logs": http.StatusBadRequest} {
		resp, err := http.Post(r.Endpoint()+path, "application/x-protobuf", strings.NewReader("not protobuf"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s answered %d, want %d", path, resp.StatusCode, want)
		}
	}
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests kept", n)
	}
}
