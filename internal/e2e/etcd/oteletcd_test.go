// Package etcd tests otellock/oteletcd on etcd's embedded server. peer runs etcd's
// own tests of its package through it.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	v3 "go.etcd.io/etcd/client/v3"
	peer "go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otellock/otellock-go/internal/etcdtest"
	"github.com/otellock/otellock-go/internal/live"
	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock/observe"
	concurrency "github.com/otellock/otellock-go/otellock/oteletcd"
)

// server is one etcd for all tests but those that stop theirs.
var server *etcdtest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if server, err = etcdtest.Run(dir); err != nil {
			panic(err)
		}
		defer server.Stop()
		return m.Run()
	}())
}

// A world is a client of a server, and what its locks emit.
type world struct {
	t      *testing.T
	tel    *locktest.Telemetry
	locks  *concurrency.Locks
	client *v3.Client
}

func newWorld(t *testing.T, addr string) world {
	t.Helper()
	tel := locktest.NewTelemetry()
	return world{t, tel, concurrency.New(observed(tel)...), connect(t, addr)}
}

func observed(tel *locktest.Telemetry) []observe.Option {
	return []observe.Option{
		observe.WithTracerProvider(tel.Tracers), observe.WithMeterProvider(tel.Meters), observe.WithLoggerProvider(tel.Loggers),
		observe.WithTarget("projects", "/locks/projects/*"),
	}
}

func (w world) session(opts ...concurrency.SessionOption) *concurrency.Session {
	w.t.Helper()
	s, err := concurrency.NewSession(w.client, opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w world) mutex(s *concurrency.Session) *concurrency.Mutex {
	return w.locks.NewMutex(s, prefix(w.t))
}

// prefix is one of the target projects, for this test alone.
func prefix(t *testing.T) string { return "/locks/projects/" + t.Name() }

// counted fails the test unless these operations were counted, and no others.
func (w world) counted(want map[locktest.Attempt]int64) {
	w.t.Helper()
	if got := w.tel.Attempts(w.t); !maps.Equal(got, want) {
		w.t.Errorf("counted\n%v\nwant\n%v", got, want)
	}
}

func (w world) held(want int64) {
	w.t.Helper()
	if held := w.tel.Total(w.t, "lock.held"); held != want {
		w.t.Errorf("lock.held = %d, want %d", held, want)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestALockThatIsTakenAndGivenBackIsAcquiredAndReleased(t *testing.T) {
	w := newWorld(t, server.Addr)
	for name, take := range map[string]func(*concurrency.Mutex) error{
		"Lock":    func(m *concurrency.Mutex) error { return m.Lock(t.Context()) },
		"TryLock": func(m *concurrency.Mutex) error { return m.TryLock(t.Context()) },
	} {
		m := w.mutex(w.session())
		must(t, take(m))
		w.held(1)
		if m.Header() == nil || m.Key() == "" {
			t.Errorf("%s: the mutex has no header, or no key", name)
		}
		must(t, m.Unlock(t.Context()))
		w.held(0)
	}
	w.counted(map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: 2, {"release", "released", "", ""}: 2})
	if spans := w.tel.Ended("acquire projects"); len(spans) != 2 {
		t.Errorf("%d spans of the acquires", len(spans))
	}
	if n := w.tel.Total(t, "lock.waiting"); n != 0 {
		t.Errorf("lock.waiting = %d in the end", n)
	}
	for _, p := range w.tel.Sums(t, "lock.attempts") {
		if backend := locktest.Text(p.Attributes, "lock.backend.name"); backend != "etcd" {
			t.Errorf("lock.backend.name = %q", backend)
		}
	}
}

func TestABusyMutexIsSkippedByTryLockAndCanceledByTheEndOfTheWait(t *testing.T) {
	w := newWorld(t, server.Addr)
	must(t, w.mutex(w.session()).Lock(t.Context()))
	other := w.mutex(w.session())
	if err := other.TryLock(t.Context()); err != concurrency.ErrLocked {
		t.Errorf("TryLock = %v", err)
	}
	if err := other.Lock(within(t, 50*time.Millisecond)); err != context.DeadlineExceeded {
		t.Errorf("Lock with a deadline = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- other.Lock(ctx) }()
	locktest.Eventually(t, "the caller waits", func() bool { return w.tel.Total(t, "lock.waiting") == 1 })
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Lock that was cancelled = %v", err)
	}
	w.counted(map[locktest.Attempt]int64{
		{"acquire", "acquired", "", ""}: 1, {"acquire", "skipped", "", ""}: 1, {"acquire", "canceled", "", ""}: 2,
	})
	w.held(1)
	if n := len(w.tel.Warnings()); n != 0 {
		t.Errorf("%d warnings of a busy lock", n)
	}
}

// A client of etcd waits for a server that is gone, until the context ends.
func TestAServerThatIsGoneIsATimeoutAtTheDeadline(t *testing.T) {
	own := etcdtest.Start(t)
	w := newWorld(t, own.Addr)
	s := w.session()
	m, e, busy := w.mutex(s), w.locks.NewElection(s, prefix(t)+"-election"), w.mutex(s)
	must(t, m.Lock(t.Context()), e.Campaign(t.Context(), "me"))
	own.Stop()
	for what, f := range map[string]func(context.Context) error{
		"TryLock": busy.TryLock, "Lock": busy.Lock, "Unlock": m.Unlock, "Resign": e.Resign,
		"Campaign": func(ctx context.Context) error { return w.locks.NewElection(s, prefix(t)).Campaign(ctx, "you") },
	} {
		if err := f(within(t, 50*time.Millisecond)); err != context.DeadlineExceeded {
			t.Errorf("%s without a server = %v", what, err)
		}
	}
	w.counted(map[locktest.Attempt]int64{
		{"acquire", "acquired", "", ""}:                   2,
		{"acquire", "backend_error", "timeout", "closed"}: 3,
		{"release", "release_error", "timeout", "closed"}: 2,
	})
	w.held(0)
	locktest.Eventually(t, "each failure is warned of", func() bool { return len(w.tel.Warnings()) == 5 })
}

func TestWhatEtcdAnswersHasAnErrorType(t *testing.T) {
	for errorType, answer := range map[string]error{
		"UNAVAILABLE": rpctypes.ErrNoLeader,
		"timeout":     status.Error(codes.DeadlineExceeded, "of the server's own"),
		"NOPERM":      rpctypes.ErrPermissionDenied,
		"NOAUTH":      rpctypes.ErrInvalidAuthToken,
		"_OTHER":      rpctypes.ErrLeaseNotFound, // the session has expired before
	} {
		t.Run(errorType, func(t *testing.T) {
			w := newWorld(t, server.Addr)
			s := w.session()
			m, other := w.mutex(s), w.mutex(s)
			must(t, m.Lock(t.Context()))
			w.client.KV = failing{w.client.KV, answer}
			for what, f := range map[string]func(context.Context) error{"TryLock": other.TryLock, "Lock": other.Lock, "Unlock": m.Unlock} {
				if err := f(t.Context()); err != answer {
					t.Errorf("%s = %v, want etcd's own error", what, err)
				}
			}
			w.counted(map[locktest.Attempt]int64{
				{"acquire", "acquired", "", ""}:                   1,
				{"acquire", "backend_error", errorType, "closed"}: 2,
				{"release", "release_error", errorType, "closed"}: 1,
			})
		})
	}
}

// failing is a KV that answers what it is told.
type failing struct {
	v3.KV
	err error
}

func (f failing) Delete(context.Context, string, ...v3.OpOption) (*v3.DeleteResponse, error) {
	return nil, f.err
}

func (f failing) Txn(ctx context.Context) v3.Txn { return failingTxn{f.KV.Txn(ctx), f.err} }

type failingTxn struct {
	v3.Txn
	err error
}

func (f failingTxn) If(...v3.Cmp) v3.Txn              { return f }
func (f failingTxn) Then(...v3.Op) v3.Txn             { return f }
func (f failingTxn) Else(...v3.Op) v3.Txn             { return f }
func (f failingTxn) Commit() (*v3.TxnResponse, error) { return nil, f.err }

func TestAServerThatDoesNotAnswerBeforeTheDeadlineIsATimeoutAndNoCancellation(t *testing.T) {
	hung := newWire(t, server.Addr)
	w := newWorld(t, hung.addr)
	m := w.mutex(w.session())
	hung.mu.Lock()
	defer hung.mu.Unlock()
	if err := m.Lock(within(t, 100*time.Millisecond)); err != context.DeadlineExceeded {
		t.Errorf("Lock = %v", err)
	}
	w.counted(map[locktest.Attempt]int64{{"acquire", "backend_error", "timeout", "closed"}: 1})
}

func TestAClientThatIsClosedIsClosed(t *testing.T) {
	w := newWorld(t, server.Addr)
	m := w.mutex(w.session())
	must(t, w.client.Close())
	if err := m.TryLock(t.Context()); err == nil {
		t.Error("TryLock of a closed client has succeeded")
	}
	w.counted(map[locktest.Attempt]int64{{"acquire", "backend_error", "closed", "closed"}: 1})
}

func TestASessionThatEndsByItselfWhileItHoldsIsALossAtThatMoment(t *testing.T) {
	w := newWorld(t, server.Addr)
	s := w.session(concurrency.WithTTL(1))
	m, e := w.mutex(s), w.locks.NewElection(s, "/locks/projects/election/"+t.Name())
	must(t, m.Lock(t.Context()), e.Campaign(t.Context(), "me"))
	w.held(2)
	_, err := w.client.Revoke(t.Context(), s.Lease())
	must(t, err)
	locktest.Eventually(t, "nothing is held", func() bool { return w.tel.Total(t, "lock.held") == 0 })
	locktest.Eventually(t, "both losses are warned of", func() bool { return len(w.tel.Warnings()) == 2 })
	want := map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: 2, {"release", "release_error", "lost", "closed"}: 2}
	w.counted(want)
	for _, span := range w.tel.Ended("release projects") {
		acquire := w.tel.Ended("acquire projects")
		if p := span.Parent().SpanID(); p != acquire[0].SpanContext().SpanID() && p != acquire[1].SpanContext().SpanID() {
			t.Error("the loss is in no trace of an acquire")
		}
	}
	must(t, m.Unlock(t.Context()), e.Resign(t.Context())) // etcd does not notice
	w.counted(want)
}

// Code that waits for the end of its session unlocks as soon as it comes.
func TestALossIsNoReleaseWhereUnlockFollowsAtOnce(t *testing.T) {
	w := newWorld(t, server.Addr)
	const sessions = 20
	var group sync.WaitGroup
	for i := range sessions {
		group.Go(func() {
			s, err := concurrency.NewSession(w.client, concurrency.WithTTL(3)) // kept alive each second
			if err != nil {
				t.Error(err)
				return
			}
			m := w.locks.NewMutex(s, fmt.Sprint(prefix(t), i))
			if err := m.Lock(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := w.client.Revoke(t.Context(), s.Lease()); err != nil {
				t.Error(err)
			}
			<-s.Done()
			if err := m.Unlock(t.Context()); err != nil { // etcd does not notice
				t.Error(err)
			}
		})
	}
	group.Wait()
	want := map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: sessions, {"release", "release_error", "lost", "closed"}: sessions}
	locktest.Eventually(t, "every loss is told", func() bool { return w.tel.Total(t, "lock.held") == 0 })
	w.counted(want)
}

func TestASessionThatTheProgramEndsIsNoLoss(t *testing.T) {
	for name, end := range map[string]func(*concurrency.Session, *v3.Client, context.CancelFunc) error{
		"Close":                func(s *concurrency.Session, _ *v3.Client, _ context.CancelFunc) error { return s.Close() },
		"Orphan":               func(s *concurrency.Session, _ *v3.Client, _ context.CancelFunc) error { s.Orphan(); return nil },
		"its context ends":     func(_ *concurrency.Session, _ *v3.Client, cancel context.CancelFunc) error { cancel(); return nil },
		"its client is closed": func(_ *concurrency.Session, c *v3.Client, _ context.CancelFunc) error { return c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, server.Addr)
			const times = 20
			for range times {
				w.client = connect(t, server.Addr)
				ctx, cancel := context.WithCancel(t.Context())
				s := w.session(concurrency.WithContext(ctx))
				must(t, w.mutex(s).Lock(t.Context()))
				must(t, end(s, w.client, cancel))
				cancel()
				_, err := connect(t, server.Addr).Revoke(t.Context(), s.Lease()) // for the next one, where it lives
				_ = err
				locktest.Eventually(t, "nothing is held", func() bool { return w.tel.Total(t, "lock.held") == 0 })
			}
			w.counted(map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: times})
		})
	}
}

func TestAMutexThatIsLockedAgainIsHeldOnce(t *testing.T) {
	w := newWorld(t, server.Addr)
	m := w.mutex(w.session())
	must(t, m.Lock(t.Context()), m.Lock(t.Context()), m.TryLock(t.Context()))
	w.held(1)
	must(t, m.Unlock(t.Context()))
	w.held(0)
	if err := m.Unlock(t.Context()); err != concurrency.ErrLockReleased {
		t.Errorf("the second Unlock = %v", err)
	}
	w.counted(map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: 3, {"release", "released", "", ""}: 1})
}

func TestALeaseWhoseHolderForgotItStaysUntilItsSessionEnds(t *testing.T) {
	w := newWorld(t, server.Addr)
	s := w.session()
	must(t, w.mutex(s).Lock(t.Context()))
	if err := w.mutex(w.session()).TryLock(t.Context()); err != concurrency.ErrLocked {
		t.Errorf("TryLock of a mutex that was forgotten = %v", err)
	}
	w.held(1)
	must(t, s.Close())
	locktest.Eventually(t, "nothing is held", func() bool { return w.tel.Total(t, "lock.held") == 0 })
}

func TestALockerIsObservedAndPanicsWithTheErrorOfEtcd(t *testing.T) {
	w := newWorld(t, server.Addr)
	l := w.locks.NewLocker(w.session(), prefix(t))
	l.Lock()
	w.held(1)
	l.Unlock()
	defer func() {
		if r := recover(); r != concurrency.ErrLockReleased {
			t.Errorf("the second Unlock has panicked with %v", r)
		}
		w.counted(map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: 1, {"release", "released", "", ""}: 1})
	}()
	l.Unlock()
}

func TestToBeTheLeaderIsToHoldALock(t *testing.T) {
	w := newWorld(t, server.Addr)
	s := w.session()
	e := w.locks.NewElection(s, prefix(t))
	must(t, e.Resign(t.Context())) // from nothing
	must(t, e.Campaign(t.Context(), "me"), e.Proclaim(t.Context(), "still me"))
	w.held(1)
	other := w.locks.NewElection(w.session(), prefix(t))
	if err := other.Campaign(within(t, 50*time.Millisecond), "you"); err != context.DeadlineExceeded {
		t.Errorf("Campaign = %v", err)
	}
	must(t, e.Resign(t.Context()))
	w.held(0)
	counts := map[locktest.Attempt]int64{
		{"acquire", "acquired", "", ""}: 1, {"acquire", "canceled", "", ""}: 1, {"release", "released", "", ""}: 1,
	}
	w.counted(counts)

	must(t, e.Campaign(t.Context(), "me"))
	_, err := w.client.Delete(t.Context(), e.Key())
	must(t, err)
	if err := e.Proclaim(t.Context(), "me"); err != concurrency.ErrElectionNotLeader {
		t.Errorf("Proclaim without the key = %v", err)
	}
	counts[locktest.Attempt{"acquire", "acquired", "", ""}]++
	counts[locktest.Attempt{"release", "release_error", "lost", "closed"}]++
	w.counted(counts)
	w.held(0)

	resumed := w.locks.ResumeElection(s, prefix(t), "key", 1)
	must(t, resumed.Resign(t.Context()))
	w.counted(counts)
}

func TestNoPrefixAndNoKeyIsEverEmitted(t *testing.T) {
	const mark = "Zk1IDmark"
	own := etcdtest.Start(t)
	w := newWorld(t, own.Addr)
	s := w.session()
	var keys []string
	for _, pfx := range []string{"/locks/projects/" + mark, "/undeclared/" + mark, mark, mark + ":" + mark} {
		m, e := w.locks.NewMutex(s, pfx), w.locks.NewElection(s, pfx+"-election")
		must(t, m.Lock(t.Context()), e.Campaign(t.Context(), mark), m.Unlock(t.Context()))
		must(t, m.Lock(t.Context()))
		keys = append(keys, m.Key())
	}
	own.Stop()
	for _, pfx := range []string{"/locks/projects/" + mark, "/undeclared/" + mark} {
		if err := w.locks.NewMutex(s, pfx).TryLock(within(t, 50*time.Millisecond)); err == nil {
			t.Error("TryLock without a server has succeeded")
		}
	}
	locktest.Eventually(t, "the warnings are there", func() bool { return len(w.tel.Warnings()) > 0 })
	var said strings.Builder
	fmt.Fprintf(&said, "%+v %+v\n", w.tel.Collect(t), w.tel.Warnings())
	for _, span := range w.tel.Spans.Ended() {
		fmt.Fprintln(&said, span.Name(), span.Attributes(), span.Events(), span.Status())
	}
	for _, r := range w.tel.Logs.All() {
		fmt.Fprintln(&said, r.Body(), locktest.RecordAttributes(r))
	}
	for _, secret := range append(keys, mark, fmt.Sprintf("%x", s.Lease())) {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%q is in the telemetry", secret)
		}
	}
	names := map[string]bool{}
	for _, p := range w.tel.Sums(t, "lock.attempts") {
		names[locktest.Text(p.Attributes, "lock.target")] = true
	}
	if want := map[string]bool{"projects": true, "undeclared": true, "_OTHER": true}; !maps.Equal(names, want) {
		t.Errorf("targets %v, want %v", names, want)
	}
}

func TestThePackagesOwnFunctionsUseTheDefault(t *testing.T) {
	w := newWorld(t, server.Addr)
	concurrency.SetDefault(w.locks)
	t.Cleanup(func() { concurrency.SetDefault(nil) })
	s := w.session()
	m := concurrency.NewMutex(s, prefix(t))
	must(t, m.Lock(t.Context()), m.Unlock(t.Context()))
	l := concurrency.NewLocker(s, prefix(t))
	l.Lock()
	l.Unlock()
	must(t, concurrency.NewElection(s, prefix(t)).Campaign(t.Context(), "me"))
	w.counted(map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: 3, {"release", "released", "", ""}: 2})
}

func TestUnwrapGivesEtcdsOwn(t *testing.T) {
	w := newWorld(t, server.Addr)
	s := w.session()
	m, e := w.mutex(s), w.locks.NewElection(s, prefix(t)+"-election")
	must(t, m.Lock(t.Context()), e.Campaign(t.Context(), "me"))
	var own *peer.Mutex = m.Unwrap()
	var election *peer.Election = e.Unwrap()
	if own.Key() != m.Key() || election.Key() != e.Key() || election.Rev() != e.Rev() {
		t.Error("another mutex, or another election")
	}
}

func TestManyMutexesOfOneSessionThatIsLostWhileTheyAreUsedConcurrentSafe(t *testing.T) {
	w := newWorld(t, server.Addr)
	s := w.session(concurrency.WithTTL(1))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			m := w.locks.NewMutex(s, fmt.Sprint(prefix(t), "/", i))
			for m.Lock(t.Context()) == nil && m.Unlock(t.Context()) == nil {
			}
		})
	}
	locktest.Eventually(t, "they work", func() bool { return len(w.tel.Ended("release projects")) > 50 })
	_, err := w.client.Revoke(t.Context(), s.Lease())
	must(t, err)
	group.Wait()
	locktest.Eventually(t, "nothing is held", func() bool { return w.tel.Total(t, "lock.held") == 0 })
}

// On the page of package lockz each row says which key it is about, by a number.
func TestThePageTellsPrefixesApart(t *testing.T) {
	w := newWorld(t, server.Addr)
	w.locks = concurrency.New(append(observed(w.tel), observe.WithLockz(true))...)
	s := w.session()
	t.Cleanup(func() { _ = s.Close() })
	mutex, election := w.mutex(s), w.locks.NewElection(s, prefix(t)+"/leader")
	must(t, mutex.Lock(t.Context()), election.Campaign(t.Context(), "here"))
	held, _ := live.Locks()
	if len(held) != 2 || held[0].Key != live.KeyOf(prefix(t)) || held[1].Key != live.KeyOf(prefix(t)+"/leader") {
		t.Errorf("held: %+v, want the keys of the two prefixes", held)
	}
	must(t, mutex.Unlock(t.Context()), election.Resign(t.Context()))
}
