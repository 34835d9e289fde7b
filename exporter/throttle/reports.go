package throttle

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
	"github.com/otellock/otellock-go/semconv/lockconv"
)

// reports is the metric lock.reports. It is an observable counter: the window
// counts anyway, and a synchronous one would cost four times as much as holding
// a record back.
type reports struct {
	window  *window.Window
	options []rowOptions // by the index of a row; grown by the only reader at a time
}

// rowOptions are the attributes of one row, made once.
type rowOptions struct{ emitted, suppressed, overflow []metric.ObserveOption }

func (r *reports) register(mp metric.MeterProvider, w *window.Window) error {
	r.window = w
	var conv lockconv.Reports
	_, err := mp.Meter(ScopeName, metric.WithInstrumentationVersion(Version), metric.WithSchemaURL(semconv.SchemaURL)).
		Int64ObservableCounter(conv.Name(),
			metric.WithDescription(conv.Description()),
			metric.WithUnit(conv.Unit()),
			metric.WithInt64Callback(r.observe))
	if err != nil {
		return fmt.Errorf("throttle: metric %s: %w", conv.Name(), err)
	}
	return nil
}

// observe reports zeros too: a series that is born at 1 never alerts.
func (r *reports) observe(_ context.Context, o metric.Int64Observer) error {
	r.window.Totals(func(i int, t window.Totals) {
		if i == len(r.options) {
			r.options = append(r.options, newRowOptions(t))
		}
		options := &r.options[i]
		o.Observe(toInt64(t.Emitted), options.emitted...)
		o.Observe(toInt64(t.Suppressed), options.suppressed...)
		if t.Target == window.Other {
			o.Observe(toInt64(t.Overflow), options.overflow...)
		}
	})
	return nil
}

func newRowOptions(t window.Totals) rowOptions {
	with := func(result attribute.KeyValue) []metric.ObserveOption {
		return []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(
			semconv.LockActionKey.String(t.Action), semconv.LockTarget(t.Target), result))}
	}
	return rowOptions{
		emitted:    with(semconv.LockReportResultEmitted),
		suppressed: with(semconv.LockReportResultSuppressed),
		overflow:   with(semconv.LockReportResultOverflow),
	}
}
