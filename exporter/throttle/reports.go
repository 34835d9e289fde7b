package throttle

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// reports is the metric lock.reports. It is an observable counter: the window
// counts anyway, and a synchronous one would cost four times as much as
// suppressing a record.
type reports struct {
	window *window.Window
	keys   keys

	mu      sync.Mutex   // one collection at a time
	options []rowOptions // by the index of a row
}

// rowOptions are the attributes of one row, made once.
type rowOptions struct{ emitted, suppressed, overflow []metric.ObserveOption }

func registerReports(mp metric.MeterProvider, w *window.Window, k keys) error {
	r := &reports{window: w, keys: k}
	def := semconv.MetricLockReports
	_, err := mp.Meter(ScopeName, metric.WithInstrumentationVersion(Version), metric.WithSchemaURL(semconv.SchemaURL)).
		Int64ObservableCounter(def.Name,
			metric.WithDescription(def.Description),
			metric.WithUnit(def.Unit),
			metric.WithInt64Callback(r.observe))
	if err != nil {
		return fmt.Errorf("throttle: metric %s: %w", def.Name, err)
	}
	return nil
}

// observe reports zeros too: a series that is born at 1 never alerts.
func (r *reports) observe(_ context.Context, o metric.Int64Observer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, t := range r.window.Totals() {
		if i == len(r.options) {
			r.options = append(r.options, r.newRowOptions(t.Key))
		}
		options := &r.options[i]
		o.Observe(toInt64(t.Emitted), options.emitted...)
		o.Observe(toInt64(t.Suppressed), options.suppressed...)
		if t.Key[len(t.Key)-1] == window.Other {
			o.Observe(toInt64(t.Overflow), options.overflow...)
		}
	}
	return nil
}

func (r *reports) newRowOptions(key []string) rowOptions {
	with := func(result attribute.KeyValue) []metric.ObserveOption {
		attrs := []attribute.KeyValue{result}
		for i, name := range r.keys {
			attrs = append(attrs, name.String(key[i]))
		}
		return []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	}
	return rowOptions{
		emitted:    with(semconv.LockReportResultEmitted),
		suppressed: with(semconv.LockReportResultSuppressed),
		overflow:   with(semconv.LockReportResultOverflow),
	}
}
