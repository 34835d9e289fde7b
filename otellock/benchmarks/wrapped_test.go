package benchmarks

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/otelredislock"
	"github.com/otellock/otellock-go/otellock/otelredsync"
	"github.com/otellock/otellock-go/otellock/otelrueidislock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/otellock/otellock-go/semconv"
)

// BenchmarkWrapped is one acquire and one release of a free key by a wrapped lock:
// with no SDK beside the bare peer, and with one beside the peer with the same spans
// and metrics written by hand. What "together" reports is the ratio.
func BenchmarkWrapped(b *testing.B) {
	for _, peer := range []struct {
		name string
		make func(b *testing.B, server *redistest.Server, name string, opts []observe.Option) peer
	}{
		{"redislock", redislockPeer}, {"redsync", redsyncPeer}, {"rueidislock", rueidislockPeer},
	} {
		b.Run(peer.name, func(b *testing.B) {
			server := redistest.Start(b)
			b.Run("none", func(b *testing.B) {
				p := peer.make(b, server, "none", []observe.Option{
					observe.WithTracerProvider(tracenoop.NewTracerProvider()), observe.WithMeterProvider(metricnoop.NewMeterProvider()),
				})
				compare(b, []way{{"bare", p.bare}, {"wrapped", p.wrapped}})
			})
			b.Run("sdk", func(b *testing.B) {
				tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(nowhere{}))
				meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
				b.Cleanup(func() { _, _ = tracers.Shutdown(context.Background()), meters.Shutdown(context.Background()) })
				p := peer.make(b, server, "sdk", []observe.Option{observe.WithTracerProvider(tracers), observe.WithMeterProvider(meters)})
				hand := newByHand(tracers, meters)
				compare(b, []way{
					{"by-hand", func(ctx context.Context) error { return hand.once(ctx, p.take) }},
					{"wrapped", p.wrapped},
				})
			})
		})
	}
}

func compare(b *testing.B, ways []way) {
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
			for b.Loop() {
				if err := way.once(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("together", func(b *testing.B) { together(b, ways) })
}

// A peer takes a free lock and releases it.
type peer struct {
	take    func(ctx context.Context) (release func(context.Context) error, err error) // the bare peer, as by hand
	bare    func(context.Context) error
	wrapped func(context.Context) error
}

func client(b *testing.B, server *redistest.Server) *redis.Client {
	rdb := redis.NewClient(redisbackend.Options(server.Addr))
	b.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

var projects = observe.WithTarget("projects", "lock:projects:*")

func redislockPeer(b *testing.B, server *redistest.Server, name string, opts []observe.Option) peer {
	rdb, key := client(b, server), "lock:projects:"+name
	bare, wrapped := redislock.New(rdb), otelredislock.New(rdb, append(opts, projects)...)
	return peer{
		func(ctx context.Context) (func(context.Context) error, error) {
			lock, err := bare.Obtain(ctx, key, time.Minute, nil)
			if err != nil {
				return nil, err
			}
			return lock.Release, nil
		},
		func(ctx context.Context) error {
			lock, err := bare.Obtain(ctx, key, time.Minute, nil)
			if err != nil {
				return err
			}
			return lock.Release(ctx)
		},
		func(ctx context.Context) error {
			lock, err := wrapped.Obtain(ctx, key, time.Minute, nil)
			if err != nil {
				return err
			}
			return lock.Release(ctx)
		},
	}
}

func redsyncPeer(b *testing.B, server *redistest.Server, name string, opts []observe.Option) peer {
	pool, key := goredis.NewPool(client(b, server)), "lock:projects:"+name
	bare, wrapped := redsync.New(pool), otelredsync.New(pool).With(append(opts, projects)...)
	type mutex interface {
		LockContext(context.Context) error
		UnlockContext(context.Context) (bool, error)
	}
	release := func(ctx context.Context, m mutex) error {
		if ok, err := m.UnlockContext(ctx); !ok {
			return errors.Join(errors.New("not unlocked"), err)
		}
		return nil
	}
	once := func(ctx context.Context, m mutex) error {
		if err := m.LockContext(ctx); err != nil {
			return err
		}
		return release(ctx, m)
	}
	return peer{
		func(ctx context.Context) (func(context.Context) error, error) {
			m := bare.NewMutex(key)
			return func(ctx context.Context) error { return release(ctx, m) }, m.LockContext(ctx)
		},
		func(ctx context.Context) error { return once(ctx, bare.NewMutex(key)) },
		func(ctx context.Context) error { return once(ctx, wrapped.NewMutex(key)) },
	}
}

func rueidislockPeer(b *testing.B, server *redistest.Server, name string, opts []observe.Option) peer {
	option := rueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{server.Addr}},
		KeyMajority:  1, NoLoopTracking: true, TryNextAfter: time.Second,
	}
	bare, err := rueidislock.NewLocker(option)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(bare.Close)
	wrapped, err := otelrueidislock.NewLocker(option, append(opts, projects)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(wrapped.Close)
	once := func(ctx context.Context, l rueidislock.Locker) error {
		_, cancel, err := l.WithContext(ctx, "lock:projects:"+name)
		if err != nil {
			return err
		}
		cancel()
		return nil
	}
	return peer{
		func(ctx context.Context) (func(context.Context) error, error) {
			lock, cancel, err := bare.WithContext(ctx, "lock:projects:"+name)
			if err != nil {
				return nil, err
			}
			var over atomic.Bool // a lock that ends by itself is lost
			stop := context.AfterFunc(lock, func() {
				if !over.Swap(true) {
					b.Error("lost")
				}
			})
			return func(context.Context) error { over.Store(true); stop(); cancel(); return nil }, nil
		},
		func(ctx context.Context) error { return once(ctx, bare) },
		func(ctx context.Context) error { return once(ctx, wrapped) },
	}
}

// byHand is the telemetry that a careful engineer would write around a lock.
type byHand struct {
	tracer                      trace.Tracer
	acquireSpan, releaseSpan    []trace.SpanStartOption
	attempts                    metric.Int64Counter
	acquireTime, hold, use      metric.Float64Histogram
	held                        metric.Int64UpDownCounter
	acquired, released, oneHeld []metric.AddOption
	timeAttrs, targetAttrs      []metric.RecordOption
}

func newByHand(tracers trace.TracerProvider, meters metric.MeterProvider) *byHand {
	meter := meters.Meter("by hand")
	set := func(attrs ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attrs...))
	}
	start := func(attrs ...attribute.KeyValue) []trace.SpanStartOption {
		return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attrs...)}
	}
	target, pattern, name := semconv.LockTarget("projects"), semconv.LockKeyPattern("lock:projects:*"), semconv.LockBackendName("redis")
	h := &byHand{
		tracer:      tracers.Tracer("by hand"),
		acquireSpan: start(semconv.LockModeWait, semconv.LockOperationNameAcquire, target, pattern, name),
		releaseSpan: start(semconv.LockOperationNameRelease, target, pattern, name),
		acquired:    []metric.AddOption{set(target, name, semconv.LockOperationNameAcquire, semconv.LockOutcomeAcquired)},
		released:    []metric.AddOption{set(target, name, semconv.LockOperationNameRelease, semconv.LockOutcomeReleased)},
		oneHeld:     []metric.AddOption{set(target, name)},
		timeAttrs:   []metric.RecordOption{set(target, name, semconv.LockOutcomeAcquired)},
		targetAttrs: []metric.RecordOption{set(target, name)},
	}
	h.acquireTime, _ = meter.Float64Histogram(semconv.MetricLockAcquireDuration.Name)
	h.hold, _ = meter.Float64Histogram(semconv.MetricLockHoldDuration.Name)
	h.use, _ = meter.Float64Histogram(semconv.MetricLockHoldUtilization.Name)
	h.attempts, _ = meter.Int64Counter(semconv.MetricLockAttempts.Name)
	h.held, _ = meter.Int64UpDownCounter(semconv.MetricLockHeld.Name)
	return h
}

func (h *byHand) once(ctx context.Context, take func(context.Context) (func(context.Context) error, error)) error {
	start := time.Now()
	actx, span := h.tracer.Start(ctx, "acquire projects", h.acquireSpan...)
	release, err := take(actx)
	if err != nil {
		span.SetStatus(codes.Error, "failed")
		span.End()
		return err
	}
	granted := time.Now()
	h.attempts.Add(actx, 1, h.acquired...)
	h.acquireTime.Record(actx, granted.Sub(start).Seconds(), h.timeAttrs...)
	h.held.Add(actx, 1, h.oneHeld...)
	if span.IsRecording() {
		span.SetAttributes(semconv.LockOutcomeAcquired, semconv.LockRetries(0))
	}
	span.End()

	rctx, span := h.tracer.Start(ctx, "release projects", h.releaseSpan...)
	if err := release(rctx); err != nil {
		span.SetStatus(codes.Error, "failed")
		span.End()
		return err
	}
	end := time.Now()
	held := end.Sub(granted)
	h.attempts.Add(rctx, 1, h.released...)
	h.held.Add(rctx, -1, h.oneHeld...)
	h.hold.Record(rctx, held.Seconds(), h.targetAttrs...)
	h.use.Record(rctx, float64(end.Sub(start))/float64(time.Minute), h.targetAttrs...)
	if span.IsRecording() {
		span.SetAttributes(semconv.LockOutcomeReleased, semconv.LockHoldDuration(held.Seconds()), semconv.LockHoldUtilization(float64(end.Sub(start))/float64(time.Minute)), semconv.LockRetries(0))
	}
	span.End()
	return nil
}
