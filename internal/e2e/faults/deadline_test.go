package faults

import (
	"context"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func TestAnAttemptLeavesHalfOfTheCallersTimeToTheWork(t *testing.T) {
	shared := sharedServer(t)
	everyWay(t, func(t *testing.T, way way, policy string) {
		const deadline = time.Second
		w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]), otellock.WithAttemptTimeout(2*deadline))
		blackHole(w)
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		got := w.takeWith(ctx, way, w.mutex, func(ctx context.Context) {
			if err := ctx.Err(); err != nil {
				t.Errorf("the work begins with %v", err)
			}
		})
		if got.acquiring < deadline/2 || got.acquiring >= deadline {
			t.Errorf("the acquire took %v, want half of %v", got.acquiring, deadline)
		}
		if policy == "open" && got.ran != 1 {
			t.Errorf("the work ran %d times, want once", got.ran)
		}
		if policy == "closed" {
			wantError(t, got.err, otellock.ErrBackend, "acquire", "timeout")
		}
	})
}

// An unnamedDeadline ends by a deadline that it does not tell.
type unnamedDeadline struct{ context.Context }

func (unnamedDeadline) Deadline() (time.Time, bool) { return time.Time{}, false }

func TestACallersDeadlineWithoutAnyReplyIsAnOutage(t *testing.T) {
	shared := sharedServer(t)
	everyWay(t, func(t *testing.T, way way, policy string) {
		w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]))
		blackHole(w)
		ctx, cancel := context.WithTimeout(t.Context(), attemptTimeout/5)
		defer cancel()
		got := w.takeWith(unnamedDeadline{ctx}, way, w.mutex, func(context.Context) {})
		if got.ran != 0 {
			t.Errorf("the work ran %d times, want 0", got.ran)
		}
		wantError(t, got.err, context.DeadlineExceeded, "acquire", "timeout")
		within(t, "the acquire", got.acquiring, attemptTimeout)
		w.drainInFault()
		failed := attempt{"acquire", "backend_error", "timeout", "closed"}
		wantAttempts(t, w.seen, failed, someCleanup)
		wantOneWarning(t, w, failed, way.mode, "lock backend failed: projects was refused")
	})
}

func TestACancellationDuringABlackHoleIsNoFailureOfTheBackend(t *testing.T) {
	shared := sharedServer(t)
	everyWay(t, func(t *testing.T, way way, policy string) {
		w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]))
		blackHole(w)
		ctx, cancel := context.WithCancel(t.Context())
		stop := time.AfterFunc(attemptTimeout/5, cancel)
		defer stop.Stop()
		got := w.takeWith(ctx, way, w.mutex, func(context.Context) {})
		if got.ran != 0 {
			t.Errorf("the work ran %d times, want 0", got.ran)
		}
		wantError(t, got.err, context.Canceled, "acquire", "canceled")
		within(t, "the acquire", got.acquiring, attemptTimeout)
		w.drainInFault()
		wantAttempts(t, w.seen,
			attempt{"acquire", "canceled"}, someCleanup)
		wantSilence(t, w.seen)
	})
}

func TestACallThatHasEndedBeforeItBeginsSendsNothing(t *testing.T) {
	shared := sharedServer(t)
	everyWay(t, func(t *testing.T, way way, policy string) {
		w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]))
		blackHole(w) // whoever sends waits
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got := w.takeWith(ctx, way, w.mutex, func(context.Context) {})
		if got.ran != 0 {
			t.Errorf("the work ran %d times, want 0", got.ran)
		}
		wantError(t, got.err, context.Canceled, "acquire", "canceled")
		w.drain()
		wantAttempts(t, w.seen, attempt{"acquire", "canceled"})
		wantSilence(t, w.seen)
	})
}

func TestAReleaseOutlivesItsCallersContext(t *testing.T) {
	shared := sharedServer(t)
	everyWay(t, func(t *testing.T, way way, policy string) {
		w := newWire(t, shared(t), otellock.WithFailClosed(policies[policy]))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got := w.takeWith(ctx, way, w.mutex, func(context.Context) { cancel() })
		if got.ran != 1 || got.err != errWork || got.released != nil {
			t.Errorf("ran %d times, error %v, Release %v; want once, the work's own error, nil", got.ran, got.err, got.released)
		}
		w.drain()
		wantAttempts(t, w.seen,
			attempt{"acquire", "acquired"}, attempt{"release", "released"})
		wantSilence(t, w.seen)
		w.keyIsGone()
	})
}
