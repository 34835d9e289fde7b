package window

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
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
	c := w.Admit(time.Now(), errorType, action, target)
	if c == nil {
		t.Fatalf("%s %s was held back, want it let through", action, target)
	}
	c.Delivered()
	return c
}

func hold(t testing.TB, w *Window, action, target, errorType string) {
	t.Helper()
	if c := w.Admit(time.Now(), errorType, action, target); c != nil {
		t.Fatalf("%s %s was let through with %d, want it held back", action, target, c.Suppressed)
	}
}

// gateOf is Suppress for one key.
func gateOf(w *Window, action, target string) func(time.Time, string) bool {
	return func(now time.Time, errorType string) bool { return w.Suppress(now, errorType, action, target) }
}

// total is Totals for keys of an action and a target.
type total struct {
	Action, Target                string
	Emitted, Suppressed, Overflow uint64
}

func totalsOf(w *Window, f func(i int, t total)) {
	for i, t := range w.Totals() {
		f(i, total{t.Key[0], t.Key[1], t.Emitted, t.Suppressed, t.Overflow})
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
		if c := pass(t, w, key[0], key[1], ""); c.Overflow || c.Key[0] != key[0] || c.Key[1] != key[1] {
			t.Errorf("%q: claim for %q, %q, overflow %v", key, c.Key[0], c.Key[1], c.Overflow)
		}
		hold(t, w, key[0], key[1], "")
	}
}

func TestNegativePeriodHoldsNothingBack(t *testing.T) {
	w := newWindow(t, Config{Period: -1, MaxKeys: 2})
	gate := gateOf(w, "a", "t0")
	for i := range 100 {
		if gate(time.Now(), "") {
			t.Fatal("the gate holds back")
		}
		if c := pass(t, w, "a", fmt.Sprint("t", i%5), ""); c.Suppressed != 0 {
			t.Fatalf("carries %d", c.Suppressed)
		}
	}
	c := w.Admit(time.Now(), "", "a", "t0")
	c.Failed()
	wantPending(t, w, 0)
	var emitted uint64
	totalsOf(w, func(_ int, t total) { emitted += t.Emitted })
	if emitted != 100 {
		t.Errorf("%d emitted, want 100", emitted)
	}
}

// TestTheWallClockChangesNothing moves the wall clock of the timestamps that
// callers give, and leaves their monotonic readings alone, which is what a
// stepped clock does.
func TestTheWallClockChangesNothing(t *testing.T) {
	stepped := func(d time.Duration) time.Time {
		now := time.Now()
		*(*uint64)(unsafe.Pointer(&now)) += uint64(int64(d/time.Second)) << 30 // package time offers no way to
		if got := now.Round(0).Sub(time.Now().Round(0)).Round(time.Second); got != d {
			t.Fatalf("the wall clock moved by %v, want %v", got, d)
		}
		return now
	}
	w := newWindow(t, Config{})
	gate := gateOf(w, "a", "t")
	pass(t, w, "a", "t", "")
	for i, d := range []time.Duration{time.Hour, -time.Hour, -365 * 24 * time.Hour, 10 * time.Minute} {
		if w.Admit(stepped(d), "", "a", "t") != nil {
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
	if c := w.Admit(stepped(-time.Hour), "", "a", "t"); c == nil || c.Suppressed != 8 {
		t.Errorf("claim %+v after the window, want one that carries 8", c)
	}
}

// age makes what is in the table older. Timestamps within a synctest bubble
// carry no monotonic reading, so tests of such readings need real ones.
func age(w *Window, d time.Duration) {
	for e := range w.entries {
		e.start.Add(int64(-d))
		e.seen.Add(int64(-d))
	}
}

func TestTimestampsAreBelievedForHoldingBackOnly(t *testing.T) {
	w := newWindow(t, Config{})
	pass(t, w, "a", "t", "")
	now := time.Now()
	admit := func(at time.Time) bool { return w.Admit(at, "", "a", "t") != nil }
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
		w.Admit(first, "eof", "a", "t").Failed()
		wantPending(t, w, 1)
		hold(t, w, "a", "t", "timeout") // a broken destination is tried once per window
		time.Sleep(time.Minute)
		c := w.Admit(time.Now(), "", "a", "t")
		wantPending(t, w, 3) // in the caller's hands
		c.Failed()
		c.Failed()
		c.Delivered()
		wantPending(t, w, 3)
		time.Sleep(time.Minute)
		c = w.Admit(time.Now(), "", "a", "t")
		if c.Suppressed != 3 || !c.Since.Equal(first) || !slices.Equal(c.ErrorTypes, []string{"eof", "timeout"}) {
			t.Errorf("%d since %v of %q, want 3 since %v of eof and timeout", c.Suppressed, c.Since, c.ErrorTypes, first)
		}
		c.Delivered()
		c.Failed()
		wantPending(t, w, 0)
		wantTotals(t, w, total{"a", "t", 1, 3, 0})
	})
}

func TestCountsOfAnUpstreamWindowJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		start := time.Now()
		up := Upstream{Suppressed: 10, Since: start.Add(-time.Hour), ErrorTypes: []string{"eof"}}
		c := w.AdmitUpstream(up, "timeout", "a", "t")
		if c.Suppressed != 10 || !c.Since.Equal(up.Since) || !slices.Equal(c.ErrorTypes, []string{"eof"}) {
			t.Errorf("%+v", c)
		}
		wantPending(t, w, 11)
		c.Failed()
		wantPending(t, w, 11)
		if w.AdmitUpstream(Upstream{Suppressed: 4, Since: start.Add(-2 * time.Hour), ErrorTypes: []string{"closed"}}, "NOAUTH", "a", "t") != nil {
			t.Fatal("let through within its window")
		}
		hold(t, w, "a", "t", "")
		wantPending(t, w, 17)
		time.Sleep(time.Minute)
		c = w.AdmitUpstream(Upstream{Suppressed: 3, Since: start.Add(-3 * time.Hour), ErrorTypes: []string{"lost"}}, "", "a", "t")
		wantPending(t, w, 21)
		if c.Suppressed != 20 || !c.Since.Equal(start.Add(-3*time.Hour)) || !slices.Equal(c.ErrorTypes, []string{"lost", "NOAUTH", "timeout", "closed", "eof"}) {
			t.Errorf("%+v", c)
		}
		c.Delivered()
		wantPending(t, w, 0)
		wantTotals(t, w, total{"a", "t", 0, 1, 0}) // upstream counted the others
	})
}

func TestAnUpstreamCountCannotWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		up := Upstream{Suppressed: math.MaxUint64}
		w.AdmitUpstream(up, "", "a", "t").Failed()
		for range 10 {
			if w.AdmitUpstream(up, "", "a", "t") != nil {
				t.Fatal("let through")
			}
			hold(t, w, "a", "t", "")
		}
		const want = 11*math.MaxUint32 + 21
		wantPending(t, w, want)
		time.Sleep(time.Minute)
		if c := pass(t, w, "a", "t", ""); c.Suppressed != want {
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

func TestHoldingBackAllocatesNothing(t *testing.T) {
	w := newWindow(t, Config{MaxKeys: 1})
	pass(t, w, "a", "t", "")
	pass(t, w, "a", "overflow", "")
	gate, overflowGate := gateOf(w, "a", "t"), gateOf(w, "a", "another")
	long := strings.Repeat("x", MaxKeyBytes)
	types := []string{"timeout", "eof", "NOAUTH"}
	i := 0
	for name, f := range map[string]func(errorType string) bool{
		"admit":            func(typ string) bool { return w.Admit(time.Now(), typ, "a", "t") == nil },
		"admit, no time":   func(typ string) bool { return w.Admit(time.Time{}, typ, "a", "t") == nil },
		"overflow":         func(typ string) bool { return w.Admit(time.Now(), typ, "a", "third") == nil },
		"overflow, action": func(typ string) bool { return w.Admit(time.Now(), typ, "b", "third") == nil },
		"overlong":         func(typ string) bool { return w.Admit(time.Now(), typ, "a", long) == nil },
		"upstream":         func(typ string) bool { return w.AdmitUpstream(Upstream{Suppressed: 1}, typ, "a", "t") == nil },
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
func wantTotals(t testing.TB, w *Window, want ...total) {
	t.Helper()
	var got []total
	next := 0
	totalsOf(w, func(i int, row total) {
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
