package metadata

import (
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
)

func TestNewTelemetryBuilder(t *testing.T) {
	applied := false
	if _, err := NewTelemetryBuilder(componenttest.NewNopTelemetrySettings(), telemetryBuilderOptionFunc(func(*TelemetryBuilder) { applied = true })); err != nil || !applied {
		t.Errorf("error %v, option applied %v", err, applied)
	}
}

func TestProviders(t *testing.T) {
	set := componenttest.NewNopTelemetrySettings()
	if Meter(set) == nil || Tracer(set) == nil {
		t.Error("no meter or no tracer")
	}
}
