package exporter

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// logFanOut hands every record to several destinations. The SDK would do the
// same for processors registered side by side, but there is one throttle in
// front of all of them, and only wrapping lets it hold records back.
//
// Each destination has a record of its own (the SDK's batch processor takes its
// copy itself), a failure or panic of one does not keep the record from the
// others, and flush and shutdown reach all of them at once, so that one that
// hangs does not use up the time of the rest.
//
// OnEmit fails only when no destination took the record: the throttle counts a
// record that failed, with what it carried, as held back, and the next one would
// tell it a second time to the destinations that took this one. What else fails
// goes to the global error handler.
type logFanOut struct {
	destinations []sdklog.Processor
	shutdown     onceShutdown
}

func (f *logFanOut) Enabled(ctx context.Context, param sdklog.EnabledParameters) bool {
	for _, d := range f.destinations {
		if d.Enabled(ctx, param) {
			return true
		}
	}
	return false
}

func (f *logFanOut) OnEmit(ctx context.Context, record *sdklog.Record) error {
	var errs []error
	for _, d := range f.destinations {
		own := record
		if _, copies := d.(*sdklog.BatchProcessor); !copies {
			clone := record.Clone()
			own = &clone
		}
		if err := guard(func() error { return d.OnEmit(ctx, own) }); err != nil {
			errs = append(errs, err)
		}
	}
	err := errors.Join(errs...)
	if len(errs) < len(f.destinations) && err != nil {
		otel.Handle(err)
		return nil
	}
	return err
}

func (f *logFanOut) ForceFlush(ctx context.Context) error {
	return concurrently(ctx, f.tasks(sdklog.Processor.ForceFlush)...)
}

func (f *logFanOut) Shutdown(ctx context.Context) error {
	return f.shutdown.do(ctx, f.tasks(sdklog.Processor.Shutdown))
}

func (f *logFanOut) tasks(step func(sdklog.Processor, context.Context) error) []task {
	tasks := make([]task, len(f.destinations))
	for i, d := range f.destinations {
		tasks[i] = task{run: func(ctx context.Context) error { return step(d, ctx) }}
	}
	return tasks
}

// spanFanOut is the counterpart for spans, for the sake of flush and shutdown:
// the SDK does those one processor after the other.
type spanFanOut struct {
	destinations []sdktrace.SpanProcessor
	shutdown     onceShutdown
}

func (f *spanFanOut) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	for _, d := range f.destinations {
		d.OnStart(parent, span)
	}
}

func (f *spanFanOut) OnEnd(span sdktrace.ReadOnlySpan) {
	for _, d := range f.destinations {
		d.OnEnd(span)
	}
}

func (f *spanFanOut) ForceFlush(ctx context.Context) error {
	return concurrently(ctx, f.tasks(sdktrace.SpanProcessor.ForceFlush)...)
}

func (f *spanFanOut) Shutdown(ctx context.Context) error {
	return f.shutdown.do(ctx, f.tasks(func(p sdktrace.SpanProcessor, ctx context.Context) error {
		// The SDK's batch processor tells its last export's failure to a flush
		// only; its shutdown hands it to the global error handler.
		return errors.Join(p.ForceFlush(ctx), p.Shutdown(ctx))
	}))
}

func (f *spanFanOut) tasks(step func(sdktrace.SpanProcessor, context.Context) error) []task {
	tasks := make([]task, len(f.destinations))
	for i, d := range f.destinations {
		tasks[i] = task{run: func(ctx context.Context) error { return step(d, ctx) }}
	}
	return tasks
}

// onceShutdown shuts destinations down at most once, as their contracts ask.
type onceShutdown struct{ once sync.Once }

func (o *onceShutdown) do(ctx context.Context, tasks []task) (err error) {
	o.once.Do(func() { err = concurrently(ctx, tasks...) })
	return err
}
