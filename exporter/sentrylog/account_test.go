package sentrylog_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

func TestFinishedRecordsAreCountedOnceByOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		defer func() { _ = provider.Shutdown(context.Background()) }()
		fake := &fakeSentry{answer: func(attempt int) envelopetest.Answer {
			switch {
			case attempt == 1:
				return envelopetest.Status(503) // tried again: not counted
			case attempt == 4:
				return envelopetest.Status(403)
			}
			return envelopetest.OK()
		}}
		e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithCap(4, 4), sentrylog.WithMeterProvider(provider))
		for range 6 {
			spotless(t, export(t.Context(), e, backendErrors(1)))
			time.Sleep(time.Second)
		}

		var rm metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		if len(rm.ScopeMetrics) != 1 || len(rm.ScopeMetrics[0].Metrics) != 1 || rm.ScopeMetrics[0].Scope.Name != sentrylog.ScopeName {
			t.Fatalf("metrics: %+v", rm.ScopeMetrics)
		}
		m := rm.ScopeMetrics[0].Metrics[0]
		if m.Name != "otel.sdk.exporter.log.exported" || m.Unit != "{log_record}" {
			t.Errorf("metric %s in %s", m.Name, m.Unit)
		}
		got := map[string]int64{}
		for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
			reason, _ := p.Attributes.Value("error.type")
			got[reason.AsString()] = p.Value
			if kind, _ := p.Attributes.Value("otel.component.type"); kind.AsString() != "github.com/otellock/otellock-go/exporter/sentrylog.Processor" {
				t.Errorf("otel.component.type %q", kind.AsString())
			}
			if address, _ := p.Attributes.Value("server.address"); address.AsString() != "o17.ingest.sentry.example" {
				t.Errorf("server.address %q", address.AsString())
			}
		}
		if len(got) != 3 || got[""] != 3 || got["403"] != 1 || got["event_cap"] != 2 {
			t.Errorf("counted %v, want 3 sent, 1 of 403, 2 of event_cap", got)
		}
	})
}
