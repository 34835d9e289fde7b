package throttle_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// TestAFloodOfKeysStaysWithinItsBound sends distinct targets, each on a record
// with a long stack, and some that are longer than a key may be.
func TestAFloodOfKeysStaysWithinItsBound(t *testing.T) {
	const bound = 8 << 20
	for _, tc := range []struct {
		name   string
		window time.Duration
		keys   int
	}{
		{"overflow", time.Hour, 1_000_000 / raceFactor},
		{"eviction", time.Millisecond, 100_000 / raceFactor},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := heap()
			var passed, carried atomic.Uint64
			p := newProcessor(t, &meter{count: func(r *sdklog.Record) error {
				if r.Severity() >= log.SeverityWarn {
					passed.Add(1)
				}
				carried.Add(suppressed(t, r))
				return nil
			}}, throttle.WithWindow(tc.window))
			attrs := warning("backend_error", "", "timeout")
			attrs[14] = attribute.String("exception.stacktrace", strings.Repeat("goroutine 1 [running]:\n", 400))
			r := factory(attrs...).NewRecord()
			long := strings.Repeat("x", 1000)
			for i := range tc.keys {
				target := fmt.Sprint("tenant-", i)
				if i%100 == 0 {
					target += long
				}
				r.AddAttributes(attribute.String("lock.target", target))
				if err := p.OnEmit(context.Background(), &r); err != nil {
					t.Fatal(err)
				}
			}
			after := heap()
			t.Logf("%d KiB before, %d KiB after %d keys, of which %d passed", before>>10, after>>10, tc.keys, passed.Load())
			if after > before+bound {
				t.Errorf("the heap grew by %d KiB, want at most %d", (after-before)>>10, bound>>10)
			}
			if tc.window == time.Hour && passed.Load() != throttle.DefaultMaxKeys+1 {
				t.Errorf("%d passed, want one for each key in the table and one for all others", passed.Load())
			}
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if got := passed.Load() + carried.Load() + p.Pending(); got != uint64(tc.keys) {
				t.Errorf("%d accounted for, want %d", got, tc.keys)
			}
		})
	}
}

func TestNoKeyKeepsTheBodyOfItsRecord(t *testing.T) {
	const bound = 4096 // bytes a key
	before := heap()
	p := newProcessor(t, nil)
	for i := range throttle.DefaultMaxKeys {
		f := factory(warning("backend_error", fmt.Sprint("tenant-", i), "timeout")...)
		f.Body = attribute.StringValue(strings.Repeat("x", 32<<10))
		r := f.NewRecord()
		if err := p.OnEmit(context.Background(), &r); err != nil {
			t.Fatal(err)
		}
	}
	if n := (heap() - before) / throttle.DefaultMaxKeys; n > bound && n < 1<<40 { // not below before
		t.Errorf("a key takes %d bytes, want at most %d", n, bound)
	}
	runtime.KeepAlive(p)
}

// heap returns the bytes of live objects.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first left to finalizers and pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAFloodOfKeysMakesABoundedNumberOfSeries(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	const maxKeys = 16
	p := newProcessor(t, nil, throttle.WithWindow(time.Millisecond), throttle.WithMaxKeys(maxKeys), throttle.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	for i := range 10_000 {
		emit(t, p, attribute.String("lock.action", fmt.Sprint("action", i%100)), attribute.String("lock.target", fmt.Sprint("t", i)))
	}
	series, _ := collect(t, reader)
	const otherActions = 9 // eight, and one for the rest
	if most := 2*maxKeys + 3*otherActions; len(series) != most {
		t.Errorf("%d series, want %d", len(series), most)
	}
	sum := int64(0)
	for _, v := range series {
		sum += v
	}
	if sum != 10_000 {
		t.Errorf("they count %d, want 10000", sum)
	}
}
