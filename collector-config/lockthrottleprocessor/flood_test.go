package lockthrottleprocessor

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/consumer/consumertest"
)

func TestMemoryIsFlatOverAMillionKeys(t *testing.T) {
	const bound, keys = 16 << 20, 1_000_000
	next := consumertest.NewNop()
	p := newProcessor(t, next, func(cfg *Config) { cfg.Window = time.Hour })
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what the first left to finalizers and pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	stack := strings.Repeat("goroutine 1 [running]:\n", 100)
	before, peak := heap(), uint64(0)
	for i := 0; i < keys; i += 1000 {
		batch := make([]record, 1000)
		for j := range batch {
			batch[j] = lock(fmt.Sprint("tenant-", i+j), record{"exception.stacktrace": stack})
		}
		consume(t, p, from(1, batch...))
		if i%100_000 == 0 {
			now := heap()
			peak = max(peak, now)
			t.Logf("%7d keys: %5d KiB, %d in the table, %d records pending", i+1000, now>>10, p.window.Keys(), p.window.Pending())
		}
	}
	if peak = max(peak, heap()); peak > before+bound {
		t.Errorf("the heap grew by %d KiB, want at most %d", (peak-before)>>10, bound>>10)
	}
	if n := p.window.Pending(); n != keys-4097 {
		t.Errorf("%d pending, want all but one for each key in the table and one for all others", n)
	}
}

func TestConcurrentBatchesAreExactConcurrentSafe(t *testing.T) {
	const senders, batches, each = 16, 50, 40
	next := &sink{}
	p := newProcessor(t, next, func(cfg *Config) { cfg.Window = time.Millisecond })
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for b := range batches {
				records := make([]record, each)
				for i := range records {
					records[i] = lock(fmt.Sprint("t", i%7), record{count: b % 3})
				}
				if b%5 == 0 {
					records = append(records, record{"other": b})
				}
				if err := p.ConsumeLogs(t.Context(), from(s, records...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	want := int64(0)
	for b := range batches {
		want += senders * each * int64(1+b%3)
	}
	got := int64(0)
	for _, r := range next.take() {
		if r.attr("other") != nil {
			continue
		}
		if r.EventName() != summaryEvent {
			got++
		}
		got += r.attr(count).(int64)
	}
	if got != want {
		t.Errorf("%d accounted for, want %d", got, want)
	}
}
