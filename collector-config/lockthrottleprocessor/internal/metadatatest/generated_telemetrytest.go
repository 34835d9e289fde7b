// Written by hand as mdatagen writes it from metadata.yaml; metadata_test.go holds it to that.

// Package metadatatest helps tests to look at the component's own telemetry.
package metadatatest

import (
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
)

type points = []metricdata.DataPoint[int64]

// NewSettings returns the settings of a processor whose telemetry is tt's.
func NewSettings(tt *componenttest.Telemetry) processor.Settings {
	set := processortest.NewNopSettings(processortest.NopType)
	set.ID = component.NewID(component.MustNewType("lockthrottle"))
	set.TelemetrySettings = tt.NewTelemetrySettings()
	return set
}

// AssertEqualProcessorLockthrottleKeys compares the metric with data points.
func AssertEqualProcessorLockthrottleKeys(t *testing.T, tt *componenttest.Telemetry, dps points, opts ...metricdatatest.Option) {
	t.Helper()
	assertEqual(t, tt, "otelcol_processor_lockthrottle_keys", "{key}",
		"Number of keys that have a window of their own. At max_keys, further ones share one window. [Development]",
		metricdata.Gauge[int64]{DataPoints: dps}, opts)
}

// AssertEqualProcessorLockthrottlePending compares the metric with data points.
func AssertEqualProcessorLockthrottlePending(t *testing.T, tt *componenttest.Telemetry, dps points, opts ...metricdatatest.Option) {
	t.Helper()
	assertEqual(t, tt, "otelcol_processor_lockthrottle_pending", "{record}",
		"Number of suppressed records that no record or summary has carried yet. A process that is killed loses them. [Development]",
		metricdata.Gauge[int64]{DataPoints: dps}, opts)
}

// AssertEqualProcessorLockthrottleRecords compares the metric with data points.
func AssertEqualProcessorLockthrottleRecords(t *testing.T, tt *componenttest.Telemetry, dps points, opts ...metricdatatest.Option) {
	t.Helper()
	assertEqual(t, tt, "otelcol_processor_lockthrottle_records", "{record}",
		"Number of records that the processor decided about. One that the next component did not take is carried by the next of its key. [Development]",
		sum(dps), opts)
}

// AssertEqualProcessorLockthrottleSummaries compares the metric with data points.
func AssertEqualProcessorLockthrottleSummaries(t *testing.T, tt *componenttest.Telemetry, dps points, opts ...metricdatatest.Option) {
	t.Helper()
	assertEqual(t, tt, "otelcol_processor_lockthrottle_summaries", "{record}",
		"Number of summaries that the next component took. [Development]", sum(dps), opts)
}

func sum(dps points) metricdata.Aggregation {
	return metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: dps}
}

func assertEqual(t *testing.T, tt *componenttest.Telemetry, name, unit, description string, data metricdata.Aggregation, opts []metricdatatest.Option) {
	t.Helper()
	got, err := tt.GetMetric(name)
	if err != nil {
		t.Fatal(err)
	}
	metricdatatest.AssertEqual(t, metricdata.Metrics{Name: name, Description: description, Unit: unit, Data: data}, got, opts...)
}
