package metadatatest

import (
	"context"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otellock/otellock-go/collector-config/lockthrottleprocessor/internal/metadata"
)

func TestSetupTelemetry(t *testing.T) {
	tt := componenttest.NewTelemetry()
	tb, err := metadata.NewTelemetryBuilder(NewSettings(tt).TelemetrySettings)
	if err != nil {
		t.Fatal(err)
	}
	defer tb.Shutdown()
	observe := func(n int64) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error { o.Observe(n); return nil }
	}
	if err := tb.RegisterProcessorLockthrottleKeysCallback(observe(1)); err != nil {
		t.Fatal(err)
	}
	if err := tb.RegisterProcessorLockthrottlePendingCallback(observe(2)); err != nil {
		t.Fatal(err)
	}
	tb.ProcessorLockthrottleRecords.Add(context.Background(), 3)
	tb.ProcessorLockthrottleSummaries.Add(context.Background(), 4)
	ignore := metricdatatest.IgnoreTimestamp()
	AssertEqualProcessorLockthrottleKeys(t, tt, points{{Value: 1}}, ignore)
	AssertEqualProcessorLockthrottlePending(t, tt, points{{Value: 2}}, ignore)
	AssertEqualProcessorLockthrottleRecords(t, tt, points{{Value: 3}}, ignore)
	AssertEqualProcessorLockthrottleSummaries(t, tt, points{{Value: 4}}, ignore)
	if err := tt.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
