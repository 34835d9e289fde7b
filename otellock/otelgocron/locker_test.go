package otelgocron_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/go-co-op/gocron/v2"

	"github.com/otellock/otellock-go/internal/live"
	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/otelgocron"
)

var errBusy = errors.New("somebody else has the job")

// A table is a Locker in memory.
type table struct {
	mu     sync.Mutex
	locked map[string]bool
	err    error // of every call, while it is set
	denied chan struct{}
}

func (l *table) Lock(_ context.Context, key string) (gocron.Lock, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	if l.locked[key] {
		defer func() { l.denied <- struct{}{} }()
		return nil, errBusy
	}
	l.locked[key] = true
	return row{l, key}, nil
}

func (l *table) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

type row struct {
	*table
	key string
}

func (r row) Unlock(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		delete(r.locked, r.key)
	}
	return r.err
}

func observed(tel *locktest.Telemetry, locker gocron.Locker) gocron.Locker {
	return otelgocron.New(locker, func(err error) bool { return errors.Is(err, errBusy) },
		observe.WithTracerProvider(tel.Tracers), observe.WithMeterProvider(tel.Meters), observe.WithLoggerProvider(tel.Loggers),
		observe.WithBackendName("memory"), observe.WithTarget("reports", "report-*"))
}

func TestOfTwoSchedulersOneRunsTheJobAndTheOtherIsSkipped(t *testing.T) {
	tel, shared := locktest.NewTelemetry(), &table{locked: map[string]bool{}, denied: make(chan struct{}, 1)}
	ran := make(chan string, 2)
	var schedulers []gocron.Scheduler
	for _, name := range []string{"first", "second"} {
		s, err := gocron.NewScheduler(gocron.WithDistributedLocker(observed(tel, shared)))
		if err != nil {
			t.Fatal(err)
		}
		job := func() {
			ran <- name
			<-shared.denied // the other one has asked
		}
		if _, err := s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartImmediately()), gocron.NewTask(job), gocron.WithName("report-2026-11")); err != nil {
			t.Fatal(err)
		}
		schedulers = append(schedulers, s)
	}
	for _, s := range schedulers {
		s.Start()
	}
	want := map[locktest.Attempt]int64{
		{"acquire", "acquired", "", ""}: 1, {"acquire", "skipped", "", ""}: 1, {"release", "released", "", ""}: 1,
	}
	locktest.Eventually(t, "one was acquired and released, the other skipped", func() bool { return maps.Equal(tel.Attempts(t), want) })
	for _, s := range schedulers {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	}
	if len(ran) != 1 {
		t.Errorf("the job ran %d times", len(ran))
	}
	for _, p := range tel.Sums(t, "lock.attempts") {
		if target := locktest.Text(p.Attributes, "lock.target"); target != "reports" {
			t.Errorf("lock.target = %q", target)
		}
	}
}

func TestTheErrorsOfALockerComeThroughAndAreToldApart(t *testing.T) {
	tel, shared := locktest.NewTelemetry(), &table{locked: map[string]bool{}, denied: make(chan struct{}, 1)}
	locker, broken := observed(tel, shared), errors.New("no backend for report-2026-11")
	lock, err := locker.Lock(t.Context(), "report-2026-11")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locker.Lock(t.Context(), "report-2026-11"); err != errBusy {
		t.Errorf("Lock of a busy job = %v", err)
	}
	shared.fail(broken)
	if _, err := locker.Lock(t.Context(), "report-2026-11"); err != broken {
		t.Errorf("Lock without a backend = %v", err)
	}
	for range 2 { // the second one is the Locker's alone
		if err := lock.Unlock(t.Context()); err != broken {
			t.Errorf("Unlock without a backend = %v", err)
		}
	}
	shared.fail(nil)
	if err := lock.Unlock(t.Context()); err != nil {
		t.Errorf("Unlock = %v", err)
	}
	if lock, err = locker.Lock(t.Context(), "report-2026-11"); err != nil {
		t.Fatal(err)
	}
	shared.fail(observe.ErrLost)
	if err := lock.Unlock(t.Context()); err != observe.ErrLost {
		t.Errorf("Unlock of a lost lease = %v", err)
	}
	want := map[locktest.Attempt]int64{
		{"acquire", "acquired", "", ""}:                  2,
		{"acquire", "skipped", "", ""}:                   1,
		{"acquire", "backend_error", "_OTHER", "closed"}: 1,
		{"release", "release_error", "_OTHER", "closed"}: 1,
		{"release", "release_error", "lost", "closed"}:   1,
	}
	if got := tel.Attempts(t); !maps.Equal(got, want) {
		t.Errorf("counted\n%v\nwant\n%v", got, want)
	}
	if held := tel.Total(t, "lock.held"); held != 0 {
		t.Errorf("lock.held = %d", held)
	}
}

func TestBadInputPanicsAtConstruction(t *testing.T) {
	isBusy := func(error) bool { return false }
	for name, test := range map[string]struct {
		create func()
		says   string
	}{
		"a target without a name":  {func() { otelgocron.New(&table{}, isBusy, observe.WithTarget("", "report-*")) }, "name"},
		"no locker":                {func() { otelgocron.New(nil, isBusy) }, "locker is nil"},
		"nothing that knows busy":  {func() { otelgocron.New(&table{}, nil) }, "busy is nil"},
		"neither of them is given": {func() { otelgocron.New(nil, nil) }, "locker is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if err, _ := recover().(error); err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("New panics with %v, want an error that says %q", err, test.says)
				}
			}()
			test.create()
		})
	}
}

// gocron unlocks what it has locked. Another caller of a Locker may forget to.
func TestALockThatIsForgottenIsCountedAndNotUnlocked(t *testing.T) {
	tel, shared := locktest.NewTelemetry(), &table{locked: map[string]bool{}}
	func() {
		lock, err := observed(tel, shared).Lock(t.Context(), "report-2026-11")
		if err != nil {
			t.Fatal(err)
		}
		if held := tel.Total(t, "lock.held"); held != 1 {
			t.Errorf("lock.held = %d, want 1", held)
		}
		runtime.KeepAlive(lock)
	}()
	locktest.Eventually(t, "the lock is no longer counted as held", func() bool { runtime.GC(); return tel.Total(t, "lock.held") == 0 })
	want := map[locktest.Attempt]int64{{"acquire", "acquired", "", ""}: 1, {"cleanup", "abandoned", "", ""}: 1}
	if got := tel.Attempts(t); !maps.Equal(got, want) {
		t.Errorf("counted\n%v\nwant\n%v", got, want)
	}
	if !shared.locked["report-2026-11"] {
		t.Error("the job was unlocked")
	}
}

// On the page of package lockz each row says which key it is about, by a number.
func TestThePageTellsJobsApart(t *testing.T) {
	jobs := otelgocron.New(&table{locked: map[string]bool{}}, func(error) bool { return false }, observe.WithLockz(true))
	for _, name := range []string{"report-1", "report-2"} {
		lock, err := jobs.Lock(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lock.Unlock(t.Context()) }()
	}
	held, _ := live.Locks()
	if len(held) != 2 || held[0].Key != live.KeyOf("report-1") || held[1].Key != live.KeyOf("report-2") {
		t.Errorf("held: %+v, want the keys of the two jobs", held)
	}
}
