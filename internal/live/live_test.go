package live

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

func TestQuantilesAreAtMostAnEighthOff(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var h histogram
		limit := time.Duration(1) << (10 + random.IntN(38))
		var all []time.Duration
		for range 1 + random.IntN(300) {
			d := time.Duration(random.Int64N(int64(limit)))
			all = append(all, d)
			h.add(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0.5, 0.99, 1} {
			want := all[int(float64(len(all))*q+0.999999)-1]
			got := h.quantile(q)
			if diff := (got - want).Abs(); diff > want/8+time.Microsecond {
				t.Fatalf("the %v quantile of %d durations up to %v is %v, want %v", q, len(all), limit, got, want)
			}
		}
	}
}

func TestADurationBeyondTheLastBucketIsCounted(t *testing.T) {
	var h histogram
	h.add(1 << 62)
	h.add(-time.Second) // a clock that went back
	if h.count != 2 || h.quantile(1) <= 0 {
		t.Errorf("count %d, quantile %v", h.count, h.quantile(1))
	}
}

func TestStacksAreBoundedAndCostsStayExact(t *testing.T) {
	table := costTable{table: map[costKey]*Cost{}}
	const stacks = maxStacks + 500
	for i := range stacks {
		s := stack{n: 1}
		s.frames[0] = uintptr(i + 1)
		table.add("projects", &s, time.Millisecond)
	}
	var contentions int64
	var delay time.Duration
	for _, c := range table.table {
		contentions += c.Contentions
		delay += c.Delay
	}
	if contentions != stacks || delay != stacks*time.Millisecond || len(table.table) != maxStacks+1 {
		t.Errorf("%d contentions, %v, %d stacks", contentions, delay, len(table.table))
	}
}

func TestEntriesComeAndGoFromManyGoroutines(t *testing.T) {
	target := NewTarget("busy", "lock:busy:*", "memory")
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 200 {
				w := Wait(target, 1, trace.TraceID{1}, time.Now(), 0)
				w.Behind(trace.TraceID{2})
				w.Stop(time.Now())
				h := Hold(target, 1, trace.TraceID{1}, time.Now(), time.Now())
				h.Extended(time.Now())
				h.Fenced(7)
				h.End()
				target.Fail("backend_error", "timeout", true, time.Now(), trace.TraceID{})
				Locks()
			}
		})
	}
	group.Wait()
	held, waiting := Locks()
	if len(held)+len(waiting) != 0 {
		t.Errorf("%d held and %d waiting are left", len(held), len(waiting))
	}
	for _, c := range Contentions() {
		if c.Target == target && c.Waits != 16*200 {
			t.Errorf("%d waits, want %d", c.Waits, 16*200)
		}
	}
	for _, f := range Failures() {
		if f.Target == target && (f.Count != 16*200 || f.HeldBack != 16*200) {
			t.Errorf("%+v", f.Failure)
		}
	}
}

func TestANilEntryAllowsEverything(t *testing.T) {
	var e *Entry
	e.Behind(trace.TraceID{})
	e.Extended(time.Time{})
	e.Fenced(1)
	e.Stop(time.Time{})
	e.End()
}

func BenchmarkHoldAndEnd(b *testing.B) {
	target := NewTarget("bench", "lock:bench:*", "memory")
	b.ReportAllocs()
	for b.Loop() {
		Hold(target, KeyOf("lock:bench:1"), trace.TraceID{1}, time.Now(), time.Now()).End()
	}
}

// A release may overtake an extend, which ends later.
func TestWhatIsSaidOfALockThatHasEndedIsSaidOfNoOther(t *testing.T) {
	target := NewTarget("ended", "lock:ended:*", "memory")
	deadline := time.Now().Add(time.Minute)
	for range 100 { // a pool need not return what was put into it
		ended := Hold(target, 1, trace.TraceID{1}, time.Now(), deadline)
		ended.End()
		next := Hold(target, 2, trace.TraceID{2}, time.Now(), deadline)
		ended.Extended(deadline.Add(time.Hour))
		ended.Fenced(7)
		held, _ := Locks()
		if len(held) != 1 || held[0].Deadline != deadline || held[0].Extends != 0 || held[0].Fence != 0 {
			t.Fatalf("held: %+v", held)
		}
		next.End()
	}
}
