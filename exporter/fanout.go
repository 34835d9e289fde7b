package exporter

import (
	"context"
	"errors"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter/internal/parallel"
)

// spanFanOut hands every span to several destinations, for the sake of flush and
// shutdown: the SDK does those one processor after the other.
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

// Shutdown flushes as well: the SDK's batch processor returns the failure of its
// last export from a flush only.
func (f *spanFanOut) Shutdown(ctx context.Context) (err error) {
	f.once.Do(func() {
		err = errors.Join(parallel.Each(ctx, f.destinations, func(p sdktrace.SpanProcessor, ctx context.Context) error {
			return errors.Join(p.ForceFlush(ctx), p.Shutdown(ctx))
		})...)
	})
	return err
}
