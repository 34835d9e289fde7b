// Written by hand in the form of mdatagen, from metadata.yaml.

// Package metadatatest helps tests to look at the component's own telemetry.
package metadatatest

import (
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
)

// NewSettings returns the settings of an exporter whose telemetry is tt's.
func NewSettings(tt *componenttest.Telemetry) exporter.Settings {
	set := exportertest.NewNopSettings(exportertest.NopType)
	set.ID = component.NewID(component.MustNewType("sentryissue"))
	set.TelemetrySettings = tt.NewTelemetrySettings()
	return set
}

// AssertEqualExporterSentryissueEvents compares the metric with data points.
func AssertEqualExporterSentryissueEvents(t *testing.T, tt *componenttest.Telemetry, dps []metricdata.DataPoint[int64], opts ...metricdatatest.Option) {
	t.Helper()
	assertEqualCounter(t, tt, metricdata.Metrics{
		Name:        "otelcol_exporter_sentryissue_events",
		Description: "Number of log records whose event was sent to Sentry, or given up. [Development]",
		Unit:        "{event}",
	}, dps, opts)
}

// AssertEqualExporterSentryissueRateLimits compares the metric with data points.
func AssertEqualExporterSentryissueRateLimits(t *testing.T, tt *componenttest.Telemetry, dps []metricdata.DataPoint[int64], opts ...metricdatatest.Option) {
	t.Helper()
	assertEqualCounter(t, tt, metricdata.Metrics{
		Name:        "otelcol_exporter_sentryissue_rate_limits",
		Description: "Number of answers by which Sentry asked to be left alone for a while. [Development]",
		Unit:        "{response}",
	}, dps, opts)
}

func assertEqualCounter(t *testing.T, tt *componenttest.Telemetry, want metricdata.Metrics, dps []metricdata.DataPoint[int64], opts []metricdatatest.Option) {
	t.Helper()
	want.Data = metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: dps}
	got, err := tt.GetMetric(want.Name)
	if err != nil {
		t.Fatal(err)
	}
	metricdatatest.AssertEqual(t, want, got, opts...)
}
