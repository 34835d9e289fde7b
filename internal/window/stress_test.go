package window

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNeverTwoInAWindowNeverNoneWhereDueConcurrentSafe runs 64 goroutines and a
// million reports over 200 keys, while windows turn over thousands of times, and
// checks every single decision against the others.
func TestNeverTwoInAWindowNeverNoneWhereDueConcurrentSafe(t *testing.T) {
	for _, cfg := range []Config{
		{Period: time.Millisecond},                   // room for all
		{Period: time.Millisecond, MaxKeys: 150},     // eviction
		{Period: 200 * time.Microsecond, MaxKeys: 8}, // mostly overflow
	} {
		for _, gated := range []bool{false, true} {
			t.Run(fmt.Sprintf("keys=%d/gated=%v", cfg.MaxKeys, gated), func(t *testing.T) {
				stress(t, cfg, gated)
			})
		}
	}
}

const (
	stressKeys       = 200
	stressGoroutines = 64
	stressReports    = 1_000_000
	stressPhases     = 5
)

// decision is what became of one report.
type decision struct {
	key           int
	before, after int64 // by the window's clock; before is what Admit was told
	at            int64 // the anchor it set; 0: held back
	overflow      bool
}

func stress(t *testing.T, cfg Config, gated bool) {
	var summarized atomic.Uint64
	var tick atomic.Uint64
	summarize := func(c *Claim) error {
		switch tick.Add(1) % 7 {
		case 0:
			return errBroken
		case 1:
			panic("boom")
		}
		summarized.Add(c.Suppressed)
		return nil
	}
	cfg.Summary = summarize
	w := newWindow(t, cfg)
	targets := make([]string, stressKeys)
	gates := make([]func(time.Time, string) bool, stressKeys)
	for i := range targets {
		targets[i] = fmt.Sprint("t", i)
		gates[i] = gateOf(w, "a", targets[i])
	}
	types := []string{"timeout", "eof", "NOAUTH", ""}
	logs := make([][]decision, stressGoroutines)
	var occurrences, records, carried atomic.Uint64

	phase := func(reports int) {
		var wg sync.WaitGroup
		for g := range stressGoroutines {
			rng := rand.New(rand.NewPCG(uint64(g), rand.Uint64()))
			wg.Go(func() {
				for i := range reports {
					k := rng.IntN(stressKeys)
					if i%4 != 0 {
						k = rng.IntN(4) // some keys are hot, so that many meet at an edge
					}
					now := time.Now()
					d := decision{key: k, before: w.at(now)}
					occurrences.Add(1)
					if !gated || !gates[k](now, types[i%4]) {
						if c := w.Admit(now, types[i%4], "a", targets[k]); c != nil {
							d.at, d.overflow = c.at, c.Overflow
							if i%5 == 0 {
								c.Failed()
							} else {
								records.Add(1)
								carried.Add(c.Suppressed)
								c.Delivered()
							}
						}
					}
					d.after = w.now()
					logs[g] = append(logs[g], d)
				}
			})
		}
		wg.Wait()
	}
	check := func(when string) {
		t.Helper()
		// A quiet moment needs a timer that does not hand counts over while
		// they are added up.
		var got uint64
		for range 1000 {
			before := tick.Load()
			s := summarized.Load()
			got = records.Load() + carried.Load() + s + w.Pending()
			if s == summarized.Load() && before == tick.Load() && got == occurrences.Load() {
				return
			}
			runtime.Gosched()
		}
		t.Fatalf("%s: %d accounted for, want %d", when, got, occurrences.Load())
	}
	for i := range stressPhases {
		phase(stressReports / stressPhases / stressGoroutines)
		check(fmt.Sprint("after phase ", i))
		if err := w.Flush(context.Background(), summarize); err != nil && !errors.Is(err, errBroken) {
			t.Log(err) // a panic, made an error
		}
		check("after a flush")
	}
	for range 100 { // failing one in three, until nothing is left
		if w.Close(context.Background(), summarize); w.Pending() == 0 {
			break
		}
	}
	check("after Close")
	wantPending(t, w, 0)

	var sum uint64
	totalsOf(w, func(_ int, row total) { sum += row.Emitted + row.Suppressed + row.Overflow })
	if sum != occurrences.Load() {
		t.Errorf("totals of %d, want %d", sum, occurrences.Load())
	}
	turns := checkDecisions(t, slices.Concat(logs...), int64(cfg.Period))
	t.Logf("%d reports, %d windows, %d records", occurrences.Load(), turns, records.Load())
	if turns < 3000 {
		t.Errorf("windows turned over %d times, want thousands", turns)
	}
}

// checkDecisions verifies that no two reports of a key (or two at the overflow
// gate) were let through within a period, and that each that was held back had
// one let through less than a period before it. It returns the number let
// through.
func checkDecisions(t *testing.T, all []decision, period int64) (claims int) {
	var byKey [stressKeys][]int64
	var overflow []int64
	for _, d := range all {
		if d.at == 0 {
			continue
		}
		claims++
		byKey[d.key] = append(byKey[d.key], d.at)
		if d.overflow {
			overflow = append(overflow, d.at)
		}
	}
	for key, at := range append(byKey[:], overflow) {
		slices.Sort(at)
		for i := 1; i < len(at); i++ {
			if gap := at[i] - at[i-1]; gap < period {
				t.Fatalf("key %d: two let through %v apart", key, time.Duration(gap))
			}
		}
	}
	// justified: some claim lies in (before-period, after].
	justified := func(at []int64, d decision) bool {
		i, _ := slices.BinarySearchFunc(at, d.before-period, func(a, b int64) int { return cmp.Compare(a, b+1) })
		return i < len(at) && at[i] <= d.after
	}
	for _, d := range all {
		if d.at == 0 && !justified(byKey[d.key], d) && !justified(overflow, d) {
			t.Fatalf("key %d: held back between %v and %v with nothing let through in the period before", d.key, time.Duration(d.before), time.Duration(d.after))
		}
	}
	return claims
}

func TestOneOfManyAtTheEdgeOfAWindowPassesConcurrentSafe(t *testing.T) {
	w := newWindow(t, Config{})
	var start, done sync.WaitGroup
	for round := range 200 {
		var passed atomic.Uint64
		var carried atomic.Uint64
		start.Add(1)
		for range 16 {
			done.Go(func() {
				start.Wait()
				if c := w.Admit(time.Now(), "", "a", "t"); c != nil {
					passed.Add(1)
					carried.Add(c.Suppressed)
					c.Delivered()
				}
			})
		}
		start.Done()
		done.Wait()
		if passed.Load() != 1 {
			t.Fatalf("round %d: %d of 16 let through, want 1", round, passed.Load())
		}
		age(w, time.Minute)
	}
}

func TestTotalsNeverFallConcurrentSafe(t *testing.T) {
	w := newWindow(t, Config{Period: 50 * time.Microsecond, MaxKeys: 3})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if c := w.Admit(time.Now(), "", "a", fmt.Sprint("t", (i+g)%5)); c != nil {
					if i%3 == 0 {
						c.Failed()
					} else {
						c.Delivered()
					}
				}
			}
		})
	}
	last := map[int]total{}
	for range 2000 {
		totalsOf(w, func(i int, row total) {
			if old := last[i]; row.Emitted < old.Emitted || row.Suppressed < old.Suppressed || row.Overflow < old.Overflow {
				t.Errorf("row %d fell from %+v to %+v", i, old, row)
			}
			last[i] = row
		})
	}
	close(stop)
	wg.Wait()
}
