package throttle

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// registerReports makes the metric lock.reports. It is an observable counter: the
// window counts anyway, and a synchronous one would cost four times as much as
// suppressing a record.
func (p *Processor) registerReports(mp metric.MeterProvider) error {
	def := semconv.MetricLockReports
	_, err := mp.Meter(ScopeName, metric.WithInstrumentationVersion(Version), metric.WithSchemaURL(semconv.SchemaURL)).
		Int64ObservableCounter(def.Name, metric.WithDescription(def.Description), metric.WithUnit(def.Unit),
			metric.WithInt64Callback(p.observeReports))
	if err != nil {
		return fmt.Errorf("throttle: metric %s: %w", def.Name, err)
	}
	return nil
}

// observeReports reports zeros too: a series that is born at 1 never alerts.
func (p *Processor) observeReports(_ context.Context, o metric.Int64Observer) error {
	for _, t := range p.window.Totals() {
		observe := func(n uint64, result attribute.KeyValue) {
			o.Observe(int64(n), metric.WithAttributes(append(p.attributes(t.Key), result)...))
		}
		observe(t.Emitted, semconv.LockReportResultEmitted)
		observe(t.Suppressed, semconv.LockReportResultSuppressed)
		if t.Key[len(t.Key)-1] == window.Other {
			observe(t.Overflow, semconv.LockReportResultOverflow)
		}
	}
	return nil
}
