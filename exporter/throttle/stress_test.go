package throttle_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// TestEveryOccurrenceIsAccountedForConcurrentSafe hammers processors whose next
// one errors, panics and blocks. Package internal/window checks every single
// decision; here it is the sum, from what the next processor really got.
func TestEveryOccurrenceIsAccountedForConcurrentSafe(t *testing.T) {
	for _, tc := range []struct {
		name    string
		maxKeys int
		gated   bool
	}{
		{"room for all", throttle.DefaultMaxKeys, false},
		{"room for all, gated", throttle.DefaultMaxKeys, true},
		{"eviction", 150, false},
		{"overflow", 8, false},
		{"overflow, gated", 8, true},
	} {
		t.Run(tc.name, func(t *testing.T) { stress(t, tc.maxKeys, tc.gated) })
	}
}

func stress(t *testing.T, maxKeys int, gated bool) {
	const goroutines, keys, rounds = 64, 200, 3
	reports := 1_000_000 / 5 / goroutines / rounds / min(raceFactor, 4) // a million over the five cases
	var calls, warnings atomic.Uint64
	var counts atomic.Uint64
	release := make(chan struct{})
	next := &meter{count: func(r *sdklog.Record) error {
		switch calls.Add(1) % 50 {
		case 0:
			return errBroken
		case 1:
			panic("boom")
		case 2:
			select { // block for longer than a window, or to the end
			case <-release:
			case <-time.After(3 * time.Millisecond):
			}
		}
		if r.Severity() >= log.SeverityWarn {
			warnings.Add(1)
		}
		counts.Add(suppressed(t, r))
		return nil
	}}
	p := newProcessor(t, next, throttle.WithWindow(time.Millisecond), throttle.WithMaxKeys(maxKeys))
	prototypes := make([]sdklog.Record, keys)
	gates := make([]func(time.Time, string) bool, keys)
	for i := range prototypes {
		target := fmt.Sprint("t", i)
		prototypes[i] = factory(warning("backend_error", target, "timeout")...).NewRecord()
		gates[i] = gateOf(p, "backend_error", target)
	}
	occurrences := uint64(0)
	// Between a downstream call's return and its settling, an occurrence is
	// counted on both sides; the timer may be there at any time.
	quiet := func(when string) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for {
			got := warnings.Load() + counts.Load() + p.Pending()
			if got == occurrences {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d accounted for, want %d", when, got, occurrences)
			}
		}
	}
	for round := range rounds {
		var wg sync.WaitGroup
		for range goroutines {
			rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
			wg.Go(func() {
				for range reports {
					k := rng.IntN(keys)
					now := time.Now()
					if gated && gates[k](now, "timeout") {
						continue
					}
					r := prototypes[k]
					r.SetObservedTimestamp(now)
					_ = p.OnEmit(context.Background(), &r)
				}
			})
		}
		wg.Wait()
		occurrences += uint64(goroutines * reports)
		quiet(fmt.Sprint("round ", round))
		_ = p.ForceFlush(context.Background())
		quiet("after ForceFlush")
	}
	close(release)
	_ = p.Shutdown(context.Background())
	quiet("after Shutdown")
	t.Logf("%d occurrences: %d warnings, %d carried, %d pending", occurrences, warnings.Load(), counts.Load(), p.Pending())
	if warnings.Load() < 1000 && maxKeys > keys {
		t.Errorf("%d warnings: the windows hardly turned over", warnings.Load())
	}
}

// meter counts what it gets, and keeps nothing.
type meter struct {
	sink
	count func(*sdklog.Record) error
}

func (m *meter) OnEmit(_ context.Context, r *sdklog.Record) error { return m.count(r) }
