package benchmarks

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/log/logtest"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/time/rate"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// record is a lock's warning as otellock emits it.
func record() sdklog.Record {
	now := time.Now()
	return logtest.RecordFactory{
		Timestamp: now, ObservedTimestamp: now, Severity: log.SeverityWarn,
		Body: attribute.StringValue("lock backend failed: projects runs unprotected"),
		Attributes: []attribute.KeyValue{
			attribute.String("lock.action", "backend_error"),
			attribute.String("lock.target", "projects"),
			attribute.String("error.type", "timeout"),
			attribute.String("lock.key_pattern", "lock:project:*"),
			attribute.String("lock.operation.name", "acquire"),
			attribute.String("lock.mode", "wait"),
			attribute.String("lock.outcome", "backend_error"),
			attribute.String("lock.failure_policy", "open"),
			attribute.String("lock.backend.name", "redis"),
			attribute.Float64("lock.ttl", 10),
			attribute.Int("lock.retries", 1),
			attribute.String("exception.type", "*otellock.Error"),
			attribute.String("exception.message", "otellock: acquire projects: timeout"),
			attribute.String("exception.stacktrace", "main.handler\n\tmain.go:17\n"),
			attribute.String("code.function.name", "main.handler"),
			attribute.String("code.file.path", "main.go"),
			attribute.Int("code.line.number", 17),
			attribute.String("server.address", "redis.internal"),
			attribute.Int("server.port", 6379),
			attribute.String("otel.event.name", "lock.backend_error"),
		},
	}.NewRecord()
}

// suppressed runs f on every P, and expects that it lets nothing through.
func suppressed(b *testing.B, f func() (passed bool)) {
	b.Helper()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if f() {
				b.Error("let through")
				return
			}
		}
	})
}

// next lets the first record through, and no other.
type next struct {
	b    *testing.B
	seen int
}

func (*next) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (n *next) OnEmit(context.Context, *sdklog.Record) error {
	if n.seen++; n.seen > 1 {
		n.b.Error("let through")
	}
	return nil
}
func (*next) Shutdown(context.Context) error   { return nil }
func (*next) ForceFlush(context.Context) error { return nil }

// processor returns a throttle that holds the record back from now on.
func processor(b *testing.B) (*throttle.Processor, sdklog.Record) {
	b.Helper()
	p, err := throttle.NewProcessorWith([]throttle.Option{
		throttle.WithWindow(time.Hour), throttle.WithMeterProvider(sdkmetric.NewMeterProvider()),
	}, &next{b: b})
	if err != nil {
		b.Fatal(err)
	}
	r := record()
	if err := p.OnEmit(context.Background(), &r); err != nil {
		b.Fatal(err)
	}
	r.SetObservedTimestamp(time.Now())
	return p, r
}

func BenchmarkSuppressed(b *testing.B) {
	b.Run("otellock/OnEmit", func(b *testing.B) {
		p, prototype := processor(b)
		ctx := context.Background()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			r := prototype
			for pb.Next() {
				_ = p.OnEmit(ctx, &r)
			}
		})
	})
	b.Run("otellock/OnEmit,clock", func(b *testing.B) { // no time of observation
		p, prototype := processor(b)
		prototype.SetObservedTimestamp(time.Time{})
		ctx := context.Background()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			r := prototype
			for pb.Next() {
				_ = p.OnEmit(ctx, &r)
			}
		})
	})
	b.Run("otellock/Suppress", func(b *testing.B) { // the caller's own timestamp
		p, _ := processor(b)
		now := time.Now()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if !p.Suppress(now, "backend_error", "projects", "timeout") {
					b.Error("let through")
					return
				}
			}
		})
	})
	b.Run("otellock/Suppress,clock", func(b *testing.B) {
		p, _ := processor(b)
		suppressed(b, func() bool { return !p.Suppress(time.Now(), "backend_error", "projects", "timeout") })
	})
	b.Run("keywalk", func(b *testing.B) { // the SDK's part of OnEmit: three attributes of a record
		prototype := record()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			r := prototype
			for pb.Next() {
				var action, target, errorType string
				r.WalkAttributes(func(kv attribute.KeyValue) bool {
					switch kv.Key {
					case "lock.action":
						action = kv.Value.AsString()
					case "lock.target":
						target = kv.Value.AsString()
					case "error.type":
						errorType = kv.Value.AsString()
					}
					return errorType == ""
				})
				if action == "" || target == "" {
					b.Error("no keys")
				}
			}
		})
	})
	b.Run("zap/Sampler.Check", func(b *testing.B) {
		sampler := zapcore.NewSamplerWithOptions(enabledCore{zapcore.NewNopCore()}, time.Hour, 1, 0)
		entry := zapcore.Entry{Level: zap.WarnLevel, Time: time.Now(), Message: "backend_error projects"}
		sampler.Check(entry, nil)
		suppressed(b, func() bool { return sampler.Check(entry, nil) != nil })
	})
	b.Run("zap/Sampler.Check,clock", func(b *testing.B) {
		sampler := zapcore.NewSamplerWithOptions(enabledCore{zapcore.NewNopCore()}, time.Hour, 1, 0)
		sampler.Check(zapcore.Entry{Level: zap.WarnLevel, Time: time.Now(), Message: "backend_error projects"}, nil)
		suppressed(b, func() bool {
			return sampler.Check(zapcore.Entry{Level: zap.WarnLevel, Time: time.Now(), Message: "backend_error projects"}, nil) != nil
		})
	})
	b.Run("zap/Logger.Check", func(b *testing.B) {
		logger := zap.New(zapcore.NewSamplerWithOptions(enabledCore{zapcore.NewNopCore()}, time.Hour, 1, 0))
		logger.Check(zap.WarnLevel, "backend_error projects")
		suppressed(b, func() bool { return logger.Check(zap.WarnLevel, "backend_error projects") != nil })
	})
	b.Run("zerolog/BurstSampler", func(b *testing.B) {
		sampler := &zerolog.BurstSampler{Burst: 1, Period: time.Hour}
		sampler.Sample(zerolog.WarnLevel)
		suppressed(b, func() bool { return sampler.Sample(zerolog.WarnLevel) })
	})
	b.Run("rate/Sometimes", func(b *testing.B) {
		sometimes := rate.Sometimes{Interval: time.Hour}
		passed := false
		sometimes.Do(func() {})
		suppressed(b, func() bool { sometimes.Do(func() { passed = true }); return passed })
	})
	b.Run("rate/Limiter,sync.Map", func(b *testing.B) { // one per key, as an application would
		type key struct{ action, target string }
		var limiters sync.Map
		allow := func(k key) bool {
			l, ok := limiters.Load(k)
			if !ok {
				l, _ = limiters.LoadOrStore(k, rate.NewLimiter(rate.Every(time.Hour), 1))
			}
			return l.(*rate.Limiter).Allow()
		}
		allow(key{"backend_error", "projects"})
		suppressed(b, func() bool { return allow(key{"backend_error", "projects"}) })
	})
}

// enabledCore is a core that would write: zap asks it before its sampler counts.
type enabledCore struct{ zapcore.Core }

func (enabledCore) Enabled(zapcore.Level) bool { return true }
func (c enabledCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(e, c)
}
