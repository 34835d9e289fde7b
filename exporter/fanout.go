package exporter

import (
	"context"
	"errors"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/internal/parallel"
)

// spanFanOut hands every span to several destinations, and flushes and shuts them
// down concurrently: the SDK does that one processor after the other.
type spanFanOut struct {
	destinations []sdktrace.SpanProcessor
	once         sync.Once
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
	return errors.Join(parallel.Each(ctx, f.destinations, sdktrace.SpanProcessor.ForceFlush)...)
}

// Shutdown flushes first: the SDK's batch processor returns the error of its last
// export from ForceFlush only.
func (f *spanFanOut) Shutdown(ctx context.Context) (err error) {
	f.once.Do(func() {
		err = errors.Join(parallel.Each(ctx, f.destinations, func(p sdktrace.SpanProcessor, ctx context.Context) error {
			return errors.Join(p.ForceFlush(ctx), p.Shutdown(ctx))
		})...)
	})
	return err
}
