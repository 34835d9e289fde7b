package otellock_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A scene is one row of the table "What happens, always": what is done, and what
// must come of it. It runs in virtual time.
type scene struct {
	name    string
	opts    []otellock.LockOption
	play    func(*stage)
	ran     int               // how often the function ran
	counted map[attempt]int64 // every series of lock.attempts
	warned  []string          // "action error.type" of every warning, in order
	is      []error           // the error is all of these; none: it is nil
	not     []error           // and none of these
	lasts   time.Duration     // exactly, where it matters
	check   func(*stage)      // what else must hold
}

// A stage is where a scene plays.
type stage struct {
	*testing.T
	backend *scriptedBackend
	locker  *otellock.Locker
	target  *otellock.Target
	tel     *telemetry

	ran int
	err error
	ctx context.Context
}

func (s *stage) fn(context.Context) error { s.ran++; return nil }

func (s *stage) mutex() otellock.Mutex { return s.target.Mutex("7") }

// other is somebody else who holds the same lock.
func (s *stage) other(ttl time.Duration) otellock.Claim {
	c := otellock.Claim{Key: "lock:projects:7", Token: "other", TTL: ttl}
	if grant, err := s.backend.Backend.Acquire(s.ctx, c); err != nil || !grant.Acquired {
		s.Fatalf("the other one did not get the lock: %v, %v", grant, err)
	}
	return c
}

var (
	acquiredOnce = map[attempt]int64{{"acquire", "acquired", "", ""}: 1}
	plain        = map[attempt]int64{{"acquire", "acquired", "", ""}: 1, {"release", "released", "", ""}: 1}
	errOwn       = errors.New("the function's own error")
)

func with(base map[attempt]int64, more ...attempt) map[attempt]int64 {
	all := maps.Clone(base)
	for _, a := range more {
		all[a]++
	}
	return all
}

func only(attempts ...attempt) map[attempt]int64 { return with(map[attempt]int64{}, attempts...) }

func (s *stage) do()    { s.err = s.mutex().Do(s.ctx, s.fn) }
func (s *stage) tryDo() { _, s.err = s.mutex().TryDo(s.ctx, s.fn) }

var scenes = []scene{
	{
		name:    "an acquired lock runs fn once and is released",
		play:    (*stage).do,
		ran:     1,
		counted: plain,
	},
	{
		name:    "Do returns ErrContended when the lock stays busy for the wait",
		play:    func(s *stage) { s.other(time.Minute); s.do() },
		counted: only(attempt{"acquire", "contended", "", ""}),
		is:      []error{otellock.ErrContended},
		not:     []error{otellock.ErrBackend},
		lasts:   3 * time.Second,
	},
	{
		name:    "a wait of zero tries once",
		opts:    []otellock.LockOption{otellock.WithWait(0)},
		play:    func(s *stage) { s.other(time.Minute); s.do() },
		counted: only(attempt{"acquire", "contended", "", ""}),
		is:      []error{otellock.ErrContended},
		check:   func(s *stage) { s.wantCalls("acquire") },
	},
	{
		name:    "Do gets a busy lock once it is free",
		play:    func(s *stage) { s.other(time.Second); s.do() },
		ran:     1,
		counted: plain,
	},
	{
		name: "TryDo skips a busy lock, and that is no error",
		play: func(s *stage) {
			s.other(time.Minute)
			ran, err := s.mutex().TryDo(s.ctx, s.fn)
			if ran || err != nil {
				s.Errorf("TryDo = %t, %v; want false, nil", ran, err)
			}
		},
		counted: only(attempt{"acquire", "skipped", "", ""}),
		check:   func(s *stage) { s.wantCalls("acquire") },
	},
	{
		name: "TryLock skips a busy lock with no lease and no error",
		play: func(s *stage) {
			s.other(time.Minute)
			lease, ok, err := s.mutex().TryLock(s.ctx)
			if lease != nil || ok || err != nil {
				s.Errorf("TryLock = %v, %t, %v; want nil, false, nil", lease, ok, err)
			}
		},
		counted: only(attempt{"acquire", "skipped", "", ""}),
	},
	{
		name: "a lock that this context holds is busy at once",
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(ctx context.Context) error {
				s.ran++
				start := time.Now()
				if err := s.mutex().Do(ctx, s.fn); !errors.Is(err, otellock.ErrContended) {
					s.Errorf("the inner Do returned %v", err)
				}
				if ran, err := s.mutex().TryDo(ctx, s.fn); ran || err != nil {
					s.Errorf("the inner TryDo = %t, %v", ran, err)
				}
				if waited := time.Since(start); waited != 0 {
					s.Errorf("waited %v for itself", waited)
				}
				return nil
			})
		},
		ran:     1,
		counted: with(plain, attempt{"acquire", "contended", "", ""}, attempt{"acquire", "skipped", "", ""}),
		check:   func(s *stage) { s.wantCalls("acquire", "release") },
	},
	{
		name: "a context that has ended runs nothing and asks nobody",
		play: func(s *stage) {
			ctx, cancel := context.WithCancel(s.ctx)
			cancel()
			s.err = s.mutex().Do(ctx, s.fn)
		},
		counted: only(attempt{"acquire", "canceled", "", ""}),
		is:      []error{context.Canceled},
		check:   func(s *stage) { s.wantCalls() },
	},
	{
		name: "a context cancelled while waiting ends the wait with its error",
		play: func(s *stage) {
			s.other(time.Minute)
			ctx, cancel := context.WithCancelCause(s.ctx)
			time.AfterFunc(time.Second, func() { cancel(errOwn) })
			s.err = s.mutex().Do(ctx, s.fn)
		},
		counted: only(attempt{"acquire", "canceled", "", ""}),
		is:      []error{context.Canceled, errOwn},
		not:     []error{otellock.ErrContended, otellock.ErrBackend},
		lasts:   time.Second,
	},
	{
		name: "a deadline that ends after the lock answered busy is a cancellation",
		play: func(s *stage) {
			s.other(time.Minute)
			ctx, cancel := context.WithTimeout(s.ctx, time.Second)
			defer cancel()
			s.err = s.mutex().Do(ctx, s.fn)
		},
		counted: only(attempt{"acquire", "canceled", "", ""}),
		is:      []error{context.DeadlineExceeded},
		lasts:   time.Second,
	},
	{
		name: "a deadline that ends with no answer at all is an outage",
		play: func(s *stage) {
			s.backend.acquire = []fault{after(time.Second, hangs)}
			ctx, cancel := context.WithTimeout(s.ctx, time.Second)
			defer cancel()
			s.err = s.mutex().Do(ctx, s.fn)
		},
		counted: only(attempt{"acquire", "backend_error", "timeout", "closed"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"backend_error timeout"},
		is:      []error{context.DeadlineExceeded},
		not:     []error{otellock.ErrBackend},
	},
	{
		name:    "a backend that refuses lets fn run once, unprotected",
		play:    func(s *stage) { s.backend.acquire = []fault{answers(errRefused)}; s.do() },
		ran:     1,
		counted: only(attempt{"acquire", "backend_error", "connection_refused", "open"}),
		warned:  []string{"backend_error connection_refused"},
		check:   func(s *stage) { s.wantCalls("acquire") },
	},
	{
		name:    "a backend that hangs costs one attempt timeout",
		play:    func(s *stage) { s.backend.acquire = []fault{hangs}; s.do() },
		ran:     1,
		counted: only(attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"backend_error timeout"},
		lasts:   250 * time.Millisecond,
	},
	{
		name: "an attempt takes at most half of what the caller has left",
		play: func(s *stage) {
			s.backend.acquire = []fault{hangs}
			ctx, cancel := context.WithTimeout(s.ctx, 100*time.Millisecond)
			defer cancel()
			s.err = s.mutex().Do(ctx, s.fn)
		},
		ran:     1,
		counted: only(attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"backend_error timeout"},
		lasts:   50 * time.Millisecond,
	},
	{
		name: "TryDo fails open too, and says that fn ran",
		play: func(s *stage) {
			s.backend.acquire = []fault{answers(errRefused)}
			ran, err := s.mutex().TryDo(s.ctx, s.fn)
			if !ran || err != nil {
				s.Errorf("TryDo = %t, %v; want true, nil", ran, err)
			}
		},
		ran:     1,
		counted: only(attempt{"acquire", "backend_error", "connection_refused", "open"}),
		warned:  []string{"backend_error connection_refused"},
	},
	{
		name: "Lock fails open with an unprotected lease",
		play: func(s *stage) {
			s.backend.acquire = []fault{answers(errRefused)}
			lease, err := s.mutex().Lock(s.ctx)
			if err != nil || lease == nil || lease.Protected() || !lease.Deadline().IsZero() {
				s.Errorf("Lock = %v, %v; want an unprotected lease", lease, err)
			}
			if err := lease.Extend(s.ctx, time.Minute); !errors.Is(err, otellock.ErrBackend) {
				s.Errorf("Extend of an unprotected lease = %v; it must not fail open", err)
			}
			s.err = lease.Release(s.ctx)
		},
		counted: only(attempt{"acquire", "backend_error", "connection_refused", "open"}),
		warned:  []string{"backend_error connection_refused"},
		check:   func(s *stage) { s.wantCalls("acquire") },
	},
	{
		name:    "fail-closed runs nothing and returns ErrBackend",
		opts:    []otellock.LockOption{otellock.WithFailClosed(true)},
		play:    func(s *stage) { s.backend.acquire = []fault{answers(errRefused)}; s.do() },
		counted: only(attempt{"acquire", "backend_error", "connection_refused", "closed"}),
		warned:  []string{"backend_error connection_refused"},
		is:      []error{otellock.ErrBackend, errRefused},
	},
	{
		name:    "a grant that arrives after its time to live is no grant",
		opts:    []otellock.LockOption{otellock.WithTTL(time.Second)},
		play:    func(s *stage) { s.backend.acquire = []fault{after(time.Second, works)}; s.do() },
		ran:     1,
		counted: only(attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"backend_error timeout"},
	},
	{
		name: "one error beside a live holder is absorbed",
		play: func(s *stage) {
			s.other(time.Second)
			s.backend.acquire = []fault{works, answers(errRefused)}
			s.do()
		},
		ran:     1,
		counted: plain,
	},
	{
		name: "the second error beside a live holder fails open",
		play: func(s *stage) {
			s.other(time.Minute)
			s.backend.acquire = []fault{works, answers(errRefused), answers(errRefused)}
			s.do()
		},
		ran:     1,
		counted: only(attempt{"acquire", "backend_error", "connection_refused", "open"}),
		warned:  []string{"backend_error connection_refused"},
	},
	{
		name: "an acquire whose reply is lost leaves no ghost",
		play: func(s *stage) {
			s.backend.acquire = []fault{losesReply}
			s.do()
			synctest.Wait()
			if ran, err := s.mutex().TryDo(s.ctx, s.fn); !ran || err != nil {
				s.Errorf("TryDo after the ghost = %t, %v", ran, err)
			}
		},
		ran:     2,
		counted: with(plain, attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"backend_error timeout"},
	},
	{
		name: "a lost reply beside a busy lock is found again by its token",
		play: func(s *stage) {
			s.other(30 * time.Millisecond)
			s.backend.acquire = []fault{works, after(time.Second, losesReply)}
			s.do()
		},
		ran:     1,
		counted: with(plain, attempt{"cleanup", "cleaned", "", ""}), // it may still have landed after the release
	},
	{
		name: "a cleanup that fails is counted and not reported",
		play: func(s *stage) {
			s.backend.acquire = []fault{losesReply}
			s.backend.release = slices.Repeat([]fault{answers(errRefused)}, 64)
			s.do()
		},
		ran:     1,
		counted: only(attempt{"acquire", "backend_error", "timeout", "open"}, attempt{"cleanup", "cleanup_error", "connection_refused", ""}),
		warned:  []string{"backend_error timeout"},
	},
	{
		name:    "fn's own error is returned as it is",
		play:    func(s *stage) { s.err = s.mutex().Do(s.ctx, func(context.Context) error { s.ran++; return errOwn }) },
		ran:     1,
		counted: plain,
		is:      []error{errOwn},
		check: func(s *stage) {
			if s.err != errOwn {
				s.Errorf("the error is %v, wrapped", s.err)
			}
		},
	},
	{
		name: "fn's panic goes on after the release",
		play: func(s *stage) {
			defer func() {
				if p := recover(); p != "boom" {
					s.Errorf("recovered %v", p)
				}
			}()
			s.err = s.mutex().Do(s.ctx, func(context.Context) error { s.ran++; panic("boom") })
		},
		ran:     1,
		counted: plain,
	},
	{
		name: "fn's Goexit goes on after the release",
		play: func(s *stage) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.err = s.mutex().Do(s.ctx, func(context.Context) error { s.ran++; runtime.Goexit(); return nil })
				s.Error("Do returned after Goexit")
			}()
			<-done
		},
		ran:     1,
		counted: plain,
	},
	{
		name: "fn's deadline error is not taken for the lock's",
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(context.Context) error { s.ran++; return context.DeadlineExceeded })
		},
		ran:     1,
		counted: plain,
		is:      []error{context.DeadlineExceeded},
	},
	{
		name: "a key that is absent after its deadline has expired",
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(context.Context) error { s.ran++; time.Sleep(11 * time.Second); return nil })
		},
		ran:     1,
		counted: with(acquiredOnce, attempt{"release", "release_error", "expired", "open"}),
		warned:  []string{"release_error expired"},
	},
	{
		name: "a key that is absent before its deadline is lost",
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(context.Context) error { s.ran++; s.backend.Clear(); return nil })
		},
		ran:     1,
		counted: with(acquiredOnce, attempt{"release", "release_error", "lost", "open"}),
		warned:  []string{"release_error lost"},
	},
	{
		name: "a key with another's token is stolen",
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(context.Context) error {
				s.ran++
				s.backend.Clear()
				s.other(time.Minute)
				return nil
			})
		},
		ran:     1,
		counted: with(acquiredOnce, attempt{"release", "release_error", "stolen", "open"}),
		warned:  []string{"release_error stolen"},
	},
	{
		name: "fail-closed joins the loss to fn's error",
		opts: []otellock.LockOption{otellock.WithFailClosed(true)},
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(context.Context) error { s.ran++; s.backend.Clear(); return errOwn })
		},
		ran:     1,
		counted: with(acquiredOnce, attempt{"release", "release_error", "lost", "closed"}),
		warned:  []string{"release_error lost"},
		is:      []error{errOwn, otellock.ErrLost},
	},
	{
		name: "fail-closed joins a failed release to fn's result",
		opts: []otellock.LockOption{otellock.WithFailClosed(true)},
		play: func(s *stage) {
			s.backend.release = []fault{answers(errRefused)}
			s.do()
		},
		ran:     1,
		counted: with(acquiredOnce, attempt{"release", "release_error", "connection_refused", "closed"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"release_error connection_refused"},
		is:      []error{otellock.ErrBackend},
	},
	{
		name: "a handle's Release always returns the loss, and the same one again",
		play: func(s *stage) {
			lease, err := s.mutex().Lock(s.ctx)
			if err != nil {
				s.Fatal(err)
			}
			s.backend.Clear()
			s.err = lease.Release(s.ctx)
			if again := lease.Release(s.ctx); again != s.err {
				s.Errorf("the second Release returned %v", again)
			}
		},
		counted: with(acquiredOnce, attempt{"release", "release_error", "lost", "open"}),
		warned:  []string{"release_error lost"},
		is:      []error{otellock.ErrLost},
	},
	{
		name: "a backend that refuses at release is reported, and fn's result stays",
		play: func(s *stage) {
			s.backend.release = []fault{answers(errRefused)}
			s.do()
		},
		ran:     1,
		counted: with(acquiredOnce, attempt{"release", "release_error", "connection_refused", "open"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"release_error connection_refused"},
		check:   func(s *stage) { s.wantCalls("acquire", "release", "release", "release") }, // two of the cleanup
	},
	{
		name: "a backend that hangs at release costs one attempt timeout, though the caller is gone",
		play: func(s *stage) {
			s.backend.release = []fault{hangs, hangs}
			ctx, cancel := context.WithCancel(s.ctx)
			s.err = s.mutex().Do(ctx, func(context.Context) error { s.ran++; cancel(); return nil })
		},
		ran:     1,
		counted: with(acquiredOnce, attempt{"release", "release_error", "timeout", "open"}, attempt{"cleanup", "cleaned", "", ""}),
		warned:  []string{"release_error timeout"},
		lasts:   250 * time.Millisecond,
	},
	{
		name: "a release whose reply is lost is a release",
		play: func(s *stage) {
			s.backend.release = []fault{losesReply}
			s.do()
		},
		ran:     1,
		counted: plain,
		check:   func(s *stage) { s.wantCalls("acquire", "release", "release") },
	},
	{
		name: "an extended lease lives on",
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(ctx context.Context) error {
				s.ran++
				lease := otellock.LeaseFromContext(ctx)
				time.Sleep(9 * time.Second)
				if err := lease.Extend(ctx, 10*time.Second); err != nil {
					return err
				}
				time.Sleep(9 * time.Second)
				return nil
			})
		},
		ran:     1,
		counted: with(plain, attempt{"extend", "extended", "", ""}),
	},
	{
		name: "one loss that Extend finds is one warning, and what Release returns",
		play: func(s *stage) {
			lease, err := s.mutex().Lock(s.ctx)
			if err != nil {
				s.Fatal(err)
			}
			time.Sleep(11 * time.Second)
			for range 2 {
				if err := lease.Extend(s.ctx, time.Minute); !errors.Is(err, otellock.ErrExpired) {
					s.Errorf("Extend = %v", err)
				}
			}
			if lease.Protected() {
				s.Error("a lost lease says that it protects")
			}
			s.err = lease.Release(s.ctx)
		},
		counted: with(acquiredOnce, attempt{"extend", "extend_error", "expired", "closed"}, attempt{"release", "release_error", "expired", "open"}),
		warned:  []string{"extend_error expired"},
		is:      []error{otellock.ErrExpired},
		check:   func(s *stage) { s.wantCalls("acquire", "extend") },
	},
	{
		name: "an Extend that the backend fails keeps the lease",
		play: func(s *stage) {
			s.backend.extend = []fault{answers(errRefused)}
			lease, err := s.mutex().Lock(s.ctx)
			if err != nil {
				s.Fatal(err)
			}
			before := lease.Deadline()
			if err := lease.Extend(s.ctx, time.Minute); !errors.Is(err, otellock.ErrBackend) {
				s.Errorf("Extend = %v", err)
			}
			if !lease.Protected() || !lease.Deadline().Equal(before) {
				s.Errorf("the lease is %v until %v, was until %v", lease, lease.Deadline(), before)
			}
			s.err = lease.Release(s.ctx)
		},
		counted: with(plain, attempt{"extend", "extend_error", "connection_refused", "closed"}),
		warned:  []string{"extend_error connection_refused"},
	},
	{
		name: "a lease that is garbage is counted, and its key left alone",
		play: func(s *stage) {
			if _, err := s.mutex().Lock(s.ctx); err != nil {
				s.Fatal(err)
			}
			collectGarbage(s)
			s.tryDo()
		},
		counted: with(acquiredOnce, attempt{"cleanup", "abandoned", "", ""}, attempt{"acquire", "skipped", "", ""}),
		check:   func(s *stage) { s.wantCalls("acquire", "acquire") },
	},
	{
		name: "Close refuses newcomers and releases what Lock gave out",
		play: func(s *stage) {
			lease, err := s.mutex().Lock(s.ctx)
			if err != nil {
				s.Fatal(err)
			}
			if err := s.locker.Close(s.ctx); err != nil {
				s.Error(err)
			}
			s.do()
			if err := lease.Release(s.ctx); !errors.Is(err, otellock.ErrClosed) {
				s.Errorf("Release after Close = %v", err)
			}
		},
		counted: with(acquiredOnce, attempt{"cleanup", "cleaned", "", ""}),
		is:      []error{otellock.ErrClosed},
	},
	{
		name: "a disabled lock runs everything and asks nobody",
		opts: []otellock.LockOption{otellock.WithEnabled(false)},
		play: func(s *stage) {
			s.err = s.mutex().Do(s.ctx, func(ctx context.Context) error {
				lease := otellock.LeaseFromContext(ctx)
				if lease.Protected() || lease.Extend(ctx, time.Minute) != nil {
					s.Errorf("the lease is %v", lease)
				}
				return s.fn(ctx)
			})
		},
		ran:     1,
		counted: only(attempt{"acquire", "disabled", "", ""}),
		check: func(s *stage) {
			s.wantCalls()
			if spans := s.tel.spans.Ended(); len(spans) != 0 {
				s.Errorf("a disabled lock made %d spans", len(spans))
			}
		},
	},
}

func (s *stage) wantCalls(want ...string) {
	s.Helper()
	if !slices.Equal(s.backend.calls, want) {
		s.Errorf("the backend was asked %v, want %v", s.backend.calls, want)
	}
}

// collectGarbage runs the collector until it has seen the abandoned lease.
func collectGarbage(s *stage) {
	abandoned := attempt{"cleanup", "abandoned", "", ""}
	for range 100 {
		runtime.GC()
		time.Sleep(time.Millisecond) // virtual: lets the cleanup run
		if s.tel.attempts(s)[abandoned] > 0 {
			return
		}
	}
}

// perform plays the scene and hands the stage on once everything is drained.
func (sc scene) perform(t *testing.T, tel *telemetry) *stage {
	s := &stage{T: t, backend: newScripted(), tel: tel, ctx: t.Context()}
	var err error
	if s.locker, err = otellock.New(s.backend, tel.options()...); err != nil {
		t.Fatal(err)
	}
	if s.target, err = s.locker.Target("projects", "lock:projects:*", sc.opts...); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	sc.play(s)
	lasted := time.Since(start)
	if sc.lasts != 0 && lasted != sc.lasts {
		t.Errorf("lasted %v, want %v", lasted, sc.lasts)
	}
	if err := s.locker.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
	return s
}

func TestWhatHappensAlways(t *testing.T) {
	for _, sc := range scenes {
		t.Run(sc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sc.perform(t, newTelemetry())
				if s.ran != sc.ran {
					t.Errorf("fn ran %d times, want %d", s.ran, sc.ran)
				}
				if len(sc.is) == 0 && s.err != nil {
					t.Errorf("returned %v, want nil", s.err)
				}
				for _, want := range sc.is {
					if !errors.Is(s.err, want) {
						t.Errorf("returned %v, which is not %v", s.err, want)
					}
				}
				for _, not := range sc.not {
					if errors.Is(s.err, not) {
						t.Errorf("returned %v, which is %v", s.err, not)
					}
				}
				if got := s.tel.attempts(t); !maps.Equal(got, sc.counted) {
					t.Errorf("counted\n%v\nwant\n%v", got, sc.counted)
				}
				var warned []string
				for _, w := range s.tel.warnings() {
					warned = append(warned, w["lock.action"].(string)+" "+w["error.type"].(string))
				}
				if !slices.Equal(warned, sc.warned) {
					t.Errorf("warned %q, want %q", warned, sc.warned)
				}
				if held := s.tel.total(t, "lock.held"); held != 0 {
					t.Errorf("lock.held = %d at the end", held)
				}
				if waiting := s.tel.total(t, "lock.waiting"); waiting != 0 {
					t.Errorf("lock.waiting = %d at the end", waiting)
				}
				if sc.check != nil {
					sc.check(s)
				}
			})
		})
	}
}
