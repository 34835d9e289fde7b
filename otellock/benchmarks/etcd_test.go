package benchmarks

import (
	"context"
	"testing"

	"go.etcd.io/etcd/client/v3/concurrency"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/internal/etcdtest"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/oteletcd"
)

// BenchmarkWrappedEtcd is [BenchmarkWrapped] for a mutex of etcd, on the embedded
// server.
func BenchmarkWrappedEtcd(b *testing.B) {
	server := etcdtest.Start(b)
	client, err := server.Client()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	session, err := concurrency.NewSession(client)
	if err != nil {
		b.Fatal(err)
	}
	const key = "/locks/projects/7"
	take := func(ctx context.Context) (func(context.Context) error, error) {
		m := concurrency.NewMutex(session, key)
		return m.Unlock, m.Lock(ctx)
	}
	wrapped := func(opts ...observe.Option) func(context.Context) error {
		locks := oteletcd.New(append(opts, observe.WithTarget("projects", "/locks/projects/*"))...)
		return func(ctx context.Context) error {
			m := locks.NewMutex(session, key)
			if err := m.Lock(ctx); err != nil {
				return err
			}
			return m.Unlock(ctx)
		}
	}
	b.Run("none", func(b *testing.B) {
		compare(b, []way{
			{"bare", func(ctx context.Context) error {
				m := concurrency.NewMutex(session, key)
				if err := m.Lock(ctx); err != nil {
					return err
				}
				return m.Unlock(ctx)
			}},
			{"wrapped", wrapped(observe.WithTracerProvider(tracenoop.NewTracerProvider()), observe.WithMeterProvider(metricnoop.NewMeterProvider()))},
		})
	})
	b.Run("sdk", func(b *testing.B) {
		tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(nowhere{}))
		meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
		b.Cleanup(func() { _, _ = tracers.Shutdown(context.Background()), meters.Shutdown(context.Background()) })
		hand := newByHand(tracers, meters)
		compare(b, []way{
			{"by-hand", func(ctx context.Context) error { return hand.once(ctx, take) }},
			{"wrapped", wrapped(observe.WithTracerProvider(tracers), observe.WithMeterProvider(meters))},
		})
	})
}
