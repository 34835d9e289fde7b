package window

import (
	"slices"
	"testing"
	"time"
)

func TestTheSummariesOfOtherWindowsBecomeOneSummary(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		for range 40 {
			w.Join(Upstream{Suppressed: 10, ErrorTypes: []string{"timeout"}, ErrorCounts: []uint64{10}}, "template", "a", "t")
			time.Sleep(time.Second)
		}
		wantPending(t, w, 400)
		wantTotals(t, w) // the other windows have counted them
		time.Sleep(time.Hour)
		o.want(t, "1m39s a t 400") // one window after the last
		wantPending(t, w, 0)
		wantTotals(t, w)
	})
}

func TestTheNextReportCarriesWhatHasJoined(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		since, until := time.Now().Add(-3*time.Minute), time.Now().Add(-2*time.Minute)
		w.Join(Upstream{Suppressed: 5, Since: since, Until: until, ErrorTypes: []string{"eof"}}, "template", "a", "t")
		c := w.Admit(time.Now(), "", "a", "t")
		if c == nil || c.Suppressed != 5 || !c.Since.Equal(since) || !c.Until.Equal(until) || !slices.Equal(c.ErrorTypes, []string{"eof"}) || c.Template != "template" {
			t.Fatalf("claim %+v", c)
		}
		c.KeepTemplate("the report's")
		c.Delivered()
		time.Sleep(30 * time.Second)
		w.Join(Upstream{Suppressed: 1}, "template", "a", "t")
		time.Sleep(30 * time.Second)
		if c := w.Admit(time.Now(), "", "a", "t"); c.Template != "the report's" {
			t.Errorf("template %v, want that of the report that passed", c.Template)
		} else {
			c.Delivered()
		}
		time.Sleep(time.Hour)
		o.want(t)
	})
}

func TestAnEmptyOrImpossibleSummaryMakesNone(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		w.Join(Upstream{}, nil, "a", "t")
		time.Sleep(time.Hour)
		o.want(t)
		start := time.Now()
		w.Join(Upstream{Suppressed: 1, Until: start.Add(time.Hour)}, nil, "a", "t") // a clock that is ahead
		if c := pass(t, w, "a", "t", ""); c.Until.After(time.Now()) {
			t.Errorf("until %v, which is not yet", c.Until)
		}
		w.Join(Upstream{Suppressed: 1, Until: time.Unix(0, 0)}, nil, "a", "other")
		if c := pass(t, w, "a", "other", ""); c.Suppressed != 1 || time.Since(c.Until) > MaxPeriod {
			t.Errorf("%d until %v", c.Suppressed, c.Until)
		}
	})
}

func TestKeysCountsThoseWithAWindowOfTheirOwn(t *testing.T) {
	w := newWindow(t, Config{MaxKeys: 2})
	for i, target := range []string{"t1", "t2", "t3", "t4"} {
		w.Admit(time.Now(), "", "a", target)
		if want := min(i+1, 2); w.Keys() != want {
			t.Errorf("%d keys, want %d", w.Keys(), want)
		}
	}
}
