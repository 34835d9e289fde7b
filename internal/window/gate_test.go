package window

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheGateCountsAndNeverClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		gate := gateOf(w, "a", "t")
		suppress := func(want bool, errorType string) {
			t.Helper()
			if got := gate(time.Now(), errorType); got != want {
				t.Fatalf("the gate says %v, want %v", got, want)
			}
		}
		for range 3 {
			suppress(false, "timeout") // however often: it is not the gate that claims
		}
		wantPending(t, w, 0)
		pass(t, w, "a", "t", "")
		suppress(true, "timeout")
		suppress(true, "NOAUTH")
		suppress(true, "")
		time.Sleep(time.Minute - time.Nanosecond)
		suppress(true, "timeout")
		time.Sleep(time.Nanosecond)
		suppress(false, "timeout")
		suppress(false, "timeout")
		wantPending(t, w, 4)
		if c := pass(t, w, "a", "t", ""); c.Suppressed != 4 || !slices.Equal(c.ErrorTypes, []string{"NOAUTH", "timeout"}) {
			t.Errorf("%d of %q, want 4 of NOAUTH and timeout", c.Suppressed, c.ErrorTypes)
		}
		suppress(true, "timeout")
		wantTotals(t, w, total{"a", "t", 2, 5, 0})
	})
}

// TestTheGatesShortcutAgrees takes the path that only timestamps with a
// monotonic reading take, which those of synctest are not.
func TestTheGatesShortcutAgrees(t *testing.T) {
	w := newWindow(t, Config{})
	gate := gateOf(w, "a", "t")
	pass(t, w, "a", "t", "")
	now := time.Now()
	for i, typ := range []string{"timeout", "timeout", "eof", "timeout", "", "", "NOAUTH", strings.Clone("NOAUTH")} {
		if !gate(now, typ) {
			t.Fatal("let through within the window")
		}
		wantPending(t, w, uint64(i+1))
	}
	age(w, time.Minute)
	if gate(time.Now(), "eof") {
		t.Error("held back after the window")
	}
	c := pass(t, w, "a", "t", "")
	if want := []string{"NOAUTH", "timeout", "eof"}; c.Suppressed != 8 || !slices.Equal(c.ErrorTypes, want) {
		t.Errorf("%d of %q, want 8 of %q", c.Suppressed, c.ErrorTypes, want)
	}
	if !gate(time.Now(), "eof") {
		t.Error("let through within the window")
	}
}

func TestTheGateFollowsAKeyThroughEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{MaxKeys: 1})
		gate := gateOf(w, "a", "t")
		pass(t, w, "a", "t", "")
		if !gate(time.Now(), "") {
			t.Fatal("let through within the window")
		}
		time.Sleep(time.Minute)
		pass(t, w, "a", "t", "")
		time.Sleep(time.Minute)
		pass(t, w, "a", "other", "") // evicts t
		if gate(time.Now(), "") {
			t.Error("held back though nothing of the key has passed for a window")
		}
		if c := pass(t, w, "a", "third", ""); !c.Overflow {
			t.Error("a third key has an entry")
		}
		if !gate(time.Now(), "") {
			t.Error("let through although the table and the overflow gate are taken")
		}
		wantPending(t, w, 1)
		time.Sleep(time.Minute)
		if gate(time.Now(), "") {
			t.Error("held back after the overflow gate's window")
		}
		pass(t, w, "a", "t", "")
		if !gate(time.Now(), "") {
			t.Error("let through within the window of the new entry")
		}
		wantPending(t, w, 2)
	})
}

func TestTheGateOfAKeyThatIsTooLongIsTheOverflowGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(t, Config{})
		long := strings.Repeat("x", MaxKeyBytes)
		gate := gateOf(w, "a", long)
		if gate(time.Now(), "") {
			t.Error("held back before anything passed")
		}
		if c := pass(t, w, "a", long, ""); !c.Overflow || c.Key[1] != Other {
			t.Errorf("claim for %.10q, overflow %v", c.Key[1], c.Overflow)
		}
		if !gate(time.Now(), "") {
			t.Error("let through within the window")
		}
		wantTotals(t, w, total{"a", Other, 1, 0, 1})
	})
}

func TestTheGateOpensOnClose(t *testing.T) {
	w := newWindow(t, Config{})
	gate, fresh := gateOf(w, "a", "t"), gateOf(w, "a", "t")
	pass(t, w, "a", "t", "")
	now := time.Now()
	for range 2 { // the second takes the short way
		if !gate(now, "") {
			t.Fatal("let through within the window")
		}
	}
	if err := w.Close(t.Context(), func(*Claim) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if gate(now, "") || fresh(now, "") {
		t.Error("a closed window's gate holds back: nobody would ever hear of it")
	}
	wantPending(t, w, 0)
}
