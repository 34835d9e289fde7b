package locktest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A Scene is a row of the table "What happens, always" in otellock/README.md: what
// is done, and what must come of it. It runs in virtual time.
type Scene struct {
	Name    string
	opts    []otellock.LockOption
	play    func(*Stage)
	Ran     int               // how often the function ran
	Counted map[Attempt]int64 // every series of lock.attempts
	Warned  []string          // "action error.type" of every warning, in order
	Is      []error           // the error is all of these; none: it is nil
	Not     []error           // and none of these
	lasts   time.Duration     // exactly, where it matters
	Check   func(*Stage)      // what else must hold
}

// Scenes are the rows of the table, and what they leave unsaid.
var Scenes = []Scene{
	{
		Name:    "an acquired lock runs fn once and is released",
		play:    (*Stage).Do,
		Ran:     1,
		Counted: Plain,
	},
	{
		Name:    "Do returns ErrContended when the lock stays busy for the wait",
		play:    func(s *Stage) { s.Other(time.Minute); s.Do() },
		Counted: Only(Attempt{"acquire", "contended", "", ""}),
		Is:      []error{otellock.ErrContended},
		Not:     []error{otellock.ErrBackend},
		lasts:   3 * time.Second,
	},
	{
		Name:    "a wait of zero tries once",
		opts:    []otellock.LockOption{otellock.WithWait(0)},
		play:    func(s *Stage) { s.Other(time.Minute); s.Do() },
		Counted: Only(Attempt{"acquire", "contended", "", ""}),
		Is:      []error{otellock.ErrContended},
		Check:   func(s *Stage) { s.wantCalls("acquire") },
	},
	{
		Name:    "Do gets a busy lock once it is free",
		play:    func(s *Stage) { s.Other(time.Second); s.Do() },
		Ran:     1,
		Counted: Plain,
	},
	{
		Name: "a release by another process wakes the waiter",
		play: func(s *Stage) {
			other, err := otellock.New(s.Backend)
			if err != nil {
				s.Fatal(err)
			}
			lease, err := other.UndeclaredMutex("lock:projects:7").Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			time.AfterFunc(time.Second, func() {
				if err := lease.Release(s.Ctx); err != nil {
					s.Error(err)
				}
			})
			s.Do()
			if err := other.Close(s.Ctx); err != nil {
				s.Error(err)
			}
		},
		Ran:     1,
		Counted: Plain,
		lasts:   time.Second,
	},
	{
		Name: "a backend that hangs fails everybody who waits for the lock, together",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{Hangs} })
			var group sync.WaitGroup
			for range 3 {
				group.Go(s.doNothing)
			}
			group.Wait()
		},
		Counted: map[Attempt]int64{{"acquire", "backend_error", "timeout", "open"}: 3, {"cleanup", "cleaned", "", ""}: 1},
		Warned:  slices.Repeat([]string{"backend_error timeout"}, 3),
		lasts:   250 * time.Millisecond,
	},
	{
		Name: "after five acquires that a backend left unanswered the next one fails at once",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = slices.Repeat([]Fault{Hangs}, 5) })
			s.Backend.Script(func() { s.Backend.OnRelease = slices.Repeat([]Fault{Hangs}, 50) })
			for range 6 {
				s.Do()
			}
			s.Backend.Script(func() { s.Backend.OnRelease = nil })
		},
		Ran:     6,
		Counted: map[Attempt]int64{{"acquire", "backend_error", "timeout", "open"}: 5, {"acquire", "backend_error", "breaker_open", "open"}: 1, {"cleanup", "cleaned", "", ""}: 5},
		Warned:  append(slices.Repeat([]string{"backend_error timeout"}, 5), "backend_error breaker_open"),
		lasts:   5 * 250 * time.Millisecond,
	},
	{
		Name: "TryDo skips a busy lock, and that is no error",
		play: func(s *Stage) {
			s.Other(time.Minute)
			ran, err := s.Mutex().TryDo(s.Ctx, s.Fn)
			if ran || err != nil {
				s.Errorf("TryDo = %t, %v; want false, nil", ran, err)
			}
		},
		Counted: Only(Attempt{"acquire", "skipped", "", ""}),
		Check:   func(s *Stage) { s.wantCalls("acquire") },
	},
	{
		Name: "TryLock skips a busy lock with no lease and no error",
		play: func(s *Stage) {
			s.Other(time.Minute)
			lease, ok, err := s.Mutex().TryLock(s.Ctx)
			if lease != nil || ok || err != nil {
				s.Errorf("TryLock = %v, %t, %v; want nil, false, nil", lease, ok, err)
			}
		},
		Counted: Only(Attempt{"acquire", "skipped", "", ""}),
	},
	{
		Name: "a lock that this context holds is busy at once",
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(ctx context.Context) error {
				s.Ran++
				start := time.Now()
				if err := s.Mutex().Do(ctx, s.Fn); !errors.Is(err, otellock.ErrContended) {
					s.Errorf("the inner Do returned %v", err)
				}
				if ran, err := s.Mutex().TryDo(ctx, s.Fn); ran || err != nil {
					s.Errorf("the inner TryDo = %t, %v", ran, err)
				}
				if waited := time.Since(start); waited != 0 {
					s.Errorf("waited %v for itself", waited)
				}
				return nil
			})
		},
		Ran:     1,
		Counted: With(Plain, Attempt{"acquire", "contended", "", ""}, Attempt{"acquire", "skipped", "", ""}),
		Check:   func(s *Stage) { s.wantCalls("acquire", "release") },
	},
	{
		Name: "a context that has ended runs nothing and asks nobody",
		play: func(s *Stage) {
			ctx, cancel := context.WithCancel(s.Ctx)
			cancel()
			s.Err = s.Mutex().Do(ctx, s.Fn)
		},
		Counted: Only(Attempt{"acquire", "canceled", "", ""}),
		Is:      []error{context.Canceled},
		Check:   func(s *Stage) { s.wantCalls() },
	},
	{
		Name: "a context cancelled while waiting ends the wait with its error",
		play: func(s *Stage) {
			s.Other(time.Minute)
			ctx, cancel := context.WithCancelCause(s.Ctx)
			time.AfterFunc(time.Second, func() { cancel(ErrOwn) })
			s.Err = s.Mutex().Do(ctx, s.Fn)
		},
		Counted: Only(Attempt{"acquire", "canceled", "", ""}),
		Is:      []error{context.Canceled, ErrOwn},
		Not:     []error{otellock.ErrContended, otellock.ErrBackend},
		lasts:   time.Second,
	},
	{
		Name: "a deadline that ends after the lock answered busy is a cancellation",
		play: func(s *Stage) {
			s.Other(time.Minute)
			ctx, cancel := context.WithTimeout(s.Ctx, time.Second)
			defer cancel()
			s.Err = s.Mutex().Do(ctx, s.Fn)
		},
		Counted: Only(Attempt{"acquire", "canceled", "", ""}),
		Is:      []error{context.DeadlineExceeded},
		lasts:   time.Second,
	},
	{
		Name: "a deadline that ends with no answer at all is an outage",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{After(time.Second, Hangs)} })
			ctx, cancel := context.WithTimeout(s.Ctx, time.Second)
			defer cancel()
			s.Err = s.Mutex().Do(ctx, s.Fn)
		},
		Counted: Only(Attempt{"acquire", "backend_error", "timeout", "closed"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"backend_error timeout"},
		Is:      []error{context.DeadlineExceeded},
		Not:     []error{otellock.ErrBackend},
	},
	{
		Name:    "a backend that refuses lets fn run once, unprotected",
		play:    func(s *Stage) { s.Backend.OnAcquire = []Fault{Answers(ErrRefused)}; s.Do() },
		Ran:     1,
		Counted: Only(Attempt{"acquire", "backend_error", "connection_refused", "open"}),
		Warned:  []string{"backend_error connection_refused"},
		Check:   func(s *Stage) { s.wantCalls("acquire") },
	},
	{
		Name:    "a backend that hangs costs one attempt timeout",
		play:    func(s *Stage) { s.Backend.OnAcquire = []Fault{Hangs}; s.Do() },
		Ran:     1,
		Counted: Only(Attempt{"acquire", "backend_error", "timeout", "open"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"backend_error timeout"},
		lasts:   250 * time.Millisecond,
	},
	{
		Name: "an attempt takes at most half of what the caller has left",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{Hangs} })
			ctx, cancel := context.WithTimeout(s.Ctx, 100*time.Millisecond)
			defer cancel()
			s.Err = s.Mutex().Do(ctx, s.Fn)
		},
		Ran:     1,
		Counted: Only(Attempt{"acquire", "backend_error", "timeout", "open"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"backend_error timeout"},
		lasts:   50 * time.Millisecond,
	},
	{
		Name: "TryDo fails open too, and says that fn ran",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{Answers(ErrRefused)} })
			ran, err := s.Mutex().TryDo(s.Ctx, s.Fn)
			if !ran || err != nil {
				s.Errorf("TryDo = %t, %v; want true, nil", ran, err)
			}
		},
		Ran:     1,
		Counted: Only(Attempt{"acquire", "backend_error", "connection_refused", "open"}),
		Warned:  []string{"backend_error connection_refused"},
	},
	{
		Name: "Lock fails open with an unprotected lease",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{Answers(ErrRefused)} })
			lease, err := s.Mutex().Lock(s.Ctx)
			if err != nil || lease == nil || lease.Protected() || !lease.Deadline().IsZero() {
				s.Errorf("Lock = %v, %v; want an unprotected lease", lease, err)
			}
			if err := lease.Extend(s.Ctx, time.Minute); !errors.Is(err, otellock.ErrBackend) {
				s.Errorf("Extend of an unprotected lease = %v; it must not fail open", err)
			}
			s.Err = lease.Release(s.Ctx)
		},
		Counted: Only(Attempt{"acquire", "backend_error", "connection_refused", "open"}),
		Warned:  []string{"backend_error connection_refused"},
		Check:   func(s *Stage) { s.wantCalls("acquire") },
	},
	{
		Name:    "fail-closed runs nothing and returns ErrBackend",
		opts:    []otellock.LockOption{otellock.WithFailClosed(true)},
		play:    func(s *Stage) { s.Backend.OnAcquire = []Fault{Answers(ErrRefused)}; s.Do() },
		Counted: Only(Attempt{"acquire", "backend_error", "connection_refused", "closed"}),
		Warned:  []string{"backend_error connection_refused"},
		Is:      []error{otellock.ErrBackend, ErrRefused},
	},
	{
		Name:    "a grant that arrives after its time to live is no grant",
		opts:    []otellock.LockOption{otellock.WithTTL(time.Second)},
		play:    func(s *Stage) { s.Backend.OnAcquire = []Fault{After(time.Second, Works)}; s.Do() },
		Ran:     1,
		Counted: Only(Attempt{"acquire", "backend_error", "timeout", "open"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"backend_error timeout"},
	},
	{
		Name: "one error beside a live holder is absorbed",
		play: func(s *Stage) {
			s.Other(time.Second)
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{Works, Answers(ErrRefused)} })
			s.Do()
		},
		Ran:     1,
		Counted: Plain,
	},
	{
		Name: "the second error beside a live holder fails open",
		play: func(s *Stage) {
			s.Other(time.Minute)
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{Works, Answers(ErrRefused), Answers(ErrRefused)} })
			s.Do()
		},
		Ran:     1,
		Counted: Only(Attempt{"acquire", "backend_error", "connection_refused", "open"}),
		Warned:  []string{"backend_error connection_refused"},
	},
	{
		Name: "an acquire whose reply is lost leaves no ghost",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{LosesReply} })
			s.Do()
			synctest.Wait()
			if ran, err := s.Mutex().TryDo(s.Ctx, s.Fn); !ran || err != nil {
				s.Errorf("TryDo after the ghost = %t, %v", ran, err)
			}
		},
		Ran:     2,
		Counted: With(Plain, Attempt{"acquire", "backend_error", "timeout", "open"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"backend_error timeout"},
	},
	{
		Name: "a lost reply beside a busy lock is found again by its token",
		play: func(s *Stage) {
			s.Other(30 * time.Millisecond)
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{Works, After(time.Second, LosesReply)} })
			s.Do()
		},
		Ran:     1,
		Counted: With(Plain, Attempt{"cleanup", "cleaned", "", ""}), // it may still have landed after the release
	},
	{
		Name: "a cleanup that fails is counted and not reported",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnAcquire = []Fault{LosesReply} })
			s.Backend.Script(func() { s.Backend.OnRelease = slices.Repeat([]Fault{Answers(ErrRefused)}, 64) })
			s.Do()
		},
		Ran:     1,
		Counted: Only(Attempt{"acquire", "backend_error", "timeout", "open"}, Attempt{"cleanup", "cleanup_error", "connection_refused", ""}),
		Warned:  []string{"backend_error timeout"},
	},
	{
		Name:    "fn's own error is returned as it is",
		play:    func(s *Stage) { s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; return ErrOwn }) },
		Ran:     1,
		Counted: Plain,
		Is:      []error{ErrOwn},
		Check: func(s *Stage) {
			if s.Err != ErrOwn {
				s.Errorf("the error is %v, wrapped", s.Err)
			}
		},
	},
	{
		Name: "fn's panic goes on after the release",
		play: func(s *Stage) {
			defer func() {
				if p := recover(); p != "boom" {
					s.Errorf("recovered %v", p)
				}
			}()
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; panic("boom") })
		},
		Ran:     1,
		Counted: Plain,
	},
	{
		Name: "fn's Goexit goes on after the release",
		play: func(s *Stage) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; runtime.Goexit(); return nil })
				s.Error("Do returned after Goexit")
			}()
			<-done
		},
		Ran:     1,
		Counted: Plain,
	},
	{
		Name: "fn's deadline error is not taken for the lock's",
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; return context.DeadlineExceeded })
		},
		Ran:     1,
		Counted: Plain,
		Is:      []error{context.DeadlineExceeded},
	},
	{
		Name: "a key that is absent after its deadline has expired",
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; time.Sleep(11 * time.Second); return nil })
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "expired", "open"}),
		Warned:  []string{"release_error expired"},
	},
	{
		Name: "a key that is absent before its deadline is lost",
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; s.Backend.Clear(); return nil })
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "lost", "open"}),
		Warned:  []string{"release_error lost"},
	},
	{
		Name: "a key with another's token is stolen",
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error {
				s.Ran++
				s.Backend.Clear()
				s.Other(time.Minute)
				return nil
			})
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "stolen", "open"}),
		Warned:  []string{"release_error stolen"},
	},
	{
		Name: "fail-closed joins the loss to fn's error",
		opts: []otellock.LockOption{otellock.WithFailClosed(true)},
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; s.Backend.Clear(); return ErrOwn })
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "lost", "closed"}),
		Warned:  []string{"release_error lost"},
		Is:      []error{ErrOwn, otellock.ErrLost},
	},
	{
		Name: "fail-closed joins a failed release to fn's result",
		opts: []otellock.LockOption{otellock.WithFailClosed(true)},
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnRelease = []Fault{Answers(ErrRefused)} })
			s.Do()
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "connection_refused", "closed"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"release_error connection_refused"},
		Is:      []error{otellock.ErrBackend},
	},
	{
		Name: "a handle's Release always returns the loss, and the same one again",
		play: func(s *Stage) {
			lease, err := s.Mutex().Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			s.Backend.Clear()
			s.Err = lease.Release(s.Ctx)
			if again := lease.Release(s.Ctx); again != s.Err {
				s.Errorf("the second Release returned %v", again)
			}
		},
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "lost", "open"}),
		Warned:  []string{"release_error lost"},
		Is:      []error{otellock.ErrLost},
	},
	{
		Name: "a backend that refuses at release is reported, and fn's result stays",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnRelease = []Fault{Answers(ErrRefused)} })
			s.Do()
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "connection_refused", "open"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"release_error connection_refused"},
		Check:   func(s *Stage) { s.wantCalls("acquire", "release", "release", "release") }, // two of the cleanup
	},
	{
		Name: "a backend that hangs at release costs one attempt timeout, though the caller is gone",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnRelease = []Fault{Hangs, Hangs} })
			ctx, cancel := context.WithCancel(s.Ctx)
			s.Err = s.Mutex().Do(ctx, func(context.Context) error { s.Ran++; cancel(); return nil })
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "timeout", "open"}, Attempt{"cleanup", "cleaned", "", ""}),
		Warned:  []string{"release_error timeout"},
		lasts:   250 * time.Millisecond,
	},
	{
		Name: "a release whose reply is lost is a release",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnRelease = []Fault{LosesReply} })
			s.Do()
		},
		Ran:     1,
		Counted: Plain,
		Check:   func(s *Stage) { s.wantCalls("acquire", "release", "release") },
	},
	{
		Name: "an extended lease lives on",
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(ctx context.Context) error {
				s.Ran++
				lease := otellock.LeaseFromContext(ctx)
				time.Sleep(9 * time.Second)
				if err := lease.Extend(ctx, 10*time.Second); err != nil {
					return err
				}
				time.Sleep(9 * time.Second)
				return nil
			})
		},
		Ran:     1,
		Counted: With(Plain, Attempt{"extend", "extended", "", ""}),
	},
	{
		Name: "one loss that Extend finds is one warning, and what Release returns",
		play: func(s *Stage) {
			lease, err := s.Mutex().Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			time.Sleep(11 * time.Second)
			for range 2 {
				if err := lease.Extend(s.Ctx, time.Minute); !errors.Is(err, otellock.ErrExpired) {
					s.Errorf("Extend = %v", err)
				}
			}
			if lease.Protected() {
				s.Error("a lost lease says that it protects")
			}
			s.Err = lease.Release(s.Ctx)
		},
		Counted: With(AcquiredOnce, Attempt{"extend", "extend_error", "expired", "closed"}, Attempt{"release", "release_error", "expired", "open"}),
		Warned:  []string{"extend_error expired"},
		Is:      []error{otellock.ErrExpired},
		Check:   func(s *Stage) { s.wantCalls("acquire", "extend") },
	},
	{
		Name: "an Extend that the backend fails keeps the lease",
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnExtend = []Fault{Answers(ErrRefused)} })
			lease, err := s.Mutex().Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			before := lease.Deadline()
			if err := lease.Extend(s.Ctx, time.Minute); !errors.Is(err, otellock.ErrBackend) {
				s.Errorf("Extend = %v", err)
			}
			if !lease.Protected() || !lease.Deadline().Equal(before) {
				s.Errorf("the lease is %v until %v, was until %v", lease, lease.Deadline(), before)
			}
			s.Err = lease.Release(s.Ctx)
		},
		Counted: With(Plain, Attempt{"extend", "extend_error", "connection_refused", "closed"}),
		Warned:  []string{"extend_error connection_refused"},
	},
	{
		Name: "a waiter links its span to the holder's",
		play: func(s *Stage) {
			lease, err := s.Mutex().Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { _ = lease.Release(s.Ctx) })
			s.Do()
		},
		Ran:     1,
		Counted: map[Attempt]int64{{"acquire", "acquired", "", ""}: 2, {"release", "released", "", ""}: 2},
		Check: func(s *Stage) {
			spans := s.Tel.Ended("acquire projects")
			if links := spans[1].Links(); len(links) != 1 || links[0].SpanContext.SpanID() != spans[0].SpanContext().SpanID() {
				s.Errorf("the waiter links to %v", links)
			}
		},
	},
	{
		Name: "a release that is repeated finds a thief",
		play: func(s *Stage) {
			lease, err := s.Mutex().Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			s.Backend.Clear()
			thief, err := s.Mutex().Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			time.Sleep(time.Second)
			s.Backend.Script(func() { s.Backend.OnRelease = []Fault{LosesReply} })
			s.Err = lease.Release(s.Ctx)
			if err := thief.Release(s.Ctx); err != nil {
				s.Errorf("the other one's release: %v", err)
			}
		},
		Counted: map[Attempt]int64{{"acquire", "acquired", "", ""}: 2, {"release", "release_error", "stolen", "open"}: 1, {"release", "released", "", ""}: 1},
		Warned:  []string{"release_error stolen"},
		Is:      []error{otellock.ErrStolen},
	},
	{
		Name: "a lease is renewed while fn runs",
		opts: []otellock.LockOption{otellock.WithAutoExtend(time.Hour)},
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; time.Sleep(8 * time.Second); return nil })
		},
		Ran:     1,
		Counted: With(Plain, Attempt{"extend", "extended", "", ""}, Attempt{"extend", "extended", "", ""}),
	},
	{
		Name: "a renewal that fails is counted and made again within the lease",
		opts: []otellock.LockOption{otellock.WithAutoExtend(time.Hour)},
		play: func(s *Stage) {
			s.Backend.Script(func() { s.Backend.OnExtend = []Fault{Answers(ErrRefused)} })
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; time.Sleep(6 * time.Second); return nil })
		},
		Ran:     1,
		Counted: With(Plain, Attempt{"extend", "extended", "", ""}, Attempt{"extend", "extend_error", "connection_refused", "closed"}),
		Warned:  []string{"extend_error connection_refused"},
	},
	{
		Name: "fn that outlives the limit of its renewal is an overrun, told at that moment",
		opts: []otellock.LockOption{otellock.WithAutoExtend(12 * time.Second)},
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(context.Context) error { s.Ran++; time.Sleep(time.Minute); return nil })
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"extend", "extended", "", ""}, Attempt{"release", "release_error", "expired", "open"}),
		Warned:  []string{"release_error expired"},
	},
	{
		Name: "a loss ends fn's context, and is returned once",
		opts: []otellock.LockOption{otellock.WithFailClosed(true), otellock.WithAutoExtend(time.Hour)},
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(ctx context.Context) error {
				s.Ran++
				s.Backend.Clear()
				<-ctx.Done()
				return context.Cause(ctx)
			})
			var lost *otellock.Error
			if !errors.As(s.Err, &lost) || s.Err != error(lost) {
				s.Errorf("Do = %v, want the loss alone", s.Err)
			}
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"extend", "extend_error", "lost", "closed"}, Attempt{"release", "release_error", "lost", "closed"}),
		Warned:  []string{"extend_error lost"},
		Is:      []error{otellock.ErrLost},
	},
	{
		Name: "a lease that runs out ends fn's context at that moment",
		opts: []otellock.LockOption{otellock.WithFailClosed(true)},
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(ctx context.Context) error { s.Ran++; <-ctx.Done(); return ctx.Err() })
		},
		Ran:     1,
		Counted: With(AcquiredOnce, Attempt{"release", "release_error", "expired", "closed"}),
		Warned:  []string{"release_error expired"},
		Is:      []error{context.Canceled, otellock.ErrExpired},
		lasts:   10 * time.Second,
	},
	{
		Name: "a lock that is kept after its release stays busy",
		opts: []otellock.LockOption{otellock.WithMinHold(5 * time.Second)},
		play: func(s *Stage) {
			s.Do()
			s.tryDo()
			time.Sleep(5 * time.Second)
			s.tryDo()
		},
		Counted: map[Attempt]int64{{"acquire", "acquired", "", ""}: 2, {"acquire", "skipped", "", ""}: 1, {"release", "kept", "", ""}: 2},
		Ran:     2,
	},
	{
		Name: "a lease that is garbage is counted, and its key left alone",
		play: func(s *Stage) {
			if _, err := s.Mutex().Lock(s.Ctx); err != nil {
				s.Fatal(err)
			}
			collectGarbage(s)
			s.tryDo()
		},
		Counted: With(AcquiredOnce, Attempt{"cleanup", "abandoned", "", ""}, Attempt{"acquire", "skipped", "", ""}),
		Check:   func(s *Stage) { s.wantCalls("acquire", "acquire") },
	},
	{
		Name: "Close refuses newcomers and releases what Lock gave out",
		play: func(s *Stage) {
			lease, err := s.Mutex().Lock(s.Ctx)
			if err != nil {
				s.Fatal(err)
			}
			if err := s.Locker.Close(s.Ctx); err != nil {
				s.Error(err)
			}
			s.Do()
			if err := lease.Release(s.Ctx); !errors.Is(err, otellock.ErrClosed) {
				s.Errorf("Release after Close = %v", err)
			}
		},
		Counted: With(AcquiredOnce, Attempt{"cleanup", "cleaned", "", ""}),
		Is:      []error{otellock.ErrClosed},
	},
	{
		Name: "a disabled lock runs everything and asks nobody",
		opts: []otellock.LockOption{otellock.WithEnabled(func(context.Context) bool { return false })},
		play: func(s *Stage) {
			s.Err = s.Mutex().Do(s.Ctx, func(ctx context.Context) error {
				lease := otellock.LeaseFromContext(ctx)
				if lease.Protected() || lease.Extend(ctx, time.Minute) != nil {
					s.Errorf("the lease is %v", lease)
				}
				return s.Fn(ctx)
			})
		},
		Ran:     1,
		Counted: Only(Attempt{"acquire", "disabled", "", ""}),
		Check: func(s *Stage) {
			s.wantCalls()
			if spans := s.Tel.Spans.Ended(); len(spans) != 0 {
				s.Errorf("a disabled lock made %d spans", len(spans))
			}
		},
	},
}

// collectGarbage runs the collector until it has seen the abandoned lease.
func collectGarbage(s *Stage) {
	abandoned := Attempt{"cleanup", "abandoned", "", ""}
	for range 100 {
		runtime.GC()
		time.Sleep(time.Millisecond) // virtual: lets the cleanup run
		if s.Tel.Attempts(s)[abandoned] > 0 {
			return
		}
	}
}
