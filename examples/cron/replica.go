package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// A replica is one process of the service.
type replica struct {
	plan
	ahead time.Duration
}

// now is the replica's own clock.
func (r replica) now() time.Time { return time.Now().Add(r.ahead) }

// next returns the schedule after now: a multiple of the period.
func (r replica) next() time.Time { return r.now().Truncate(r.period).Add(r.period) }

func (r replica) run(ctx context.Context) error {
	locker, _, closeAll, err := connect(r.redis, otellock.WithFailClosed(true))
	if err != nil {
		return err
	}
	defer closeAll()
	invoices, err := locker.Target("invoices", "lock:cron:invoices",
		otellock.WithTTL(r.hold()), otellock.WithMinHold(r.hold()), otellock.WithAutoExtend(10*r.hold()))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if r.useGocron {
		return r.runGocron(ctx, locker)
	}
	for {
		schedule := r.next()
		if !sleep(ctx, schedule.Sub(r.now())) {
			return nil
		}
		r.try(ctx, invoices.Mutex(), schedule)
	}
}

// try does the job of a schedule, unless another replica is first. If Redis fails
// it tries again, but not so late that the others' lock may have run out.
func (r replica) try(ctx context.Context, lock otellock.Mutex, schedule time.Time) {
	for late := time.Duration(0); late < r.grace(); late = r.now().Sub(schedule) {
		_, err := lock.TryDo(ctx, func(ctx context.Context) error { return r.work(ctx, schedule) })
		if own, failed := otellock.OwnError(ctx, err); !failed || own.Op != "acquire" {
			if err != nil {
				slog.Error("the job failed", "error", err)
			}
			return
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return
		}
	}
	slog.Warn("too late for the schedule", "schedule", schedule)
}

// work is the job. Its context ends when the lease is lost.
func (r replica) work(ctx context.Context, schedule time.Time) error {
	fmt.Println("ran", schedule.UnixMilli())
	if !sleep(ctx, r.job) {
		return context.Cause(ctx)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// untilEOF ends with the process that started this one, however that ends.
func untilEOF(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ctx
}
