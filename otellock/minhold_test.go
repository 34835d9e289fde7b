package otellock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

var keptOnce = with(acquiredOnce, attempt{"release", "kept", "", ""})

func TestALockThatIsKeptStaysBusyForItsShortestHold(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		start := time.Now()
		if ran, err := s.Mutex().TryDo(s.Ctx, sleeps(50*time.Millisecond)); !ran || err != nil {
			s.Errorf("TryDo = %t, %v", ran, err)
		}
		s.WantCounted(keptOnce)
		for time.Sleep(time.Millisecond); time.Since(start) < 6*time.Second; time.Sleep(500 * time.Millisecond) {
			if s.IsFree() {
				s.Fatalf("free after %v", time.Since(start))
			}
		}
		time.Sleep(time.Until(start.Add(6 * time.Second)))
		if !s.IsFree() {
			s.Error("still busy when the shortest hold is over")
		}
		if span := s.Tel.Ended("release projects")[0]; span.Status().Description != "" {
			s.Errorf("the release's span: %v", span.Status())
		}
	}, otellock.WithMinHold(6*time.Second))
}

// It counts from the grant's answer: a slow network does not shorten it.
func TestTheShortestHoldCountsFromTheGrant(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{after(200*time.Millisecond, works)} })
		s.Do()
		granted := time.Now()
		time.Sleep(2*time.Second - 1)
		if s.IsFree() {
			s.Errorf("free %v after the grant", time.Since(granted))
		}
	}, otellock.WithMinHold(2*time.Second))
}

func TestWorkThatOutlastsTheShortestHoldIsReleased(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Err = s.Mutex().Do(s.Ctx, sleeps(6*time.Second))
		if !s.IsFree() {
			s.Error("the key is left")
		}
		s.WantCounted(plain)
	}, otellock.WithMinHold(6*time.Second))
}

// A release that fails, or whose answer is lost, must not free the key early, and
// not late either.
func TestAKeyIsKeptExactlyWhateverBecomesOfItsRelease(t *testing.T) {
	for name, faults := range map[string][]fault{
		"the answer is lost":    {losesReply},
		"both are lost":         {losesReply, losesReply},
		"it is not carried out": {answers(errRefused)},
		"nothing arrives":       {hangs, hangs},
		"it arrives late":       {lands(time.Second), lands(1200 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, func(s *stage) {
				s.Backend.Script(func() { s.Backend.OnRelease = faults })
				start := time.Now()
				s.Do()
				for time.Sleep(time.Millisecond); time.Since(start) < 4*time.Second; time.Sleep(100 * time.Millisecond) {
					if s.IsFree() {
						s.Fatalf("free after %v", time.Since(start))
					}
				}
				time.Sleep(time.Second + 300*time.Millisecond) // a late arrival keeps it from then on
				if !s.IsFree() {
					s.Error("still busy")
				}
			}, otellock.WithMinHold(4*time.Second))
		})
	}
}

func TestCloseKeepsTheKeyToo(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		if _, err := s.Mutex().Lock(s.Ctx); err != nil {
			s.Fatal(err)
		}
		if err := s.Locker.Close(s.Ctx); err != nil {
			s.Error(err)
		}
		time.Sleep(time.Second)
		if s.IsFree() {
			s.Error("Close freed the key")
		}
		time.Sleep(3 * time.Second)
		if !s.IsFree() {
			s.Error("still busy")
		}
	}, otellock.WithMinHold(4*time.Second))
}

func TestWhoeverFindsAKeyThatIsKeptLinksToTheRunBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		m := b.target.Mutex("7").With(otellock.WithMinHold(4 * time.Second))
		for i := range 2 {
			if ran, err := m.TryDo(b.ctx, nothing); ran != (i == 0) || err != nil {
				t.Fatal(ran, err)
			}
		}
		spans := b.tel.Ended("acquire projects")
		if got := holders(t, spans[1]); len(got) != 1 || got[0] != spans[0].SpanContext().SpanID().String() {
			t.Errorf("links to %v", got)
		}
		var contended *otellock.Error
		if err := m.With(otellock.WithWait(0)).Do(b.ctx, nothing); !errors.As(err, &contended) {
			t.Fatal(err)
		}
		if holder, ok := contended.Holder(); !ok || holder.SpanID != spans[0].SpanContext().SpanID().String() || !holder.Since.IsZero() {
			t.Errorf("the holder is %+v", holder)
		}
	})
}

// Neither of them keeps anything: the first is lost, the second never was.
func TestALostLeaseAndOneThatFailedOpenAreNotKept(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Backend.Clear(); return nil })
		s.WantCounted(with(acquiredOnce, attempt{"release", "release_error", "lost", "open"}))
	}, otellock.WithMinHold(4*time.Second))
	inVirtualTime(t, func(s *stage) {
		s.Backend.Script(func() { s.Backend.OnAcquire = []fault{answers(errRefused)} })
		s.Do()
		s.WantCounted(only(attempt{"acquire", "backend_error", "connection_refused", "open"}))
		if !s.IsFree() {
			s.Error("a key is kept")
		}
	}, otellock.WithMinHold(4*time.Second))
}

// unable is a backend with none of the capabilities.
type unable struct{ otellock.Backend }

func TestOptionsThatABackendCannotHonourAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for says, opt := range map[string]otellock.LockOption{
			"WithMinHold": otellock.WithMinHold(time.Second), "WithFencing": otellock.WithFencing(),
		} {
			if _, err := otellock.New(unable{newScripted()}, opt); !errors.Is(err, otellock.ErrInvalid) || !strings.Contains(err.Error(), says) {
				t.Errorf("New: %v", err)
			}
			locker := newLocker(t, unable{newScripted()})
			if _, err := locker.Target("t", "t", opt); !errors.Is(err, otellock.ErrInvalid) {
				t.Errorf("Target: %v", err)
			}
			if err := locker.UndeclaredMutex("k").With(opt).Do(t.Context(), nothing); !errors.Is(err, otellock.ErrInvalid) {
				t.Errorf("With: %v", err)
			}
		}
		locker := newLocker(t, newScripted())
		for _, d := range []time.Duration{-1, 10*time.Second + 1} {
			if _, err := locker.Target("t", "t", otellock.WithMinHold(d)); !errors.Is(err, otellock.ErrInvalid) {
				t.Errorf("WithMinHold(%v): %v", d, err)
			}
		}
	})
}
