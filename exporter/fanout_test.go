package exporter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

var errFull = errors.New("full")

// hangingSpanProcessor is a SpanRecorder that hangs where it can.
type hangingSpanProcessor struct{ *tracetest.SpanRecorder }

func (hangingSpanProcessor) Shutdown(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestSpanFanOutReachesAllDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := hangingSpanProcessor{tracetest.NewSpanRecorder()}
		last := tracetest.NewSpanRecorder()
		fan := &spanFanOut{destinations: []sdktrace.SpanProcessor{hanging, last}}
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(fan))
		_, span := provider.Tracer("test").Start(context.Background(), "acquire projects")
		span.End()
		if len(hanging.Ended()) != 1 || len(last.Ended()) != 1 || len(last.Started()) != 1 {
			t.Error("a destination missed the span")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		if err := provider.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Shutdown took %v", took)
		}
	})
}
