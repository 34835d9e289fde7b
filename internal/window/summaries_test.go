package window

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

var (
	errBroken = errors.New("broken")
	errExit   = errors.New("to end the goroutine")
)

// outbox keeps the summaries that a Window sends, and fails on demand.
type outbox struct {
	start time.Time

	mu    sync.Mutex
	sent  []string // "2m0s a t 3"
	fail  error
	panic bool
}

func (o *outbox) breakDown(err error, panics bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail, o.panic = err, panics
}

func (o *outbox) send(c *Claim) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.panic {
		panic("boom")
	}
	if o.fail == errExit {
		runtime.Goexit()
	}
	if o.fail != nil {
		return o.fail
	}
	o.sent = append(o.sent, fmt.Sprintf("%v %s %s %d", time.Since(o.start), c.Key[0], c.Key[1], c.Suppressed))
	return nil
}

func (o *outbox) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if fmt.Sprint(o.sent) != fmt.Sprint(want) {
		t.Errorf("summaries %q, want %q", o.sent, want)
	}
	o.sent = nil
}

// bubble runs f in virtual time with a Window that has a timer.
func bubble(t *testing.T, cfg Config, f func(t *testing.T, w *Window, o *outbox)) {
	synctest.Test(t, func(t *testing.T) {
		o := &outbox{start: time.Now()}
		cfg.Summary = o.send
		w := newWindow(t, cfg)
		f(t, w, o)
		o.breakDown(nil, false)
		if err := w.Close(t.Context(), o.send); err != nil {
			t.Error(err)
		}
		wantPending(t, w, 0)
	})
}

func TestWhatIsPendingComesOutOneWindowAfterTheLastFailure(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		pass(t, w, "a", "t", "")
		for range 50 {
			time.Sleep(time.Second)
			hold(t, w, "a", "t", "timeout")
		}
		time.Sleep(time.Minute - time.Nanosecond)
		o.want(t)
		wantPending(t, w, 50)
		time.Sleep(time.Nanosecond)
		o.want(t, "1m50s a t 50")
		wantPending(t, w, 0)
		time.Sleep(24 * time.Hour)
		o.want(t)
	})
}

func TestASummaryDoesNotMoveTheWindow(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		pass(t, w, "a", "t", "")
		hold(t, w, "a", "t", "")
		time.Sleep(time.Minute + time.Second)
		o.want(t, "1m0s a t 1")
		pass(t, w, "a", "t", "")
	})
}

func TestFailuresThatGoOnNeedNoSummary(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		records, carried := 0, uint64(0)
		for range 600 {
			if c := w.Admit(time.Now(), "", "a", "t"); c != nil {
				c.Delivered()
				records++
				carried += c.Suppressed
			}
			time.Sleep(time.Second)
		}
		o.want(t)
		if got := uint64(records) + carried + w.Pending(); records != 10 || got != 600 {
			t.Errorf("%d records and %d occurrences, want 10 and 600", records, got)
		}
	})
}

func TestKeysHaveSummariesOfTheirOwn(t *testing.T) {
	bubble(t, Config{MaxKeys: 2}, func(t *testing.T, w *Window, o *outbox) {
		for _, target := range []string{"t1", "t2", "t3"} {
			pass(t, w, "a", target, "")
		}
		hold(t, w, "a", "t1", "")
		time.Sleep(time.Second)
		hold(t, w, "a", "t2", "")
		time.Sleep(time.Second)
		hold(t, w, "a", "t3", "")
		hold(t, w, "a", "t4", "")
		time.Sleep(time.Hour)
		o.want(t, "1m0s a t1 1", "1m1s a t2 1", "1m2s _OTHER _OTHER 2")
	})
}

func TestTheTimerRunsOnlyWhileSomethingIsPending(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		armed := func(want bool) {
			t.Helper()
			synctest.Wait()
			if got := w.armed.Load(); got != want {
				t.Errorf("timer armed %v, want %v", got, want)
			}
		}
		for range 3 {
			pass(t, w, "a", "t", "")
			armed(false)
			hold(t, w, "a", "t", "")
			armed(true)
			time.Sleep(time.Minute)
			armed(false)
		}
		o.want(t, "1m0s a t 1", "2m0s a t 1", "3m0s a t 1")
	})
}

func TestASummaryThatFailsIsTriedAgainOneWindowLater(t *testing.T) {
	for how, err := range map[string]error{"error": errBroken, "panic": errBroken, "Goexit": errExit} {
		t.Run(how, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
				pass(t, w, "a", "t", "")
				hold(t, w, "a", "t", "")
				hold(t, w, "a", "t", "")
				o.breakDown(err, how == "panic")
				time.Sleep(90 * time.Second)
				wantPending(t, w, 2)
				o.breakDown(nil, false)
				time.Sleep(time.Minute)
				o.want(t, "2m0s a t 2")
				wantTotals(t, w, total{"a", "t", 1, 2, 0})
			})
		})
	}
}

func TestFlushSendsAtMostOneSummaryPerKeyAndWindow(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		flush := func() {
			t.Helper()
			if err := w.Flush(t.Context(), o.send); err != nil {
				t.Error(err)
			}
		}
		pass(t, w, "a", "t", "")
		flush()
		o.want(t)
		hold(t, w, "a", "t", "")
		flush()
		o.want(t, "0s a t 1")
		wantPending(t, w, 0)
		for range 5 {
			time.Sleep(time.Second)
			hold(t, w, "a", "t", "")
			flush()
		}
		o.want(t)
		wantPending(t, w, 5)
		time.Sleep(55 * time.Second)
		flush()
		o.want(t, "1m0s a t 5")
		pass(t, w, "a", "t", "") // the record's own window went on
		hold(t, w, "a", "t", "")
		time.Sleep(time.Hour)
		o.want(t, "2m0s a t 1")
	})
}

func TestFlushPassesErrorsOnAndStopsWithItsContext(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		for _, target := range []string{"t1", "t2", "t3"} {
			pass(t, w, "a", target, "")
			hold(t, w, "a", target, "")
		}
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		err := w.Flush(ctx, func(*Claim) error {
			calls++
			cancel()
			return nil
		})
		synctest.Wait() // for the summary that the flush no longer waited for
		if calls != 1 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d calls and %v after the first cancelled the context", calls, err)
		}
		wantPending(t, w, 2)
		if err := w.Flush(t.Context(), func(*Claim) error { calls++; return errBroken }); calls != 3 || !errors.Is(err, errBroken) {
			t.Errorf("%d calls and %v, want the error of the first", calls, err)
		}
		wantPending(t, w, 2)
		if err := w.Flush(t.Context(), func(*Claim) error { panic(errBroken) }); err != nil {
			t.Errorf("%v, but every key has had its summary for this window", err)
		}
		wantPending(t, w, 2)
	})
}

func TestCloseSendsWhatIsLeft(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		pass(t, w, "a", "t", "")
		hold(t, w, "a", "t", "")
		_ = w.Flush(t.Context(), o.send)
		hold(t, w, "a", "t", "")
		if err := w.Close(t.Context(), o.send); err != nil {
			t.Error(err)
		}
		o.want(t, "0s a t 1", "0s a t 1")
		hold(t, w, "a", "t", "")
		wantPending(t, w, 1)
		time.Sleep(time.Hour)
		o.want(t) // no timer any more
	})
}

func TestCloseWaitsForASummaryUnderWay(t *testing.T) {
	defer goleak.VerifyNone(t)
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := newWindow(t, Config{Summary: func(*Claim) error { <-release; return nil }})
		pass(t, w, "a", "t", "")
		hold(t, w, "a", "t", "")
		time.Sleep(time.Minute)
		synctest.Wait()
		wantPending(t, w, 1) // in the hands of the summary
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v, want it to give up with its context", err)
		}
		pass(t, w, "a", "other", "") // a stuck summary holds nobody up
		closed := make(chan error)
		go func() { closed <- w.Close(context.Background(), nil) }()
		synctest.Wait()
		close(release)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		wantPending(t, w, 0)
	})
}

func TestASummaryThatEndsItsGoroutineHoldsUpNeitherOthersNorClose(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
		for _, target := range []string{"t1", "t2"} {
			pass(t, w, "a", target, "")
			hold(t, w, "a", target, "")
		}
		o.breakDown(errExit, false)
		time.Sleep(time.Minute)
		synctest.Wait()
		o.breakDown(nil, false)
		wantPending(t, w, 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantPending(t, w, 0)
		pass(t, w, "a", "t1", "")
		hold(t, w, "a", "t1", "")
		o.breakDown(errExit, false)
		time.Sleep(time.Minute)
		synctest.Wait()
		o.breakDown(nil, false)
		if err := w.Close(context.Background(), o.send); err != nil {
			t.Error(err)
		}
		wantPending(t, w, 0)
	})
}

func TestAKeyThatComesBackAfterAnEvictionHasOneSummaryAWindow(t *testing.T) {
	bubble(t, Config{MaxKeys: 2}, func(t *testing.T, w *Window, o *outbox) {
		pass(t, w, "a", "t", "")
		hold(t, w, "a", "t", "")
		time.Sleep(time.Minute)
		o.want(t, "1m0s a t 1")
		pass(t, w, "a", "u", "")
		time.Sleep(time.Second)
		if c := pass(t, w, "a", "v", ""); !c.Overflow {
			t.Error("a key was evicted within a window of its summary")
		}
		pass(t, w, "a", "t", "")
		hold(t, w, "a", "t", "")
		if err := w.Flush(t.Context(), o.send); err != nil {
			t.Error(err)
		}
		o.want(t)
		time.Sleep(time.Minute)
		o.want(t, "2m1s a t 1")
		time.Sleep(time.Minute)
		if c := pass(t, w, "a", "x", ""); c.Overflow {
			t.Error("a key keeps its place after its last summary is a window old")
		}
	})
}

func TestASummaryThatItsFlushNoLongerWaitsForCountsOnceWheneverItEnds(t *testing.T) {
	for _, verdict := range []error{nil, errBroken} {
		bubble(t, Config{}, func(t *testing.T, w *Window, o *outbox) {
			pass(t, w, "a", "t", "")
			hold(t, w, "a", "t", "")
			release := make(chan struct{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := w.Flush(ctx, func(*Claim) error { <-release; return verdict }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Flush: %v", err)
			}
			hold(t, w, "a", "t", "")
			wantPending(t, w, 2) // one in the summary's hands
			close(release)
			synctest.Wait()
			if verdict == nil {
				wantPending(t, w, 1)
			} else {
				wantPending(t, w, 2)
			}
		})
	}
}
