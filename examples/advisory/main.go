// Advisory is a nightly job of which only one replica may do the work, by an
// advisory lock of PostgreSQL on database/sql. The lock is lock.go, and four lines of
// that are its telemetry. It has no exporter and no OpenTelemetry SDK: what its locks
// have to say goes to the console.
//
//	go run ./examples/advisory          # run two at once: one works, one skips
//
// Without PostgreSQL the job does not run, and the console says why.
//
// DATABASE_URL defaults to postgres://localhost/postgres?sslmode=disable; -work is how
// long the job takes.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/lib/pq"

	"github.com/otellock/otellock-go/otellock/observe"
)

func main() {
	work := flag.Duration("work", time.Second, "how long the job takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	url := os.Getenv("DATABASE_URL")
	if url == "" {
		url = "postgres://localhost/postgres?sslmode=disable"
	}
	if err := run(ctx, url, *work); err != nil {
		slog.Error("the job failed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string, work time.Duration) error {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	defer db.Close()
	observer, err := observe.New(observe.WithBackendName("postgresql"), observe.WithTarget("nightly", "jobs:nightly:*"))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = observer.Close(ctx) // what is left is a warning cut short
	}()

	err = Locks{db, observer}.Do(ctx, "jobs:nightly:reports", func(ctx context.Context) error {
		slog.Info("working")
		select {
		case <-time.After(work):
			slog.Info("done")
			return nil
		case <-ctx.Done():
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	})
	if errors.Is(err, observe.ErrContended) {
		slog.Info("skipped: another replica is at it")
		return nil
	}
	return err
}
