package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/redis/go-redis/v9/logging"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
)

// TestMain is also the replicas, which the fleet starts as this program.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-replica") {
		main()
		return
	}
	logging.Disable()
	os.Exit(m.Run())
}

// Two seconds of slack to both sides of the shortest hold are for machines that are
// very busy.
func TestEachScheduleRunsOnceInThreeReplicasOfWhichOneIsKilledNowAndThen(t *testing.T) {
	for name, useGocron := range map[string]bool{"by a loop": false, "by gocron": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan{redis: redistest.Start(t).Addr, period: 6 * time.Second, skew: time.Second, job: 50 * time.Millisecond, useGocron: useGocron}
			f, err := startFleet(t.Context(), p, []time.Duration{0, 200 * time.Millisecond, p.skew})
			if err != nil {
				t.Fatal(err)
			}
			defer f.stop()
			var out strings.Builder
			if err := f.watch(t.Context(), &out, 4); err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
			if got := out.String(); strings.Count(got, "killed and started again") < 2 || !strings.Contains(got, "4 schedules, 4 ran once.") {
				t.Errorf("it says\n%s", got)
			}
		})
	}
}

func TestTheReportIsRenewedAndStopsWhenItsLeaseIsTakenAway(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := report(t.Context(), &out, redistest.Start(t).Addr); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if got := out.String(); !strings.Contains(got, "thanks to renewal") || !strings.Contains(got, "report: lost") {
		t.Errorf("it says\n%s", got)
	}
}

func TestClocksThatAreTooFarApartForThePeriodAreRefused(t *testing.T) {
	for _, p := range []plan{{period: 10 * time.Second, skew: 5 * time.Second}, {period: time.Second, skew: time.Minute}} {
		if p.check() == nil {
			t.Errorf("%+v is taken", p)
		}
	}
	if err := (plan{period: 15 * time.Second, skew: 5 * time.Second}).check(); err != nil {
		t.Error(err)
	}
}

func TestGocronGetsAJobsLockOnceForItsShortestHold(t *testing.T) {
	locker, _, closeAll, err := connect(redistest.Start(t).Addr, otellock.WithFailClosed(true))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	jobs, err := locker.Target("jobs", "lock:cron:job:*", otellock.WithTTL(time.Hour), otellock.WithMinHold(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var l gocron.Locker = gocronLocker{jobs}
	lock, err := l.Lock(t.Context(), "invoices")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lock(t.Context(), "invoices"); err != errNotFirst {
		t.Errorf("the same job again: %v", err)
	}
	if other, err := l.Lock(t.Context(), "another"); err != nil || other.Unlock(t.Context()) != nil {
		t.Errorf("another job: %v", err)
	}
}
