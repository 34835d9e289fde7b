package otellock_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
	"github.com/otellock/otellock-go/semconv"
)

// The telemetry that a lock runs under: none, an SDK that records every span,
// and one that samples none. Spans go to a processor that drops them, so that
// making them is measured and exporting them is not.
var benchTelemetry = []struct {
	name      string
	providers func() (trace.TracerProvider, metric.MeterProvider)
}{
	{"noop", func() (trace.TracerProvider, metric.MeterProvider) {
		return tracenoop.NewTracerProvider(), metricnoop.NewMeterProvider()
	}},
	{"sdk", func() (trace.TracerProvider, metric.MeterProvider) {
		return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(dropSpans{})),
			sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	}},
	{"unsampled", func() (trace.TracerProvider, metric.MeterProvider) {
		return sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()), sdktrace.WithSpanProcessor(dropSpans{})),
			sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	}},
}

type dropSpans struct{}

func (dropSpans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (dropSpans) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (dropSpans) Shutdown(context.Context) error                  { return nil }
func (dropSpans) ForceFlush(context.Context) error                { return nil }

func nothing(context.Context) error { return nil }

// BenchmarkDo is one uncontended Do on the memory backend, beside the same work
// written by hand: the ratio is what the library costs.
func BenchmarkDo(b *testing.B) {
	for _, tel := range benchTelemetry {
		b.Run(tel.name+"/otellock", func(b *testing.B) {
			tracers, meters := tel.providers()
			locker, err := otellock.New(memorybackend.New(),
				otellock.WithTracerProvider(tracers), otellock.WithMeterProvider(meters))
			if err != nil {
				b.Fatal(err)
			}
			target, err := locker.Target("projects", "lock:projects:*")
			if err != nil {
				b.Fatal(err)
			}
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if err := target.Mutex("42").Do(ctx, nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, name := range []string{"floor", "bare"} {
			b.Run(tel.name+"/"+name, func(b *testing.B) {
				tracers, meters := tel.providers()
				f := newFloor(memorybackend.New(), tracers, meters)
				f.bare = name == "bare"
				ctx := b.Context()
				b.ReportAllocs()
				for b.Loop() {
					if err := f.do(ctx, "42", nothing); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A floor is what a careful engineer would write by hand around two backend
// calls: the same two spans with the same attributes, the same counters,
// histograms and up-down counter with options made in advance, the deadlines that
// a Backend is promised, and nothing else: no waiting, no errors, no lease, no
// panic safety. Without the deadlines it is bare: less than a lock may do, and a
// bound for what a library could reach.
type floor struct {
	bare bool

	backend                     otellock.Backend
	tracer                      trace.Tracer
	acquireSpan, releaseSpan    []trace.SpanStartOption
	attempts                    metric.Int64Counter
	acquireTime, hold, use      metric.Float64Histogram
	held                        metric.Int64UpDownCounter
	acquired, released, oneHeld []metric.AddOption
	timeAttrs, targetAttrs      []metric.RecordOption
}

func newFloor(backend otellock.Backend, tracers trace.TracerProvider, meters metric.MeterProvider) *floor {
	meter := meters.Meter("floor")
	set := func(attrs ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attrs...))
	}
	start := func(attrs ...attribute.KeyValue) []trace.SpanStartOption {
		return []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attrs...)}
	}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	target, pattern, name := semconv.LockTarget("projects"), semconv.LockKeyPattern("lock:projects:*"), semconv.LockBackendName("memory")
	f := &floor{
		backend: backend,
		tracer:  tracers.Tracer("floor"),
		acquireSpan: start(semconv.LockModeWait, semconv.LockWaitTimeout(3), semconv.LockOperationNameAcquire,
			target, pattern, name),
		releaseSpan: start(semconv.LockOperationNameRelease, target, pattern, name),
		acquired:    []metric.AddOption{set(target, name, semconv.LockOperationNameAcquire, semconv.LockOutcomeAcquired)},
		released:    []metric.AddOption{set(target, name, semconv.LockOperationNameRelease, semconv.LockOutcomeReleased)},
		oneHeld:     []metric.AddOption{set(target, name)},
		timeAttrs:   []metric.RecordOption{set(target, name, semconv.LockOutcomeAcquired)},
		targetAttrs: []metric.RecordOption{set(target, name)},
	}
	histogram := func(m semconv.Metric) metric.Float64Histogram {
		h, err := meter.Float64Histogram(m.Name, metric.WithExplicitBucketBoundaries(m.Boundaries...))
		must(err)
		return h
	}
	f.acquireTime, f.hold, f.use = histogram(semconv.MetricLockAcquireDuration),
		histogram(semconv.MetricLockHoldDuration), histogram(semconv.MetricLockHoldUtilization)
	var err error
	f.attempts, err = meter.Int64Counter(semconv.MetricLockAttempts.Name)
	must(err)
	f.held, err = meter.Int64UpDownCounter(semconv.MetricLockHeld.Name)
	must(err)
	return f
}

func (f *floor) do(ctx context.Context, id string, fn func(context.Context) error) error {
	const ttl = 10 * time.Second
	var raw [16]byte
	binary.NativeEndian.PutUint64(raw[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64())
	claim := otellock.Claim{Key: "lock:projects:" + id, Token: hex.EncodeToString(raw[:]), TTL: ttl}

	start := time.Now()
	actx, span := f.tracer.Start(ctx, "acquire projects", f.acquireSpan...)
	bctx, cancel := f.limit(actx)
	grant, err := f.backend.Acquire(bctx, claim)
	cancel()
	if err != nil || !grant.Acquired {
		span.SetStatus(codes.Error, "failed")
		span.End()
		return errors.New("not acquired")
	}
	granted := time.Now()
	f.attempts.Add(actx, 1, f.acquired...)
	f.acquireTime.Record(actx, granted.Sub(start).Seconds(), f.timeAttrs...)
	f.held.Add(actx, 1, f.oneHeld...)
	if span.IsRecording() {
		span.SetAttributes(semconv.LockOutcomeAcquired, semconv.LockRetries(0))
	}
	span.End()

	fnErr := fn(ctx)

	rctx, span := f.tracer.Start(ctx, "release projects", f.releaseSpan...)
	bctx, cancel = f.limit(context.WithoutCancel(rctx))
	err = f.backend.Release(bctx, claim)
	cancel()
	if err != nil {
		span.SetStatus(codes.Error, "failed")
		span.End()
		return err
	}
	end := time.Now()
	held := end.Sub(granted)
	f.attempts.Add(rctx, 1, f.released...)
	f.hold.Record(rctx, held.Seconds(), f.targetAttrs...)
	f.use.Record(rctx, float64(end.Sub(start))/float64(ttl), f.targetAttrs...)
	f.held.Add(rctx, -1, f.oneHeld...)
	if span.IsRecording() {
		span.SetAttributes(semconv.LockOutcomeReleased, semconv.LockRetries(0), semconv.LockHoldUtilization(float64(end.Sub(start))/float64(ttl)),
			semconv.LockHoldDuration(held.Seconds()))
	}
	span.End()
	return fnErr
}

func (f *floor) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.bare {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, 250*time.Millisecond)
}

// BenchmarkHeldLease says what a lease of Lock costs while it is held: by the key
// and the token, the lock's state and telemetry's, and the way back to an
// abandoned one. The backend is none of it.
func BenchmarkHeldLease(b *testing.B) {
	locker, err := otellock.New(granting{}, otellock.WithTracerProvider(tracenoop.NewTracerProvider()),
		otellock.WithMeterProvider(metricnoop.NewMeterProvider()))
	if err != nil {
		b.Fatal(err)
	}
	target, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		b.Fatal(err)
	}
	const held = 10_000
	leases := make([]*otellock.Lease, held)
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := inUse()
		for i := range leases {
			if leases[i], err = target.Mutex(strconv.Itoa(100_000 + i)).Lock(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(inUse()-before)/held, "B/lease")
		for i := range leases {
			if err := leases[i].Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			leases[i] = nil
		}
	}
}

// granting is a backend that has room for everybody, and keeps nothing.
type granting struct{}

func (granting) Acquire(context.Context, otellock.Claim) (otellock.Grant, error) {
	return otellock.Grant{Acquired: true}, nil
}
func (granting) Extend(context.Context, otellock.Claim) error  { return nil }
func (granting) Release(context.Context, otellock.Claim) error { return nil }
