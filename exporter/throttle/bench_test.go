package throttle_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// The peers are in the module benchmarks, with the same benchmarks of ours.

// late is a warning whose error.type stands twelfth, as in a record that was not
// made with this throttle in mind.
func late() []attribute.KeyValue {
	w := warning("backend_error", "projects", "timeout")
	l := append([]attribute.KeyValue{w[0], w[1]}, w[3:12]...)
	return append(append(l, w[2]), w[12:]...)
}

func BenchmarkSuppressedOnEmit(b *testing.B) {
	w := warning("backend_error", "projects", "timeout")
	for name, attrs := range map[string][]attribute.KeyValue{
		"keys first":       w,
		"error type 12th":  late(),
		"no error type":    append(w[:2:2], w[3:]...),
		"window overflows": warning("backend_error", "another", "timeout"),
	} {
		b.Run(name, func(b *testing.B) {
			p := newProcessor(b, nil, throttle.WithMaxKeys(1), throttle.WithMeterProvider(sdkmetric.NewMeterProvider()))
			fail(b, p, "projects", "timeout")
			fail(b, p, "another", "timeout")
			prototype := factory(attrs...).NewRecord()
			ctx := context.Background()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := prototype
				for pb.Next() {
					_ = p.OnEmit(ctx, &r)
				}
			})
		})
	}
	b.Run("no time of observation", func(b *testing.B) {
		p := newProcessor(b, nil)
		fail(b, p, "projects", "timeout")
		f := factory(w...)
		f.ObservedTimestamp = time.Time{}
		r, ctx := f.NewRecord(), context.Background()
		b.ReportAllocs()
		for b.Loop() {
			_ = p.OnEmit(ctx, &r)
		}
	})
}

func BenchmarkSuppressedGate(b *testing.B) {
	p := newProcessor(b, nil)
	fail(b, p, "projects", "timeout")
	gate := gateOf(p, "backend_error", "projects")
	now := time.Now()
	b.Run("caller's time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			gate(now, "timeout")
		}
	})
	b.Run("caller's time, parallel", func(b *testing.B) { // every P at one key
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				gate(now, "timeout")
			}
		})
	})
	b.Run("time.Now", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				gate(time.Now(), "timeout")
			}
		})
	})
}

// BenchmarkGroupedOnEmit is the one way to be held back that allocates: the SDK
// gives the contents of a group away as a copy only.
func BenchmarkGroupedOnEmit(b *testing.B) {
	p := newProcessor(b, nil)
	r := factory(attribute.Map("app", warning("backend_error", "projects", "timeout")...)).NewRecord()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_ = p.OnEmit(ctx, &r)
	}
}

func BenchmarkPassedOnEmit(b *testing.B) {
	p := newProcessor(b, nil, throttle.WithWindow(time.Millisecond))
	r := factory(warning("backend_error", "projects", "timeout")...).NewRecord()
	disabled := newProcessor(b, nil, throttle.WithWindow(0))
	ctx := context.Background()
	b.Run("disabled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = disabled.OnEmit(ctx, &r)
		}
	})
	b.Run("not ours", func(b *testing.B) {
		r := factory(warning("backend_error", "projects", "timeout")[2:]...).NewRecord()
		b.ReportAllocs()
		for b.Loop() {
			_ = p.OnEmit(ctx, &r)
		}
	})
}
