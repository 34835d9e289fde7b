package e2e

import (
	"context"
	"runtime"
	"strings"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/otellock"
)

// exitingProcessor ends the goroutine that gives it a record.
type exitingProcessor struct{}

func (exitingProcessor) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (exitingProcessor) Shutdown(context.Context) error                         { return nil }
func (exitingProcessor) ForceFlush(context.Context) error                       { return nil }
func (exitingProcessor) OnEmit(context.Context, *sdklog.Record) error           { runtime.Goexit(); return nil }

func TestAProcessorThatExitsBehindTheThrottleCountsAFailureOnce(t *testing.T) {
	tel := newTelemetry()
	held, err := throttle.NewProcessorWith([]throttle.Option{throttle.WithMeterProvider(tel.Meters)}, exitingProcessor{})
	if err != nil {
		t.Fatal(err)
	}
	pipeline := sdklog.NewLoggerProvider(sdklog.WithProcessor(held))
	b := newScripted()
	l, err := otellock.New(b, tel.Options(otellock.WithLoggerProvider(pipeline), otellock.WithThrottle(held))...)
	if err != nil {
		t.Fatal(err)
	}
	b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
	if err := declare(t, l, "projects").Mutex("7").Do(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	var reports int64
	for result, n := range tel.Reports(t) {
		if strings.TrimSpace(result) != "" {
			reports += n
		}
	}
	if reports != 1 {
		t.Errorf("lock.reports counts the failure %d times: %v", reports, tel.Reports(t))
	}
}
