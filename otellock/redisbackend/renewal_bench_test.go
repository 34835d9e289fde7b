package redisbackend_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
)

// What each option costs a Do that nobody else is in the way of: allocations and
// commands by the sub-benchmarks, the ratio of the medians of one run by "together".
//
//	go test . -run '^$' -bench 'BenchmarkOptions' -benchmem
func BenchmarkOptions(b *testing.B) {
	server := redistest.Start(b)
	rdb := redis.NewClient(redisbackend.Options(server.Addr))
	defer rdb.Close()
	var sent commandCounter
	rdb.AddHook(&sent)
	locker, err := otellock.New(newBackend(b, rdb),
		otellock.WithTracerProvider(tracenoop.NewTracerProvider()), otellock.WithMeterProvider(metricnoop.NewMeterProvider()))
	if err != nil {
		b.Fatal(err)
	}
	defer locker.Close(context.Background())
	nothing := func(context.Context) error { return nil }
	type way struct {
		name string
		m    otellock.Mutex
	}
	var ways []way
	for _, w := range []struct {
		name string
		opts []otellock.LockOption
	}{
		{"a-token-only", []otellock.LockOption{otellock.WithHolderInfo(false)}},
		{"default", nil},
		{"cancel-on-loss", []otellock.LockOption{otellock.WithCancelOnLoss(true)}},
		{"renewed", []otellock.LockOption{otellock.WithAutoExtend(time.Hour)}},
		{"renewed-and-cancelled", []otellock.LockOption{otellock.WithAutoExtend(time.Hour), otellock.WithCancelOnLoss(true)}},
		{"fenced", []otellock.LockOption{otellock.WithFencing()}},
	} {
		ways = append(ways, way{w.name, locker.UndeclaredMutex("bench:" + w.name).With(w.opts...)})
	}
	do := func(w way) {
		if err := w.m.Do(b.Context(), nothing); err != nil {
			b.Fatal(err)
		}
	}
	for _, w := range ways {
		do(w) // connect, and teach the server the scripts
	}
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			before := sent.n.Load()
			n := 0
			for b.Loop() {
				do(w)
				n++
			}
			b.ReportMetric(float64(sent.n.Load()-before)/float64(n), "commands/op")
		})
	}
	b.Run("together", func(b *testing.B) {
		took := make([][]time.Duration, len(ways))
		for b.Loop() {
			for i, w := range ways {
				start := time.Now()
				do(w)
				took[i] = append(took[i], time.Since(start))
			}
		}
		median := func(i int) float64 {
			slices.Sort(took[i])
			return float64(took[i][len(took[i])/2])
		}
		for i, w := range ways {
			b.ReportMetric(median(i)/median(0), w.name+"/token-only")
		}
	})
}

// A commandCounter counts what the client sends.
type commandCounter struct{ n atomic.Int64 }

func (c *commandCounter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commandCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *commandCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

var (
	leases  = flag.Int("leases", 10_000, "how many leases BenchmarkRenewedLeases holds")
	holdFor = flag.Duration("hold", 10*time.Second, "for how long")
)

// What holding many renewed leases costs, while nothing else happens:
//
//	go test . -run '^$' -bench BenchmarkRenewedLeases -benchtime 1x -hold 1m
func BenchmarkRenewedLeases(b *testing.B) {
	server := redistest.Start(b)
	rdb := redis.NewClient(redisbackend.Options(server.Addr))
	defer rdb.Close()
	var sent commandCounter
	rdb.AddHook(&sent)
	locker, err := otellock.New(newBackend(b, rdb), otellock.WithFailClosed(true), otellock.WithAutoExtend(time.Hour),
		otellock.WithTracerProvider(tracenoop.NewTracerProvider()), otellock.WithMeterProvider(metricnoop.NewMeterProvider()))
	if err != nil {
		b.Fatal(err)
	}
	defer locker.Close(context.Background())
	for b.Loop() {
		held := make([]*otellock.Lease, *leases)
		heap := inUse()
		var group sync.WaitGroup
		for w := range 8 {
			group.Go(func() {
				for i := w; i < len(held); i += 8 {
					lease, err := locker.UndeclaredMutex(fmt.Sprint("bench:", i)).Lock(b.Context())
					if err != nil {
						b.Error(err)
						return
					}
					held[i] = lease
				}
			})
		}
		group.Wait()
		b.ReportMetric(float64(inUse()-heap)/float64(len(held)), "B/lease")
		before, cpu, most := sent.n.Load(), cpuTime(b), 0
		var goroutines []int
		for end := time.Now().Add(*holdFor); time.Now().Before(end); {
			<-time.After(20 * time.Millisecond)
			n := runtime.NumGoroutine()
			goroutines, most = append(goroutines, n), max(most, n)
		}
		slices.Sort(goroutines)
		b.ReportMetric(float64(sent.n.Load()-before)/holdFor.Seconds(), "commands/s")
		b.ReportMetric(float64(cpuTime(b)-cpu)/float64(*holdFor)*100, "%CPU")
		b.ReportMetric(float64(goroutines[len(goroutines)/2]), "goroutines-p50")
		b.ReportMetric(float64(most), "goroutines-max")
		lost := 0
		for _, lease := range held {
			if !lease.Protected() {
				lost++
			}
			_ = lease.Release(b.Context())
		}
		b.ReportMetric(float64(lost), "lost")
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
