package locktest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A Stage is where a scene plays.
type Stage struct {
	*testing.T
	Backend *ScriptedBackend
	Locker  *otellock.Locker
	Target  *otellock.Target
	Tel     *Telemetry

	Ran int
	Err error
	Ctx context.Context
}

// Fn is work that counts how often it runs.
func (s *Stage) Fn(context.Context) error { s.Ran++; return nil }

// Mutex returns the lock that the scene is about.
func (s *Stage) Mutex() otellock.Mutex { return s.Target.Mutex("7") }

// Other is somebody else who holds the same lock.
func (s *Stage) Other(ttl time.Duration) otellock.Claim {
	c := otellock.Claim{Key: "lock:projects:7", Token: "other", TTL: ttl}
	if grant, err := s.Backend.Backend.Acquire(s.Ctx, c); err != nil || !grant.Acquired {
		s.Fatalf("the other one did not get the lock: %v, %v", grant, err)
	}
	return c
}

// What a lock that works counts, and an error that is not the lock's.
var (
	AcquiredOnce = map[Attempt]int64{{"acquire", "acquired", "", ""}: 1}
	Plain        = map[Attempt]int64{{"acquire", "acquired", "", ""}: 1, {"release", "released", "", ""}: 1}
	ErrOwn       = errors.New("the function's own error")
)

// With returns a copy of what base counts, and one more of each.
func With(base map[Attempt]int64, more ...Attempt) map[Attempt]int64 {
	all := maps.Clone(base)
	for _, a := range more {
		all[a]++
	}
	return all
}

// Only counts one of each.
func Only(attempts ...Attempt) map[Attempt]int64 { return With(map[Attempt]int64{}, attempts...) }

// Do does the work under the lock.
func (s *Stage) Do() { s.Err = s.Mutex().Do(s.Ctx, s.Fn) }
func (s *Stage) doNothing() {
	if err := s.Mutex().Do(s.Ctx, func(context.Context) error { return nil }); err != nil {
		s.Error(err)
	}
}
func (s *Stage) tryDo() { _, s.Err = s.Mutex().TryDo(s.Ctx, s.Fn) }

func (s *Stage) wantCalls(want ...string) {
	s.Helper()
	if !slices.Equal(s.Backend.Calls, want) {
		s.Errorf("the backend was asked %v, want %v", s.Backend.Calls, want)
	}
}

// Perform plays the scene and hands the stage on once everything is drained.
func (sc Scene) Perform(t *testing.T, tel *Telemetry) *Stage {
	s := &Stage{T: t, Backend: NewScripted(), Tel: tel, Ctx: t.Context()}
	var err error
	if s.Locker, err = otellock.New(s.Backend, tel.Options()...); err != nil {
		t.Fatal(err)
	}
	if s.Target, err = s.Locker.Target("projects", "lock:projects:*", sc.opts...); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	sc.play(s)
	lasted := time.Since(start)
	if sc.lasts != 0 && lasted != sc.lasts {
		t.Errorf("lasted %v, want %v", lasted, sc.lasts)
	}
	if err := s.Locker.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
	return s
}

// InVirtualTime runs fn with a locker on a scripted backend, and closes it.
func InVirtualTime(t *testing.T, fn func(s *Stage), opts ...otellock.LockOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		Scene{play: fn, opts: opts}.Perform(t, NewTelemetry())
		time.Sleep(time.Second) // what Close gave up on may still be under way
	})
}

// IsFree reports whether nobody holds the lock, by taking it as another does.
func (s *Stage) IsFree() bool {
	s.Helper()
	c := otellock.Claim{Key: "lock:projects:7", Token: "visitor", TTL: time.Minute}
	grant, err := s.Backend.Backend.Acquire(s.Ctx, c)
	if err != nil {
		s.Fatal(err)
	}
	if grant.Acquired {
		if err := s.Backend.Backend.Release(s.Ctx, c); err != nil {
			s.Fatal(err)
		}
	}
	return grant.Acquired
}

// WantCounted fails the test unless exactly this was counted in lock.attempts.
func (s *Stage) WantCounted(want map[Attempt]int64) {
	s.Helper()
	if got := s.Tel.Attempts(s); !maps.Equal(got, want) {
		s.Errorf("counted\n%v\nwant\n%v", got, want)
	}
}

// Called returns how often the backend was called by that name.
func (s *Stage) Called(name string) (n int) {
	s.Backend.Mu.Lock()
	defer s.Backend.Mu.Unlock()
	for _, call := range s.Backend.Calls {
		if call == name {
			n++
		}
	}
	return n
}
