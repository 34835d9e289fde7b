// Ownsdk sets OpenTelemetry up by hand instead of by package exporter, and keeps
// the promise of one warning a minute: the throttle stands before the exporters of
// the log pipeline, and the locker knows it.
//
//	go run ./examples/ownsdk    # 1,000 failures, one warning, and a summary
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ownsdk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	// Add readers and span processors of your own: OTLP, Prometheus.
	tracers := sdktrace.NewTracerProvider()
	meters := sdkmetric.NewMeterProvider()

	export, err := stdoutlog.New(stdoutlog.WithWriter(out))
	if err != nil {
		return err
	}
	// All exporters in one call: those registered beside the throttle would get
	// every record.
	throttled, err := throttle.NewProcessorWith([]throttle.Option{throttle.WithMeterProvider(meters)},
		sdklog.NewBatchProcessor(export))
	if err != nil {
		return err
	}
	loggers := sdklog.NewLoggerProvider(sdklog.WithProcessor(throttled))
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, loggers.Shutdown(ctx), tracers.Shutdown(ctx), meters.Shutdown(ctx))
	}()

	backend := memorybackend.New()
	backend.Fail(errors.New("away")) // an outage, for this example
	locker, err := otellock.New(backend, otellock.WithThrottle(throttled),
		otellock.WithTracerProvider(tracers), otellock.WithMeterProvider(meters), otellock.WithLoggerProvider(loggers))
	if err != nil {
		return err
	}
	orders, err := locker.Target("orders", "lock:orders:*")
	if err != nil {
		return err
	}
	for i := range 1000 {
		if err := orders.Mutex(fmt.Sprint(i)).Do(ctx, func(context.Context) error { return nil }); err != nil {
			return err
		}
	}
	backend.Fail(nil) // it is over
	return locker.Close(ctx)
}
