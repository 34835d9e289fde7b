package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/semconv"
)

// telemetry is an OpenTelemetry SDK that prints the warnings and keeps the metrics.
type telemetry struct {
	tracers *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
	loggers *sdklog.LoggerProvider
	reader  *sdkmetric.ManualReader
}

func newTelemetry(out io.Writer) (*telemetry, error) {
	throttled, err := throttle.NewProcessor(sdklog.NewSimpleProcessor(printer{out}))
	if err != nil {
		return nil, err
	}
	reader := sdkmetric.NewManualReader()
	return &telemetry{
		tracers: sdktrace.NewTracerProvider(),
		meters:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		loggers: sdklog.NewLoggerProvider(sdklog.WithProcessor(throttled)),
		reader:  reader,
	}, nil
}

// options are what a wrapped lock is given: where it emits to, and its target.
func (t *telemetry) options(target, pattern string) []observe.Option {
	return []observe.Option{
		observe.WithTracerProvider(t.tracers), observe.WithMeterProvider(t.meters), observe.WithLoggerProvider(t.loggers),
		observe.WithTarget(target, pattern),
	}
}

// shutdown prints the summaries of the warnings that were suppressed.
func (t *telemetry) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return t.loggers.Shutdown(ctx)
}

// table prints what is counted for each lock, and fails where a lock has told nothing
// of the outage.
func (t *telemetry) table(ctx context.Context, out io.Writer, locks []lock) error {
	var metrics metricdata.ResourceMetrics
	if err := t.reader.Collect(ctx, &metrics); err != nil {
		return err
	}
	counts := map[string]map[string]int64{} // by target and operation/outcome
	types := map[string][]string{}
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == semconv.MetricLockAttempts.Name {
				for _, p := range sum.DataPoints {
					target := text(p.Attributes, semconv.LockTargetKey)
					if counts[target] == nil {
						counts[target] = map[string]int64{}
					}
					counts[target][text(p.Attributes, semconv.LockOutcomeKey)] += p.Value
					if errorType := text(p.Attributes, semconv.ErrorTypeKey); p.Value > 0 && errorType != "" && !slices.Contains(types[target], errorType) {
						types[target] = append(types[target], errorType)
					}
				}
			}
		}
	}
	columns := []string{"acquired", "contended", "canceled", "backend_error", "released", "release_error"}
	fmt.Fprintf(out, "   %-12s", "")
	for _, column := range columns {
		fmt.Fprintf(out, "%*s", len(column)+2, column)
	}
	fmt.Fprintln(out)
	for _, l := range locks {
		fmt.Fprintf(out, "   %-12s", l.name)
		for _, column := range columns {
			fmt.Fprintf(out, "%*d", len(column)+2, counts[l.name][column])
		}
		slices.Sort(types[l.name])
		fmt.Fprintf(out, "\n   %-12s  %s\n", "", strings.Join(types[l.name], ", "))
		if c := counts[l.name]; c["acquired"] == 0 || c["backend_error"] == 0 {
			return fmt.Errorf("%s has not told of the outage", l.name)
		}
	}
	return nil
}

func text(set attribute.Set, key attribute.Key) string {
	value, _ := set.Value(key)
	return value.AsString()
}

// lines writes one line at a time: warnings arrive while the rest is printed.
type lines struct {
	mu sync.Mutex
	io.Writer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Writer.Write(b)
}

// A printer prints each record as a line.
type printer struct{ io.Writer }

func (p printer) Export(_ context.Context, records []sdklog.Record) error {
	for _, r := range records {
		attrs := map[attribute.Key]string{}
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			attrs[kv.Key] = kv.Value.String()
			return true
		})
		level, detail := "WARN", attrs[semconv.ErrorTypeKey]
		if r.Severity() < log.SeverityWarn { // the summary
			level, detail = "INFO", attrs[semconv.LockReportSuppressedCountKey]
		}
		fmt.Fprintf(p, "   %s %s  %s\n", level, r.Body().AsString(), detail)
	}
	return nil
}

func (p printer) ForceFlush(context.Context) error { return nil }
func (p printer) Shutdown(context.Context) error   { return nil }
