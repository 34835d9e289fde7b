package sentrylog

import (
	"context"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	instruments "go.opentelemetry.io/otel/semconv/v1.43.0/otelconv"
)

// ScopeName is the instrumentation scope of the exporter's own metric.
const ScopeName = "github.com/otellock/otellock-go/exporter/sentrylog"

// Version is the version of the instrumentation scope.
const Version = "0.1.0"

// componentType names the type where the conventions have no value for it, as
// they ask.
const componentType = ScopeName + ".Exporter"

var exporterID atomic.Int64

// meter counts finished records by the convention for log exporters of any SDK.
type meter struct {
	exported instruments.SDKExporterLogExported
	base     []attribute.KeyValue
}

func newMeter(provider metric.MeterProvider, address string, port int) (meter, error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	m := meter{base: []attribute.KeyValue{
		otelconv.OTelComponentTypeKey.String(componentType),
		otelconv.OTelComponentName(componentType + "/" + strconv.FormatInt(exporterID.Add(1)-1, 10)),
	}}
	if address != "" {
		m.base = append(m.base, otelconv.ServerAddress(address), otelconv.ServerPort(port))
	}
	var err error
	m.exported, err = instruments.NewSDKExporterLogExported(provider.Meter(ScopeName,
		metric.WithInstrumentationVersion(Version), metric.WithSchemaURL(otelconv.SchemaURL)))
	return m, err
}

func (m meter) sent(ctx context.Context, n int64) {
	if n > 0 {
		m.exported.Add(ctx, n, m.base...)
	}
}

func (m meter) lost(ctx context.Context, n int64, f failure) {
	if n > 0 {
		attrs := append(m.base[:len(m.base):len(m.base)], otelconv.ErrorTypeKey.String(string(f)))
		m.exported.Add(ctx, n, attrs...)
	}
}
