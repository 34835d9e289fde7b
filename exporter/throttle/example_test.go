package throttle_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// One Processor stands before everything that exports.
func ExampleNewProcessor() {
	export := sdklog.NewSimpleProcessor(printer{}) // in production a BatchProcessor
	throttled, err := throttle.NewProcessor(export)
	if err != nil {
		panic(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(throttled))

	logger := slog.New(otelslog.NewHandler("app", otelslog.WithLoggerProvider(provider)))
	for range 10_000 { // Redis is down
		logger.Warn("lock backend failed", "lock.action", "backend_error", "lock.target", "projects", "error.type", "timeout")
	}
	logger.Error("not the throttle's business")

	// The others come out with the next record, a minute after the last of
	// them, or here.
	if err := provider.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// WARN lock backend failed, held back before it: 0
	// ERROR not the throttle's business
	// INFO repeated warnings suppressed: backend_error, projects, held back before it: 9999
}

// A caller that asks first does not build records in vain.
func ExampleProcessor_Suppress() {
	p, err := throttle.NewProcessor(sdklog.NewSimpleProcessor(printer{}))
	if err != nil {
		panic(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(p))
	logger := slog.New(otelslog.NewHandler("app", otelslog.WithLoggerProvider(provider)))

	for range 10_000 {
		if p.Suppress(time.Now(), "backend_error", "projects", "timeout") {
			continue // counted
		}
		logger.Warn("lock backend failed", "lock.action", "backend_error", "lock.target", "projects", "error.type", "timeout")
	}
	fmt.Println("pending:", p.Pending())
	// Output:
	// WARN lock backend failed, held back before it: 0
	// pending: 9999
}

// printer is an exporter that prints.
type printer struct{}

func (printer) Export(_ context.Context, records []sdklog.Record) error {
	for _, r := range records {
		fmt.Print(r.SeverityText(), " ", r.Body().AsString())
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			if kv.Key == "lock.report.suppressed_count" {
				fmt.Print(", held back before it: ", kv.Value.AsInt64())
			}
			return true
		})
		fmt.Println()
	}
	return nil
}
func (printer) Shutdown(context.Context) error   { return nil }
func (printer) ForceFlush(context.Context) error { return nil }
