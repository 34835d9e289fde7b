// Written by hand as mdatagen writes it from metadata.yaml; metadata_test.go holds it to that.

package metadata

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/trace"

	"go.opentelemetry.io/collector/component"
)

func Meter(settings component.TelemetrySettings) metric.Meter {
	return settings.MeterProvider.Meter("github.com/otellock/otellock-go/collector-config/lockthrottleprocessor")
}

func Tracer(settings component.TelemetrySettings) trace.Tracer {
	return settings.TracerProvider.Tracer("github.com/otellock/otellock-go/collector-config/lockthrottleprocessor")
}

// TelemetryBuilder provides an interface for components to report telemetry
// as defined in metadata and user config.
type TelemetryBuilder struct {
	meter                          metric.Meter
	mu                             sync.Mutex
	registrations                  []metric.Registration
	ProcessorLockthrottleKeys      metric.Int64ObservableGauge
	ProcessorLockthrottlePending   metric.Int64ObservableGauge
	ProcessorLockthrottleRecords   metric.Int64Counter
	ProcessorLockthrottleSummaries metric.Int64Counter
}

// TelemetryBuilderOption applies changes to default builder.
type TelemetryBuilderOption interface {
	apply(*TelemetryBuilder)
}

type telemetryBuilderOptionFunc func(mb *TelemetryBuilder)

func (tbof telemetryBuilderOptionFunc) apply(mb *TelemetryBuilder) {
	tbof(mb)
}

// RegisterProcessorLockthrottleKeysCallback sets callback for observable ProcessorLockthrottleKeys metric.
func (builder *TelemetryBuilder) RegisterProcessorLockthrottleKeysCallback(cb metric.Int64Callback) error {
	reg, err := builder.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		cb(ctx, &observerInt64{inst: builder.ProcessorLockthrottleKeys, obs: o})
		return nil
	}, builder.ProcessorLockthrottleKeys)
	if err != nil {
		return err
	}
	builder.mu.Lock()
	defer builder.mu.Unlock()
	builder.registrations = append(builder.registrations, reg)
	return nil
}

// RegisterProcessorLockthrottlePendingCallback sets callback for observable ProcessorLockthrottlePending metric.
func (builder *TelemetryBuilder) RegisterProcessorLockthrottlePendingCallback(cb metric.Int64Callback) error {
	reg, err := builder.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		cb(ctx, &observerInt64{inst: builder.ProcessorLockthrottlePending, obs: o})
		return nil
	}, builder.ProcessorLockthrottlePending)
	if err != nil {
		return err
	}
	builder.mu.Lock()
	defer builder.mu.Unlock()
	builder.registrations = append(builder.registrations, reg)
	return nil
}

type observerInt64 struct {
	embedded.Int64Observer
	inst metric.Int64Observable
	obs  metric.Observer
}

func (oi *observerInt64) Observe(value int64, opts ...metric.ObserveOption) {
	oi.obs.ObserveInt64(oi.inst, value, opts...)
}

// Shutdown unregister all registered callbacks for async instruments.
func (builder *TelemetryBuilder) Shutdown() {
	builder.mu.Lock()
	defer builder.mu.Unlock()
	for _, reg := range builder.registrations {
		reg.Unregister()
	}
}

// NewTelemetryBuilder provides a struct with methods to update all internal telemetry
// for a component
func NewTelemetryBuilder(settings component.TelemetrySettings, options ...TelemetryBuilderOption) (*TelemetryBuilder, error) {
	builder := TelemetryBuilder{}
	for _, op := range options {
		op.apply(&builder)
	}
	builder.meter = Meter(settings)
	var err, errs error
	builder.ProcessorLockthrottleKeys, err = builder.meter.Int64ObservableGauge(
		"otelcol_processor_lockthrottle_keys",
		metric.WithDescription("Number of keys that have a window of their own. At max_keys, further ones share one window. [Development]"),
		metric.WithUnit("{key}"),
	)
	errs = errors.Join(errs, err)
	builder.ProcessorLockthrottlePending, err = builder.meter.Int64ObservableGauge(
		"otelcol_processor_lockthrottle_pending",
		metric.WithDescription("Number of suppressed records that no record or summary has carried yet. A process that is killed loses them. [Development]"),
		metric.WithUnit("{record}"),
	)
	errs = errors.Join(errs, err)
	builder.ProcessorLockthrottleRecords, err = builder.meter.Int64Counter(
		"otelcol_processor_lockthrottle_records",
		metric.WithDescription("Number of records that the processor decided about. One that the next component did not take is carried by the next of its key. [Development]"),
		metric.WithUnit("{record}"),
	)
	errs = errors.Join(errs, err)
	builder.ProcessorLockthrottleSummaries, err = builder.meter.Int64Counter(
		"otelcol_processor_lockthrottle_summaries",
		metric.WithDescription("Number of summaries that the next component took. [Development]"),
		metric.WithUnit("{record}"),
	)
	errs = errors.Join(errs, err)
	return &builder, errs
}
