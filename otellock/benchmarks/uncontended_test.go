package benchmarks

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// BenchmarkUncontended is one acquire and one release of a free key: by go-redis
// alone with the deadlines that a lock needs, by this lock, and by redislock.
// "none" has no SDK. With "sdk" every span is recorded, batched and exported to
// nowhere, and go-redis is instrumented by redisotel for redislock, which has no
// telemetry of its own. "together" takes turns, so that its ratios hold on a noisy
// machine; cpu-ns/op is that of the whole process.
func BenchmarkUncontended(b *testing.B) {
	b.Run("none", func(b *testing.B) { uncontended(b, false) })
	b.Run("sdk", func(b *testing.B) { uncontended(b, true) })
}

// nowhere is a span exporter.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

type way struct {
	name string
	once func(context.Context) error
}

func uncontended(b *testing.B, recording bool) {
	server := redistest.Start(b)
	plain, observed := redis.NewClient(redisbackend.Options(server.Addr)), redis.NewClient(redisbackend.Options(server.Addr))
	b.Cleanup(func() { _, _ = plain.Close(), observed.Close() })
	opts := []otellock.Option{otellock.WithFailClosed(true)}
	if recording {
		tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(nowhere{}))
		meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
		b.Cleanup(func() { _, _ = tracers.Shutdown(context.Background()), meters.Shutdown(context.Background()) })
		opts = append(opts, otellock.WithTracerProvider(tracers), otellock.WithMeterProvider(meters))
		if err := redisotel.InstrumentTracing(observed, redisotel.WithTracerProvider(tracers), redisotel.WithDBStatement(false)); err != nil {
			b.Fatal(err)
		}
		if err := redisotel.InstrumentMetrics(observed, redisotel.WithMeterProvider(meters)); err != nil {
			b.Fatal(err)
		}
	} else {
		opts = append(opts, otellock.WithTracerProvider(tracenoop.NewTracerProvider()), otellock.WithMeterProvider(metricnoop.NewMeterProvider()))
	}
	ways := []way{goRedis(b, plain, server.Addr), ours(b, plain, server.Addr, opts), redisLock(observed, server.Addr)}
	for _, way := range ways {
		for range 50 { // connect, teach the server the scripts, make the series
			if err := way.once(b.Context()); err != nil {
				b.Fatal(way.name, err)
			}
		}
	}
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				if err := way.once(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		})
	}
	b.Run("together", func(b *testing.B) { together(b, ways) })
}

// together measures the ways in turn and reports the median of each, as a ratio to
// the first.
func together(b *testing.B, ways []way) {
	took := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, way := range ways {
			start := time.Now()
			if err := way.once(b.Context()); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	median := func(i int) float64 {
		slices.Sort(took[i])
		return float64(took[i][len(took[i])/2])
	}
	first := median(0)
	for i := range ways[1:] {
		b.ReportMetric(median(i+1)/first, ways[i+1].name+"/"+ways[0].name)
	}
	b.ReportMetric(first, "p50-ns")
}

func goRedis(b *testing.B, rdb *redis.Client, id string) way {
	sha, err := rdb.ScriptLoad(b.Context(), "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0").Result()
	if err != nil {
		b.Fatal(err)
	}
	key, token := "lock:bare:"+id, "token of "+id
	within := func(ctx context.Context, f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
		defer cancel()
		return f(ctx)
	}
	return way{"go-redis", func(ctx context.Context) error {
		if err := within(ctx, func(ctx context.Context) error { return rdb.SetNX(ctx, key, token, time.Minute).Err() }); err != nil {
			return err
		}
		return within(ctx, func(ctx context.Context) error { return rdb.EvalSha(ctx, sha, []string{key}, token).Err() })
	}}
}

func ours(b *testing.B, rdb *redis.Client, id string, opts []otellock.Option) way {
	backend, err := redisbackend.New(rdb)
	if err != nil {
		b.Fatal(err)
	}
	locker, err := otellock.New(backend, opts...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = locker.Close(context.Background()) })
	target, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		b.Fatal(err)
	}
	return way{"otellock", func(ctx context.Context) error {
		return target.Mutex(id).Do(ctx, func(context.Context) error { return nil })
	}}
}

func redisLock(rdb *redis.Client, id string) way {
	client, key := redislock.New(rdb), "lock:redislock:"+id
	return way{"redislock", func(ctx context.Context) error {
		lock, err := client.Obtain(ctx, key, time.Minute, nil)
		if err != nil {
			return err
		}
		return lock.Release(ctx)
	}}
}

// cpu returns the processor time of this process in nanoseconds.
func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
