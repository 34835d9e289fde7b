package window

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newWindow(t testing.TB, cfg Config) *Window {
	t.Helper()
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// pass admits a report that has to be let through, and delivers it.
func pass(t testing.TB, w *Window, action, target, errorType string) *Claim {
	t.Helper()
	c := w.Admit(action, target, errorType, time.Now())
	if c == nil {
		t.Fatalf("%s %s was held back, want it let through", action, target)
	}
	c.Delivered()
	return c
}

func hold(t testing.TB, w *Window, action, target, errorType string) {
	t.Helper()
	if c := w.Admit(action, target, errorType, time.Now()); c != nil {
		t.Fatalf("%s %s was let through with %d, want it held back", action, target, c.Suppressed)
	}
}

func wantPending(t testing.TB, w *Window, want uint64) {
	t.Helper()
	if got := w.Pending(); got != want {
		t.Fatalf("Pending() = %d, want %d", got, want)
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, cfg := range []Config{
		{Period: MaxPeriod + 1},
		{MaxKeys: -1},
		{MaxKeys: MaxMaxKeys + 1},
	} {
		if w, err := New(cfg); err == nil || w != nil {
			t.Errorf("New(%+v) = %v, %v, want an error alone", cfg, w, err)
		}
	}
	for _, cfg := range []Config{{}, {Period: MaxPeriod, MaxKeys: 1}} {
		if _, err := New(cfg); err != nil {
			t.Errorf("New(%+v): %v", cfg, err)
		}
	}
}

func TestAWindowEndsAtItsLastNanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		if c := pass(t, w, "a", "t", ""); c.Suppressed != 0 {
			t.Errorf("the first carries %d", c.Suppressed)
		}
		hold(t, w, "a", "t", "")
		time.Sleep(time.Minute - time.Nanosecond)
		hold(t, w, "a", "t", "")
		time.Sleep(time.Nanosecond)
		if c := pass(t, w, "a", "t", ""); c.Suppressed != 2 {
			t.Errorf("carries %d, want 2", c.Suppressed)
		}
		// The next window is anchored at the report just let through.
		time.Sleep(time.Minute - time.Nanosecond)
		hold(t, w, "a", "t", "")
		time.Sleep(time.Hour)
		if c := pass(t, w, "a", "t", ""); c.Suppressed != 1 {
			t.Errorf("carries %d, want 1", c.Suppressed)
		}
		wantPending(t, w, 0)
	})
}

func TestKeysHaveWindowsOfTheirOwn(t *testing.T) {
	w := newWindow(t, Config{})
	long := strings.Repeat("x", MaxKeyBytes/2)
	for _, key := range [][2]string{
		{"backend_error", "projects"}, {"backend_error", "orders"}, {"release_error", "projects"},
		{"", ""}, {"", "projects"}, {"a", ""}, {"projects", "backend_error"}, {"ab", "c"}, {"a", "bc"},
		{long, long}, {"extend_error", "x"}, {"backend_error", "x"},
	} {
		if c := pass(t, w, key[0], key[1], ""); c.Overflow || c.Action != key[0] || c.Target != key[1] {
			t.Errorf("%q: claim for %q, %q, overflow %v", key, c.Action, c.Target, c.Overflow)
		}
		hold(t, w, key[0], key[1], "")
	}
}

func TestNegativePeriodHoldsNothingBack(t *testing.T) {
	w := newWindow(t, Config{Period: -1, MaxKeys: 2})
	gate := w.Gate("a", "t0")
	for i := range 100 {
		if gate(time.Now(), "") {
			t.Fatal("the gate holds back")
		}
		if c := pass(t, w, "a", fmt.Sprint("t", i%5), ""); c.Suppressed != 0 {
			t.Fatalf("carries %d", c.Suppressed)
		}
	}
	c := w.Admit("a", "t0", "", time.Now())
	c.Failed()
	wantPending(t, w, 0)
	var emitted uint64
	w.Totals(func(_ int, t Totals) { emitted += t.Emitted })
	if emitted != 100 {
		t.Errorf("%d emitted, want 100", emitted)
	}
}

// TestTheWallClockChangesNothing moves the wall clock of the timestamps that
// callers give, and leaves their monotonic readings alone, which is what a
// stepped clock does.
func TestTheWallClockChangesNothing(t *testing.T) {
	if !timeLayoutKnown {
		t.Fatal("package time has changed its layout: timestamps are taken apart slowly")
	}
	stepped := func(d time.Duration) time.Time {
		now := time.Now()
		words(&now).wall += uint64(int64(d/time.Second)) << 30
		if got := now.Round(0).Sub(time.Now().Round(0)).Round(time.Second); got != d {
			t.Fatalf("the wall clock moved by %v, want %v", got, d)
		}
		return now
	}
	for _, portable := range []bool{false, true} {
		w := newWindow(t, Config{})
		if portable {
			w.monoBit = 0
		}
		gate := w.Gate("a", "t")
		pass(t, w, "a", "t", "")
		for i, d := range []time.Duration{time.Hour, -time.Hour, -365 * 24 * time.Hour, 10 * time.Minute} {
			if w.Admit("a", "t", "", stepped(d)) != nil {
				t.Errorf("let through within its window, stepped by %v", d)
			}
			if !gate(stepped(d), "") {
				t.Errorf("the gate let through within the window, stepped by %v", d)
			}
			wantPending(t, w, uint64(2*i+2))
		}
		age(w, time.Minute)
		if gate(stepped(-time.Hour), "") {
			t.Error("the gate held back after the window")
		}
		if c := w.Admit("a", "t", "", stepped(-time.Hour)); c == nil || c.Suppressed != 8 {
			t.Errorf("claim %+v after the window, want one that carries 8", c)
		}
	}
}

// age makes what is in the table older. Timestamps within a synctest bubble
// carry no monotonic reading, so tests of such readings need real ones.
func age(w *Window, d time.Duration) {
	older := func(e *entry) bool {
		e.anchor.Add(int64(-d))
		e.seen.Add(int64(-d))
		e.fresh.Store(never)
		return true
	}
	older(w.overflow)
	w.each(older)
}

func TestTimestampsAreBelievedForHoldingBackOnly(t *testing.T) {
	for _, portable := range []bool{false, true} {
		w := newWindow(t, Config{})
		if portable {
			w.monoBit = 0
		}
		pass(t, w, "a", "t", "")
		now := time.Now()
		admit := func(at time.Time) bool { return w.Admit("a", "t", "", at) != nil }
		for name, at := range map[string]time.Time{
			"from the future":                      now.Add(time.Hour),
			"from before the window":               now.Add(-time.Hour),
			"without a monotonic reading":          now.Round(0),
			"without one, from the future":         now.Round(0).Add(time.Hour),
			"in UTC, which strips the reading":     now.UTC(),
			"the zero time":                        {},
			"from the end of what a Time can hold": time.Unix(math.MaxInt32, 0),
		} {
			if admit(at) {
				t.Errorf("%s: let through within the window", name)
			}
		}
		age(w, time.Minute)
		if admit(now.Add(-time.Second)) {
			t.Error("an occurrence of the old window was let through")
		}
		for name, at := range map[string]time.Time{
			"from before the window":      now.Add(-time.Hour),
			"from the future":             now.Add(time.Hour),
			"without a monotonic reading": now.Round(0).Add(-time.Hour),
			"the zero time":               {},
		} {
			if !admit(at) {
				t.Errorf("%s: held back after the window", name)
			}
			age(w, time.Minute)
		}
	}
}

func TestAClaimSaysWhatWasHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		first := time.Now()
		c := pass(t, w, "a", "t", "timeout")
		if !c.Since.Equal(first) || c.ErrorTypes != nil {
			t.Errorf("the first says since %v, types %q", c.Since, c.ErrorTypes)
		}
		time.Sleep(time.Second)
		for range 1000 {
			hold(t, w, "a", "t", "timeout")
		}
		hold(t, w, "a", "t", "NOAUTH")
		hold(t, w, "a", "t", "")
		time.Sleep(time.Hour)
		c = pass(t, w, "a", "t", "eof")
		if c.Suppressed != 1002 || !c.Since.Equal(first) || !slices.Equal(c.ErrorTypes, []string{"NOAUTH", "timeout"}) {
			t.Errorf("%d since %v of %q, want 1002 since %v of NOAUTH and timeout", c.Suppressed, c.Since, c.ErrorTypes, first)
		}
		second := time.Now()
		time.Sleep(time.Hour)
		c = pass(t, w, "a", "t", "eof")
		if c.Suppressed != 0 || !c.Since.Equal(second) || c.ErrorTypes != nil {
			t.Errorf("%d since %v of %q, want nothing since %v", c.Suppressed, c.Since, c.ErrorTypes, second)
		}
	})
}

func TestFailedClaimsAreCarriedByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		first := time.Now()
		w.Admit("a", "t", "eof", first).Failed()
		wantPending(t, w, 1)
		hold(t, w, "a", "t", "timeout") // a broken destination is tried once per window
		time.Sleep(time.Minute)
		c := w.Admit("a", "t", "", time.Now())
		wantPending(t, w, 3) // in the caller's hands
		c.Failed()
		c.Failed()
		c.Delivered()
		wantPending(t, w, 3)
		time.Sleep(time.Minute)
		c = w.Admit("a", "t", "", time.Now())
		if c.Suppressed != 3 || !c.Since.Equal(first) || !slices.Equal(c.ErrorTypes, []string{"eof", "timeout"}) {
			t.Errorf("%d since %v of %q, want 3 since %v of eof and timeout", c.Suppressed, c.Since, c.ErrorTypes, first)
		}
		c.Delivered()
		c.Failed()
		wantPending(t, w, 0)
		wantTotals(t, w, Totals{"a", "t", 1, 3, 0})
	})
}

func TestCountsOfAnUpstreamWindowJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		start := time.Now()
		up := Upstream{Suppressed: 10, Since: start.Add(-time.Hour), ErrorTypes: []string{"eof"}}
		c := w.AdmitUpstream("a", "t", "timeout", up)
		if c.Suppressed != 10 || !c.Since.Equal(up.Since) || !slices.Equal(c.ErrorTypes, []string{"eof"}) {
			t.Errorf("%+v", c)
		}
		wantPending(t, w, 11)
		c.Failed()
		wantPending(t, w, 11)
		if w.AdmitUpstream("a", "t", "NOAUTH", Upstream{Suppressed: 4, Since: start.Add(-2 * time.Hour), ErrorTypes: []string{"closed"}}) != nil {
			t.Fatal("let through within its window")
		}
		hold(t, w, "a", "t", "")
		wantPending(t, w, 17)
		time.Sleep(time.Minute)
		c = w.Admit("a", "t", "", time.Now())
		c.Join(Upstream{Suppressed: 3, Since: start.Add(-3 * time.Hour), ErrorTypes: []string{"lost"}})
		wantPending(t, w, 21)
		if c.Suppressed != 20 || !c.Since.Equal(start.Add(-3*time.Hour)) || !slices.Equal(c.ErrorTypes, []string{"NOAUTH", "closed", "eof", "lost", "timeout"}) {
			t.Errorf("%+v", c)
		}
		c.Delivered()
		wantPending(t, w, 0)
		wantTotals(t, w, Totals{"a", "t", 0, 1, 0}) // upstream counted the others
	})
}

func TestAnUpstreamCountCannotWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		up := Upstream{Suppressed: math.MaxUint64}
		w.AdmitUpstream("a", "t", "", up).Failed()
		for range 10 {
			if w.AdmitUpstream("a", "t", "", up) != nil {
				t.Fatal("let through")
			}
			hold(t, w, "a", "t", "")
		}
		wantPending(t, w, 1<<62)
		time.Sleep(time.Minute)
		if c := pass(t, w, "a", "t", ""); c.Suppressed != 1<<62 {
			t.Errorf("carries %d", c.Suppressed)
		}
		wantPending(t, w, 0)
	})
}

func TestErrorTypesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		pass(t, w, "a", "t", "")
		for i := range 9 {
			hold(t, w, "a", "t", fmt.Sprintf("type%02d", i))
		}
		time.Sleep(time.Minute)
		want := []string{"type00", "type01", "type02", "type03", "type04", "type05", "type06", "type07"}
		if c := pass(t, w, "a", "t", ""); !slices.Equal(c.ErrorTypes, want) {
			t.Errorf("types %q, want %q", c.ErrorTypes, want)
		}
		for i := range 100 {
			hold(t, w, "a", "t", fmt.Sprintf("more%02d", i))
		}
		time.Sleep(time.Minute)
		pass(t, w, "a", "t", "")
		for _, name := range []string{"more99", "more00", strings.Repeat("x", maxErrorTypeBytes+1), Other} {
			hold(t, w, "a", "t", name)
		}
		time.Sleep(time.Minute)
		if c := pass(t, w, "a", "t", ""); !slices.Equal(c.ErrorTypes, []string{Other, "more00"}) {
			t.Errorf("types %q, want %s for all but more00", c.ErrorTypes, Other)
		}
	})
}

func TestErrorTypesThatCollideAreToldApart(t *testing.T) {
	w := newWindow(t, Config{})
	seen := map[uint64]string{}
	for i := range maxErrorTypes {
		name := fmt.Sprintf("x%02dy", i) // all in one slot
		bit := w.types.bit(name)
		if other := seen[bit]; other != "" {
			t.Fatalf("%s and %s share a bit", name, other)
		}
		seen[bit] = name
		if again := w.types.bit(strings.Clone(name)); again != bit {
			t.Fatalf("%s has two bits", name)
		}
	}
	if w.types.bit("x99y") != otherTypeBit {
		t.Error("a type too many has a bit of its own")
	}
}

func TestACountNeverRunsIntoTheErrorTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		pass(t, w, "a", "t", "")
		hold(t, w, "a", "t", "timeout")
		e := w.find(w.hash("a", "t"), "a", "t")
		e.word.Add(spillAt - 4) // as many reports again
		for range 10 {
			hold(t, w, "a", "t", "timeout")
		}
		const want uint64 = spillAt - 4 + 11
		wantPending(t, w, want)
		if n := uint32(e.word.Load()); n > 10 {
			t.Errorf("the word still holds %d", n)
		}
		wantTotals(t, w, Totals{"a", "t", 1, want, 0})
		time.Sleep(time.Minute)
		if c := pass(t, w, "a", "t", ""); c.Suppressed != want || !slices.Equal(c.ErrorTypes, []string{"timeout"}) {
			t.Errorf("%d of %q, want %d of timeout", c.Suppressed, c.ErrorTypes, want)
		}
		wantTotals(t, w, Totals{"a", "t", 2, want, 0})
	})
}

func TestHoldingBackAllocatesNothing(t *testing.T) {
	w := newWindow(t, Config{MaxKeys: 1})
	pass(t, w, "a", "t", "")
	pass(t, w, "a", "overflow", "")
	gate, overflowGate := w.Gate("a", "t"), w.Gate("a", "another")
	long := strings.Repeat("x", MaxKeyBytes)
	types := []string{"timeout", "eof", "NOAUTH"}
	i := 0
	for name, f := range map[string]func(errorType string) bool{
		"admit":            func(typ string) bool { return w.Admit("a", "t", typ, time.Now()) == nil },
		"admit, no time":   func(typ string) bool { return w.Admit("a", "t", typ, time.Time{}) == nil },
		"overflow":         func(typ string) bool { return w.Admit("a", "third", typ, time.Now()) == nil },
		"overflow, action": func(typ string) bool { return w.Admit("b", "third", typ, time.Now()) == nil },
		"overlong":         func(typ string) bool { return w.Admit("a", long, typ, time.Now()) == nil },
		"upstream":         func(typ string) bool { return w.AdmitUpstream("a", "t", typ, Upstream{Suppressed: 1}) == nil },
		"gate":             func(typ string) bool { return gate(time.Now(), typ) },
		"gate, overflow":   func(typ string) bool { return overflowGate(time.Now(), typ) },
	} {
		held := true
		allocs := testing.AllocsPerRun(1000, func() {
			i++
			held = held && f(types[i%len(types)])
		})
		if allocs != 0 || !held {
			t.Errorf("%s: %v allocations, held back %v", name, allocs, held)
		}
	}
}

// wantTotals compares the totals, without rows of zeros.
func wantTotals(t testing.TB, w *Window, want ...Totals) {
	t.Helper()
	var got []Totals
	next := 0
	w.Totals(func(i int, row Totals) {
		if i != next {
			t.Errorf("row %d comes as number %d", i, next)
		}
		next++
		if row.Emitted+row.Suppressed+row.Overflow > 0 {
			got = append(got, row)
		}
	})
	if !slices.Equal(got, want) {
		t.Errorf("totals %+v, want %+v", got, want)
	}
}
