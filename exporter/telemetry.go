package exporter

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/exporter/internal/parallel"
	"github.com/otellock/otellock-go/exporter/throttle"
)

// patience is how long metrics wait for logs at most, and never longer than half of
// the time left until the context's deadline.
const patience = 5 * time.Second

// reserve is the longest part of a Shutdown's time that is kept for saying what was
// lost.
const reserve = 100 * time.Millisecond

// Telemetry is what [Setup] has built. Its methods are safe for concurrent use.
type Telemetry struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	loggers    log.LoggerProvider
	propagator propagation.TextMapPropagator
	throttle   *throttle.Processor // nil when log records go nowhere
	logRoute   *route              // nil without an exporter of log records

	traces, metrics, logs signal                  // empty with OTEL_SDK_DISABLED
	end                   context.CancelCauseFunc // ends exports that are under way

	stopping atomic.Bool
	stopped  chan struct{} // closed once stopErr is set
	stopErr  error
}

// signal is the provider of a signal, and the processor behind it if any.
type signal struct{ provider, processor processor }

func (s signal) shutdown(ctx context.Context) error {
	err := s.provider.Shutdown(ctx) // first, so that nothing comes late
	if s.processor != nil && ctx.Err() != nil {
		// A provider that finds ctx ended leaves its processors running.
		err = errors.Join(err, s.processor.Shutdown(ctx))
	}
	return err
}

// TracerProvider returns the provider of spans. Like the other providers it does
// nothing when OTEL_SDK_DISABLED is true and after [Telemetry.Shutdown].
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.tracers }

// MeterProvider returns the provider of metrics.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.meters }

// LoggerProvider returns the provider of log records. Its loggers report that they
// are not enabled when records go nowhere, so that a lock's warnings go to the
// console instead.
func (t *Telemetry) LoggerProvider() log.LoggerProvider { return t.loggers }

// Propagator returns what OTEL_PROPAGATORS names: W3C trace context and
// baggage by default.
func (t *Telemetry) Propagator() propagation.TextMapPropagator { return t.propagator }

// Suppress reports whether the throttle would suppress a record of this failure
// at that time, and counts it if so. It fits otellock.WithThrottle. Without a
// destination for log records it returns false.
func (t *Telemetry) Suppress(at time.Time, action, target, errorType string) bool {
	return t.throttle != nil && t.throttle.Suppress(at, action, target, errorType)
}

// ForceFlush exports what is pending in all three signals and joins their
// errors. It returns when ctx ends at the latest. After [Telemetry.Shutdown]
// has begun it does nothing.
func (t *Telemetry) ForceFlush(ctx context.Context) error {
	if t.stopping.Load() || t.logs.provider == nil {
		return nil
	}
	return inOrder(ctx, t.logs.provider.ForceFlush, t.traces.provider.ForceFlush, t.metrics.provider.ForceFlush)
}

// Shutdown exports what is pending, stops all three signals, and joins their
// errors. It returns when ctx ends at the latest; without a deadline the
// exporters' own timeouts apply (30 s at most for each batch). Exports that ctx
// left unanswered are cut off: no goroutine stays behind.
//
// Logs and spans are exported concurrently. Metrics follow the logs, so that they
// contain what was counted meanwhile, but wait for at most half of the time that is
// left and at most 5 s: a receiver that hangs costs its own signal only.
//
// The text of an export's error is that of OpenTelemetry's exporter, which can
// contain the path of the endpoint.
//
// Only the first call does this. Concurrent and later calls wait for it, until
// their own ctx ends, and return the same error. The globals stay as they are and
// do nothing any more; a later [Setup] replaces them.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if !t.stopping.CompareAndSwap(false, true) {
		select {
		case <-t.stopped:
			return t.stopErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if t.logs.provider != nil {
		t.stopErr = inOrder(ctx, t.shutdownLogs, t.traces.shutdown, t.metrics.shutdown)
		t.end(errShutDown)
	}
	close(t.stopped)
	return t.stopErr
}

// shutdownLogs shuts the logs down, and prints the warnings of an export that is
// still under way when the time is over: the process may end before it does.
func (t *Telemetry) shutdownLogs(ctx context.Context) error {
	err := t.logs.shutdown(ctx)
	if r := t.logRoute; r != nil {
		r.lost("shut down before the receiver answered", r.pending.all())
	}
	return err
}

// inOrder runs the same step of all signals: logs and traces concurrently, metrics
// after the logs or when their patience is over.
func inOrder(ctx context.Context, logs, traces, metrics func(context.Context) error) error {
	logged := make(chan struct{})
	first := func(ctx context.Context) error {
		defer close(logged)
		if deadline, ok := ctx.Deadline(); ok {
			// What is given up must still get to the console.
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
			defer cancel()
		}
		return once(logs(ctx), ctx.Err())
	}
	last := func(ctx context.Context) error {
		wait := patience
		if deadline, ok := ctx.Deadline(); ok {
			wait = min(wait, time.Until(deadline)/2)
		}
		select {
		case <-logged:
		case <-time.After(wait):
		case <-ctx.Done():
		}
		return metrics(ctx)
	}
	steps := []func(context.Context) error{first, traces, last}
	errs := parallel.Each(ctx, steps, func(step func(context.Context) error, ctx context.Context) error { return step(ctx) })
	for i, name := range []string{"logs", "traces", "metrics"} {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("%s: %w", name, once(errs[i], ctx.Err()))
		}
	}
	return errors.Join(errs...)
}

// once returns err, or ended if err joins nothing but that error, so that the end of
// the context is reported once.
func once(err, ended error) error {
	if isOnly(err, ended) {
		return ended
	}
	return err
}

// isOnly reports whether err is this one, or a join of nothing else.
func isOnly(err, one error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err == one
	}
	for _, err := range joined.Unwrap() {
		if !isOnly(err, one) {
			return false
		}
	}
	return true
}
