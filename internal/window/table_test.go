package window

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFullTableNeverFailsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 2})
		pass(t, w, "a", "t1", "")
		pass(t, w, "a", "t2", "")
		time.Sleep(time.Second)
		if c := pass(t, w, "a", "t3", ""); !c.Overflow || c.Key[0] != Other || c.Key[1] != Other {
			t.Errorf("claim %+v, want one of the overflow gate", c)
		}
		for i := range 100 {
			hold(t, w, "a", fmt.Sprint("t", i+3), "")
		}
		hold(t, w, "b", strings.Repeat("x", MaxKeyBytes), "")
		wantPending(t, w, 101)
		wantTotals(t, w,
			total{"a", Other, 1, 0, 100}, total{"a", "t1", 1, 0, 0}, total{"a", "t2", 1, 0, 0}, total{"b", Other, 0, 0, 1})
		time.Sleep(time.Minute) // the gate's window has passed, and those of t1 and t2
		if c := pass(t, w, "b", strings.Repeat("x", MaxKeyBytes), ""); !c.Overflow || c.Suppressed != 101 {
			t.Errorf("%d, want the gate's 101", c.Suppressed)
		}
	})
}

func TestExpiredKeysGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 3})
		pass(t, w, "a", "idle", "")
		pass(t, w, "a", "pending", "")
		hold(t, w, "a", "pending", "")
		time.Sleep(time.Second)
		pass(t, w, "a", "young", "")
		time.Sleep(time.Minute - time.Second)
		if c := pass(t, w, "a", "new", ""); c.Overflow { // in the place of idle
			t.Error("an expired key did not make room")
		}
		if c := pass(t, w, "a", "newer", ""); !c.Overflow {
			t.Error("a key that holds a count, or a young one, was evicted")
		}
		wantPending(t, w, 1)
		hold(t, w, "a", "young", "")
		if c := pass(t, w, "a", "pending", ""); c.Suppressed != 1 {
			t.Errorf("carries %d, want 1", c.Suppressed)
		}
	})
}

func TestNoKeyPassesTwiceByLeavingTheOverflowGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 1})
		pass(t, w, "a", "t", "")
		time.Sleep(time.Minute - time.Nanosecond)
		c := w.Admit(time.Now(), "", "a", "late")
		if c == nil || !c.Overflow {
			t.Fatalf("claim %+v, want one of the overflow gate", c)
		}
		c.KeepTemplate("template")
		c.Delivered()
		time.Sleep(time.Nanosecond)
		hold(t, w, "a", "late", "") // t makes room, and late passed a nanosecond ago
		wantPending(t, w, 1)
		time.Sleep(time.Minute - 2)
		hold(t, w, "a", "late", "")
		time.Sleep(time.Nanosecond)
		c = pass(t, w, "a", "late", "")
		if c.Overflow || c.Suppressed != 2 || c.Template != "template" {
			t.Errorf("claim %+v, want the key's own with 2 and the gate's template", c)
		}
	})
}

func TestAnEmptyKeyIsNotTakenForTheLastToOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		pass(t, w, "a", strings.Repeat("x", MaxKeyBytes), "")
		pass(t, w, "", "", "")
	})
}

func TestCountsThatComeTooLateForAnEvictedKeyAreMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 1})
		pass(t, w, "a", "t", "")
		late := w.find([]string{"a", "t"}) // somebody looked it up, and was put to sleep
		inside := w.now()
		time.Sleep(time.Minute)
		pass(t, w, "a", "other", "")
		if late.hold(inside, 0) {
			t.Error("counted for a key that nobody will look at again")
		}
		if late.count(inside, 0) {
			t.Error("counted, having seen the window before the eviction")
		}
		wantPending(t, w, 0)
		if c := pass(t, w, "a", "t", ""); !c.Overflow {
			t.Error("evicted a key within its window")
		}
	})
}

func TestAClaimUnderWayKeepsItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 1})
		slow := w.Admit(time.Now(), "", "a", "slow")
		time.Sleep(time.Hour)
		if c := pass(t, w, "a", "other", ""); !c.Overflow {
			t.Error("evicted a key whose report is under way")
		}
		slow.Failed()
		wantPending(t, w, 1)
		time.Sleep(time.Hour)
		if c := pass(t, w, "a", "slow", ""); c.Suppressed != 1 {
			t.Errorf("carries %d, want the report that failed", c.Suppressed)
		}
		time.Sleep(time.Minute)
		if c := pass(t, w, "a", "other", ""); c.Overflow {
			t.Error("a settled claim keeps its key")
		}
	})
}

func TestTotalsOutliveEvictionAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 2})
		for i := range 5 {
			target := fmt.Sprint("t", i)
			pass(t, w, "a", target, "")
			hold(t, w, "a", target, "")
			time.Sleep(time.Minute)
			pass(t, w, "a", target, "")
			time.Sleep(time.Minute)
		}
		wantTotals(t, w, total{"a", Other, 6, 3, 0}, total{"a", "t0", 2, 1, 0}, total{"a", "t1", 2, 1, 0})
		pass(t, w, "a", "t0", "") // back again, on its old row
		wantTotals(t, w, total{"a", Other, 6, 3, 0}, total{"a", "t0", 3, 1, 0}, total{"a", "t1", 2, 1, 0})
		for i := range 3 * maxOtherRows {
			pass(t, w, fmt.Sprint("b", i), "t", "")
			time.Sleep(time.Minute)
		}
		rows, rest := 0, uint64(0)
		totalsOf(w, func(_ int, row total) {
			rows++
			if row.Action == Other {
				rest += row.Emitted
			}
		})
		if rows != 2+maxOtherRows+1 || rest != 2*maxOtherRows+1 {
			t.Errorf("%d rows, %d of actions without a row, want %d and %d", rows, rest, 2+maxOtherRows+1, 2*maxOtherRows+1)
		}
	})
}

func TestTotalsLeaveOutWhatCameTooLateForAnEvictedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 1})
		pass(t, w, "a", "t", "")
		hold(t, w, "a", "t", "")
		inside := w.now()
		time.Sleep(time.Minute)
		pass(t, w, "a", "t", "")
		time.Sleep(time.Minute)
		e := w.find([]string{"a", "t"})
		if !e.evict() { // as Window.evict does, before it unlinks the entry
			t.Fatal("the key may not go")
		}
		if e.count(inside, 0) {
			t.Fatal("counted for a key that nobody will look at again")
		}
		wantTotals(t, w, total{"a", "t", 2, 1, 0})
	})
}
