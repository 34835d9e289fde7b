package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

const (
	reportKey = "lock:cron:report"
	reportTTL = 3 * time.Second
)

// report is a job that takes longer than its lease lives: it would run for half an
// hour, and the lease is renewed meanwhile. When an operator deletes its key, it
// stops at the next renewal, before anybody else can have taken the key.
func report(ctx context.Context, out io.Writer, addr string) error {
	locker, rdb, closeAll, err := connect(addr)
	if err != nil {
		return err
	}
	defer closeAll()
	reports, err := locker.Target("report", reportKey,
		otellock.WithTTL(reportTTL), otellock.WithAutoExtend(30*time.Minute), otellock.WithFailClosed(true))
	if err != nil {
		return err
	}
	var deleted time.Time
	err = reports.Mutex().Do(ctx, func(ctx context.Context) error {
		start := time.Now()
		fmt.Fprintf(out, "A report may take half an hour, its lease lives %v.\n", reportTTL)
		for page := 1; ; page++ {
			if !sleep(ctx, 100*time.Millisecond) { // writes a page
				return context.Cause(ctx)
			}
			if lasted := time.Since(start); deleted.IsZero() && lasted > reportTTL*3/2 {
				left := otellock.LeaseFromContext(ctx).Remaining().Round(time.Second)
				fmt.Fprintf(out, "  after %v and %d pages: its lease still lasts %v, thanks to renewal\n", lasted.Round(time.Second/10), page, left)
				if err := rdb.Del(ctx, reportKey).Err(); err != nil {
					return err
				}
				deleted = time.Now()
				fmt.Fprintln(out, "  an operator deletes its key")
			}
		}
	})
	fmt.Fprintf(out, "  stopped %v later: %v\n", time.Since(deleted).Round(time.Second/10), err)
	if !errors.Is(err, otellock.ErrLost) {
		return fmt.Errorf("the report ended by %w, not because it lost its lease", err)
	}
	return nil
}
