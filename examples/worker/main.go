// Worker is a nightly job of which only one replica may do the work. It has no
// exporter and no OpenTelemetry SDK: what its locks have to say goes to the
// console.
//
//	go run ./examples/worker            # run two at once: one works, one skips
//
// Without Redis it works all the same, unprotected, and says so:
//
//	REDIS_ADDR=localhost:1 go run ./examples/worker
//
// REDIS_ADDR defaults to localhost:6379; -work is how long the job takes.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

func main() {
	work := flag.Duration("work", time.Second, "how long the job takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *work); err != nil {
		slog.Error("the job failed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, work time.Duration) error {
	addr := os.Getenv("REDIS_ADDR")
	if addr == "" {
		addr = "localhost:6379"
	}
	logging.Disable() // go-redis would print every failed dial
	rdb := redis.NewClient(redisbackend.Options(addr))
	defer rdb.Close()
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return err
	}
	locker, err := otellock.New(backend)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = locker.Close(ctx) // the job is done; what is left is a warning cut short
	}()
	nightly, err := locker.Target("nightly", "lock:worker:nightly", otellock.WithTTL(work+10*time.Second))
	if err != nil {
		return err
	}

	ran, err := nightly.Mutex().TryDo(ctx, func(ctx context.Context) error {
		protected := otellock.LeaseFromContext(ctx).Protected()
		slog.Info("working", "protected", protected)
		select {
		case <-time.After(work):
			return nil
		case <-ctx.Done():
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	})
	if err != nil {
		return err
	}
	if !ran {
		slog.Info("skipped: another replica is at it")
		return nil
	}
	slog.Info("done")
	return nil
}
