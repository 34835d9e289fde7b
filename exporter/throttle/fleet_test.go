package throttle_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// TestAFleetWarnsOncePerPodAndMinute is an outage of five minutes: 200 pods, each
// with its own processor and 500 failing locks per second, 30 million failures.
// The race detector makes do with a tenth.
func TestAFleetWarnsOncePerPodAndMinute(t *testing.T) {
	const (
		pods      = 200
		perSecond = 500 / raceFactor
		outage    = 5 * time.Minute
		tick      = 100 * time.Millisecond
	)
	targets := []string{"projects", "orders", "users"}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		start := time.Now()
		sent := map[string][]time.Duration{} // times of the warnings by target
		var warnings, carried, summaries uint64
		next := func() *meter {
			return &meter{count: func(r *sdklog.Record) error {
				mu.Lock()
				defer mu.Unlock()
				carried += suppressed(t, r)
				if r.Severity() == log.SeverityInfo {
					summaries++
					return nil
				}
				warnings++
				target := attributes(r)["lock.target"].(string)
				sent[target] = append(sent[target], time.Since(start))
				return nil
			}}
		}
		prototypes := make([]sdklog.Record, len(targets))
		for i, target := range targets {
			prototypes[i] = factory(warning("backend_error", target, "timeout")...).NewRecord()
		}
		processors := make([]*throttle.Processor, pods)
		var wg sync.WaitGroup
		for pod := range processors {
			p := newProcessor(t, next())
			processors[pod] = p
			wg.Go(func() {
				records := slices.Clone(prototypes)
				n := pod // so that pods differ in what fails first
				for range outage / tick {
					for range perSecond * tick / time.Second {
						r := &records[n%len(records)]
						n++
						_ = p.OnEmit(context.Background(), r)
					}
					time.Sleep(tick)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Hour) // the timers, after the outage
		synctest.Wait()

		const occurrences = pods * perSecond * uint64(outage/time.Second)
		pending := uint64(0)
		for _, p := range processors {
			pending += p.Pending()
		}
		if warnings+carried != occurrences || pending != 0 {
			t.Errorf("%d warnings + %d carried, %d pending, want %d occurrences", warnings, carried, pending, occurrences)
		}
		for _, target := range targets {
			at := sent[target]
			if at[0] != 0 {
				t.Errorf("%s: the first warning came after %v, want it at once", target, at[0])
			}
			busiest := 0
			for i := range at { // any minute, not only those of the clock
				n := 0
				for _, later := range at[i:] {
					if later-at[i] >= time.Minute {
						break
					}
					n++
				}
				busiest = max(busiest, n)
			}
			if busiest > pods {
				t.Errorf("%s: %d warnings within a minute, want at most %d", target, busiest, pods)
			}
			t.Logf("%s: %d warnings, at most %d in a minute", target, len(at), busiest)
		}
		t.Logf("%d failures: %d warnings and %d summaries", occurrences, warnings, summaries)
	})
}
