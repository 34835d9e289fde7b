package otellock_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

func TestWhetherLockingIsEnabledIsAskedOnceAtAcquire(t *testing.T) {
	type key struct{}
	var on atomic.Bool
	asked := 0
	inVirtualTime(t, func(s *stage) {
		ctx := context.WithValue(s.Ctx, key{}, true)
		on.Store(true)
		s.Err = s.Mutex().Do(ctx, func(ctx context.Context) error {
			on.Store(false) // what is held is renewed and released all the same
			if err := otellock.LeaseFromContext(ctx).Extend(ctx, 20*time.Second); err != nil {
				return err
			}
			time.Sleep(30 * time.Second)
			if !otellock.LeaseFromContext(ctx).Protected() {
				s.Error("the lease was not renewed")
			}
			return nil
		})
		if s.Err != nil || asked != 1 || !s.IsFree() {
			s.Errorf("%v, asked %d times, free %t", s.Err, asked, s.IsFree())
		}
		s.Err = s.Mutex().Do(ctx, func(ctx context.Context) error {
			on.Store(true) // what is not held stays so
			lease := otellock.LeaseFromContext(ctx)
			if lease.Protected() || lease.Extend(ctx, time.Minute) != nil {
				s.Errorf("the lease is %v", lease)
			}
			return nil
		})
		if s.Err != nil || asked != 2 {
			s.Errorf("%v, asked %d times", s.Err, asked)
		}
	}, otellock.WithAutoExtend(time.Hour), otellock.WithEnabled(func(ctx context.Context) bool {
		asked++
		if ctx.Value(key{}) == nil {
			t.Error("it is not the caller's context")
		}
		return on.Load()
	}))
}

func TestASwitchThatPanicsIsOn(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Do()
		s.WantCounted(plain)
	}, otellock.WithEnabled(func(context.Context) bool { panic("no flags today") }))
}

func TestANilSwitchIsOn(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		s.Do()
		s.WantCounted(plain)
	}, otellock.WithEnabled(func(context.Context) bool { return false }), otellock.WithEnabled(nil))
}

func TestADisabledLockEndsWithItsContext(t *testing.T) {
	inVirtualTime(t, func(s *stage) {
		ctx, cancel := context.WithCancel(s.Ctx)
		s.Err = s.Mutex().With(otellock.WithEnabled(func(context.Context) bool { cancel(); return false })).Do(ctx, s.Fn)
		if !errors.Is(s.Err, context.Canceled) || s.Ran != 0 {
			s.Errorf("%v, ran %d times", s.Err, s.Ran)
		}
	})
}
