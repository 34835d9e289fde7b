package lockthrottleprocessor // import "github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/collector-config/lockthrottleprocessor/internal/metadata"
	"github.com/otellock/otellock-go/internal/window"
)

// telemetry is what the processor says of itself.
type telemetry struct {
	builder                         *metadata.TelemetryBuilder
	resultEmitted, resultSuppressed metric.AddOption
	resultFailed                    metric.AddOption
}

func newTelemetry(set component.TelemetrySettings, w *window.Window) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, err
	}
	result := func(value string) metric.AddOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", value)))
	}
	err = errors.Join(
		builder.RegisterProcessorLockthrottleKeysCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(w.Keys()))
			return nil
		}),
		builder.RegisterProcessorLockthrottlePendingCallback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(w.Pending()))
			return nil
		}),
	)
	return &telemetry{
		builder: builder, resultEmitted: result("emitted"), resultSuppressed: result("suppressed"), resultFailed: result("failed"),
	}, err
}

func (t *telemetry) emitted(ctx context.Context, n int64)    { t.add(ctx, n, t.resultEmitted) }
func (t *telemetry) suppressed(ctx context.Context, n int64) { t.add(ctx, n, t.resultSuppressed) }
func (t *telemetry) failed(ctx context.Context, n int64)     { t.add(ctx, n, t.resultFailed) }

func (t *telemetry) add(ctx context.Context, n int64, result metric.AddOption) {
	if n > 0 {
		t.builder.ProcessorLockthrottleRecords.Add(ctx, n, result)
	}
}

func (t *telemetry) summarized() {
	t.builder.ProcessorLockthrottleSummaries.Add(context.Background(), 1)
}

func (t *telemetry) shutdown() { t.builder.Shutdown() }
