// Written by hand in the form of mdatagen, from metadata.yaml.

package metadata

import (
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/metric"
)

// Meter returns the component's meter.
func Meter(settings component.TelemetrySettings) metric.Meter {
	return settings.MeterProvider.Meter(ScopeName)
}

// TelemetryBuilder holds the component's own instruments.
type TelemetryBuilder struct {
	ExporterSentryissueEvents     metric.Int64Counter
	ExporterSentryissueRateLimits metric.Int64Counter
}

// NewTelemetryBuilder creates the instruments.
func NewTelemetryBuilder(settings component.TelemetrySettings) (*TelemetryBuilder, error) {
	var builder TelemetryBuilder
	var err, errs error
	meter := Meter(settings)
	builder.ExporterSentryissueEvents, err = meter.Int64Counter(
		"otelcol_exporter_sentryissue_events",
		metric.WithDescription("Number of log records whose event was sent to Sentry, or given up. [Development]"),
		metric.WithUnit("{event}"),
	)
	errs = errors.Join(errs, err)
	builder.ExporterSentryissueRateLimits, err = meter.Int64Counter(
		"otelcol_exporter_sentryissue_rate_limits",
		metric.WithDescription("Number of answers by which Sentry asked to be left alone for a while. [Development]"),
		metric.WithUnit("{response}"),
	)
	errs = errors.Join(errs, err)
	return &builder, errs
}
