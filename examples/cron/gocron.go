package main

import (
	"context"
	"errors"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/jonboulle/clockwork"

	"github.com/otellock/otellock-go/otellock"
)

// A gocronLocker is a gocron.Locker: one lock for each name of a job. gocron expects
// of it to bridge the differences between clocks, which is what WithMinHold does.
//
// gocron gives the lock nothing to end a job with. A job that may outlive its lease
// takes the lock itself, by Do, and stops when that context ends.
type gocronLocker struct{ jobs *otellock.Target }

var errNotFirst = errors.New("another replica runs this job")

// Lock implements gocron.Locker. gocron skips the job for any error.
func (l gocronLocker) Lock(ctx context.Context, job string) (gocron.Lock, error) {
	lease, ok, err := l.jobs.Mutex(job).TryLock(ctx)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errNotFirst
	}
	return gocronLock{lease}, nil
}

type gocronLock struct{ lease *otellock.Lease }

// Unlock implements gocron.Lock.
func (l gocronLock) Unlock(ctx context.Context) error { return l.lease.Release(ctx) }

// A fastClock is ahead of the machine's clock.
type fastClock struct {
	clockwork.Clock
	ahead time.Duration
}

func (c fastClock) Now() time.Time                  { return c.Clock.Now().Add(c.ahead) }
func (c fastClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c fastClock) Until(t time.Time) time.Duration { return t.Sub(c.Now()) }

func (r replica) runGocron(ctx context.Context, locker *otellock.Locker) error {
	jobs, err := locker.Target("jobs", "lock:cron:job:*", otellock.WithTTL(r.hold()), otellock.WithMinHold(r.hold()))
	if err != nil {
		return err
	}
	scheduler, err := gocron.NewScheduler(
		gocron.WithDistributedLocker(gocronLocker{jobs}),
		gocron.WithClock(fastClock{clockwork.NewRealClock(), r.ahead}))
	if err != nil {
		return err
	}
	invoices := func(ctx context.Context) { _ = r.work(ctx, r.now().Round(r.period)) }
	if _, err = scheduler.NewJob(gocron.DurationJob(r.period), gocron.NewTask(invoices), gocron.WithName("invoices"),
		gocron.WithStartAt(gocron.WithStartDateTime(r.next()))); err != nil {
		return err
	}
	scheduler.Start()
	<-ctx.Done()
	return scheduler.Shutdown()
}
