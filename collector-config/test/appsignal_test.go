package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/internal/otlptest"
)

func TestAppSignalGetsItsKeyAndNobodyElseDoes(t *testing.T) {
	const key = "0b5e7f00-push-key"
	appsignal, other := otlptest.Start(t), otlptest.Start(t)
	c := startCollector(t, []string{"base", "gateway", "output-appsignal", "output-otlp"}, map[string]string{
		"APPSIGNAL_ENDPOINT": appsignal.Endpoint(), "APPSIGNAL_PUSH_API_KEY": key,
		"BACKEND_OTLP_ENDPOINT": other.Endpoint(), "BACKEND_OTLP_AUTHORIZATION": "none",
	})
	s := newSender(t, c.http, attribute.String("service.name", "shop"), attribute.String("service.version", "1.4.2"),
		attribute.String("deployment.environment.name", "staging"), attribute.String("telemetry.sdk.language", "go"))
	counter, err := s.metrics.Meter("appsignal").Int64Counter("sent.total")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1)
	s.flushMetrics(t)
	ctx, span := s.spans.Tracer("appsignal").Start(t.Context(), "acquire projects")
	span.End()
	s.logs.Logger("appsignal").Emit(ctx, warning())

	for name, r := range map[string]*otlptest.Receiver{"AppSignal": appsignal, "the other": other} {
		eventually(t, 30*time.Second, name+" has one of each signal", func() error {
			if spans, records, metric := len(r.Spans()), len(r.Logs()), r.Total("sent.total", nil); spans == 0 || records == 0 || metric == 0 {
				return fmt.Errorf("%d spans, %d records, a counter of %v", spans, records, metric)
			}
			return nil
		})
	}
	metric, _ := appsignal.LastMetric("sent.total")
	for signal, resource := range map[string]map[string]any{
		"spans":   otlptest.Attrs(appsignal.Spans()[0].Resource.GetAttributes()),
		"records": otlptest.Attrs(appsignal.Logs()[0].Resource.GetAttributes()),
		"metrics": otlptest.Attrs(metric.Resource.GetAttributes()),
	} {
		for name, want := range map[string]any{
			"push_api_key": key, "name": "shop", "environment": "staging", "revision": "1.4.2", "language_integration": "golang", "app_path": "/",
		} {
			if got := resource["appsignal.config."+name]; got != want {
				t.Errorf("%s: appsignal.config.%s is %v, want %v", signal, name, got, want)
			}
		}
	}
	if other.Contains(key) {
		t.Error("the other output has AppSignal's key")
	}
	if strings.Contains(c.output(), key) {
		t.Error("the Collector's log has AppSignal's key")
	}
}
