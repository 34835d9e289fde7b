package redisbackend_test

import (
	"context"
	"slices"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

// BenchmarkUncontended is one acquire and one release of a free key on a real
// server: by go-redis alone with the deadlines that a lock needs, by this
// backend, and by a whole Do without an SDK. "together" takes turns, so that the
// ratios of the medians hold on a noisy machine.
func BenchmarkUncontended(b *testing.B) {
	server := redistest.Start(b)
	rdb := redis.NewClient(redisbackend.Options(server.Addr))
	defer rdb.Close()
	backend := newBackend(b, rdb)
	locker, err := otellock.New(backend, otellock.WithFailClosed(true),
		otellock.WithTracerProvider(tracenoop.NewTracerProvider()), otellock.WithMeterProvider(metricnoop.NewMeterProvider()))
	if err != nil {
		b.Fatal(err)
	}
	defer locker.Close(context.Background())
	target, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		b.Fatal(err)
	}
	sha, err := rdb.ScriptLoad(b.Context(), "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0").Result()
	if err != nil {
		b.Fatal(err)
	}

	// Not constants, which would be arguments that cost nothing.
	key, token := "lock:projects:"+server.Addr, "token of "+server.Addr
	within := func(ctx context.Context, f func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, attempt)
		defer cancel()
		if err := f(ctx); err != nil {
			b.Fatal(err)
		}
	}
	ways := []struct {
		name string
		once func(context.Context)
	}{
		{"go-redis", func(ctx context.Context) {
			within(ctx, func(ctx context.Context) error { return rdb.SetNX(ctx, key, token, time.Minute).Err() })
			within(ctx, func(ctx context.Context) error { return rdb.EvalSha(ctx, sha, []string{key}, token).Err() })
		}},
		{"backend", func(ctx context.Context) {
			c := otellock.Claim{Key: key, Token: token, TTL: time.Minute}
			within(ctx, func(ctx context.Context) error {
				_, err := backend.Acquire(ctx, c)
				return err
			})
			within(ctx, func(ctx context.Context) error { return backend.Release(ctx, c) })
		}},
		{"Do", func(ctx context.Context) {
			if err := target.Mutex(server.Addr).Do(ctx, func(context.Context) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}},
	}
	for _, way := range ways {
		way.once(b.Context()) // connect, and teach the server the scripts
	}
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				way.once(b.Context())
			}
		})
	}
	b.Run("together", func(b *testing.B) {
		took := make([][]time.Duration, len(ways))
		for b.Loop() {
			for i, way := range ways {
				start := time.Now()
				way.once(b.Context())
				took[i] = append(took[i], time.Since(start))
			}
		}
		median := func(i int) float64 {
			slices.Sort(took[i])
			return float64(took[i][len(took[i])/2])
		}
		for i, way := range ways {
			b.ReportMetric(median(i), way.name+"-p50-ns")
			if i > 0 {
				b.ReportMetric(median(i)/median(0), way.name+"/go-redis")
			}
		}
	})
}
