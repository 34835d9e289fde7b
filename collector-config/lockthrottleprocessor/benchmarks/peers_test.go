package benchmarks

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/logdedupprocessor"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"
)

const batch = 1000

// BenchmarkBatch gives each processor batches of 1,000 warnings of locks, 40
// targets, as otellock emits them. All are suppressed, merged or filtered out.
func BenchmarkBatch(b *testing.B) {
	for _, peer := range []struct {
		name    string
		factory processor.Factory
		config  map[string]any
		counted bool
	}{
		{"lockthrottle", lockthrottleprocessor.NewFactory(), nil, false},
		{"lockthrottle/after_SDK_throttles", lockthrottleprocessor.NewFactory(), nil, true},
		{"log_dedup", logdedupprocessor.NewFactory(), map[string]any{
			"interval": "1h", "include_fields": []any{`attributes.lock\.action`, `attributes.lock\.target`},
		}, false},
		{"filter", filterprocessor.NewFactory(), map[string]any{
			"error_mode": "ignore", "log_conditions": []any{`log.attributes["lock.action"] != nil and log.attributes["lock.target"] != nil`},
		}, false},
	} {
		b.Run(peer.name, func(b *testing.B) {
			cfg := peer.factory.CreateDefaultConfig()
			if err := confmap.NewFromStringMap(peer.config).Unmarshal(cfg); err != nil {
				b.Fatal(err)
			}
			p, err := peer.factory.CreateLogs(b.Context(), processortest.NewNopSettings(peer.factory.Type()), cfg, consumertest.NewNop())
			if err != nil {
				b.Fatal(err)
			}
			if err := p.Start(b.Context(), componenttest.NewNopHost()); err != nil {
				b.Fatal(err)
			}
			run(b, p, warnings(peer.counted))
			if err := p.Shutdown(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
}

// run measures by the processor time that was used, as others use the machine too.
func run(b *testing.B, p processor.Logs, source plog.Logs) {
	batches := make([]plog.Logs, 50)
	var used time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += len(batches) {
		b.StopTimer()
		for i := range batches {
			batches[i] = plog.NewLogs()
			source.CopyTo(batches[i])
		}
		runtime.GC()
		before := processorTime(b)
		b.StartTimer()
		for _, logs := range batches[:min(len(batches), b.N-done)] {
			if err := p.ConsumeLogs(context.Background(), logs); err != nil {
				b.Fatal(err)
			}
		}
		used += processorTime(b) - before
	}
	b.ReportMetric(float64(b.N)*batch/used.Seconds(), "records/cpu-s")
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N)/batch, "cpu-ns/record")
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func warnings(counted bool) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	for k, v := range map[string]string{
		"service.namespace": "shop", "service.name": "api", "deployment.environment.name": "production",
		"service.instance.id": "1", "host.name": "host-1", "service.version": "1.2.3",
	} {
		rl.Resource().Attributes().PutStr(k, v)
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("github.com/otellock/otellock-go/otellock")
	for i := range batch {
		r := sl.LogRecords().AppendEmpty()
		r.SetSeverityNumber(plog.SeverityNumberWarn)
		r.SetEventName("lock.backend_error")
		r.Body().SetStr("lock backend failed")
		a := r.Attributes()
		a.PutStr("lock.action", "backend_error")
		a.PutStr("lock.target", fmt.Sprint("target-", i%40))
		if counted {
			a.PutInt("lock.report.suppressed_count", 7)
			a.PutStr("lock.report.suppressed_since", "2026-11-22T03:14:07.000Z")
		}
		a.PutStr("error.type", "timeout")
		a.PutStr("lock.key_pattern", "lock:target:*")
		a.PutStr("lock.backend.name", "redis")
		a.PutStr("lock.failure.policy", "open")
		a.PutStr("code.function.name", "main.handle")
		a.PutStr("code.file.path", "main.go")
		a.PutInt("code.line.number", 42)
		a.PutInt("lock.retries", 3)
		a.PutDouble("lock.wait", 0.25)
	}
	return logs
}
