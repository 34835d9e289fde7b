// Written by hand in the form of mdatagen, from metadata.yaml.

package metadatatest

import (
	"context"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otellock/otellock-go/collector-config/sentryissueexporter/internal/metadata"
)

func TestSetupTelemetry(t *testing.T) {
	testTel := componenttest.NewTelemetry()
	tb, err := metadata.NewTelemetryBuilder(testTel.NewTelemetrySettings())
	if err != nil {
		t.Fatal(err)
	}
	tb.ExporterSentryissueEvents.Add(context.Background(), 1)
	tb.ExporterSentryissueRateLimits.Add(context.Background(), 1)
	AssertEqualExporterSentryissueEvents(t, testTel, []metricdata.DataPoint[int64]{{Value: 1}}, metricdatatest.IgnoreTimestamp())
	AssertEqualExporterSentryissueRateLimits(t, testTel, []metricdata.DataPoint[int64]{{Value: 1}}, metricdatatest.IgnoreTimestamp())
	if err := testTel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
