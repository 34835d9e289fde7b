package exporter

import (
	"context"
	"errors"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spanFanOut hands every span to several destinations, for the sake of flush and
// shutdown: the SDK does those one processor after the other.
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
