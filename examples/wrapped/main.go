// Wrapped shows five locks side by side, our own and four that people have, each
// observed: the same contention, the same outage, and one table of what they tell of
// it. An embedded etcd and a redis-server that is on the PATH run for it.
//
//	go run ./examples/wrapped
//
// REDIS_ADDR points it at a Redis of yours instead; the outage is a cut of this
// program's own connections either way.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"go.opentelemetry.io/otel"
)

const (
	workers  = 6
	turns    = 2                      // of each worker
	holds    = 50 * time.Millisecond  // each time
	patience = 200 * time.Millisecond // of who waits in the contention
	deadline = 300 * time.Millisecond // of each call in the outage
	calls    = 10                     // in the outage
)

func main() {
	// All that may end it early: what it has started would outlive it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "wrapped:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	out = &lines{Writer: out}
	logging.Disable() // go-redis would print every failed dial
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { slog.Error("OpenTelemetry", "error", err) }))
	servers, err := start(ctx)
	if err != nil {
		return err
	}
	defer servers.stop()
	seen, err := newTelemetry(out)
	if err != nil {
		return err
	}
	locks, closeLocks, err := open(servers, seen)
	if err != nil {
		return err
	}
	defer closeLocks()

	fmt.Fprint(out, "This takes about 10 s.\n\n")
	fmt.Fprintf(out, "CONTENTION\n   %d workers want one key, %d times each, hold it for %v and wait for it for %v\n\n", workers, turns, holds, patience)
	if err := contend(ctx, out, locks); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nOUTAGE\n   the connections are cut while each lock is held, then %d calls, each with %v\n\n", calls, deadline)
	lose(ctx, servers, locks)
	if err := seen.shutdown(ctx); err != nil {
		return err
	}
	fmt.Fprint(out, "\nWHAT IS COUNTED (lock.attempts)\n")
	return seen.table(ctx, out, locks)
}

// contend lets the workers of each lock want the same key.
func contend(ctx context.Context, out io.Writer, locks []lock) error {
	var errs []error
	for _, l := range locks {
		if err := connect(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		inside, most, ran := 0, 0, 0
		var mu sync.Mutex
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for range turns {
					ctx, cancel := context.WithTimeout(ctx, patience)
					release, err := l.take(ctx, "busy")
					cancel()
					if err != nil {
						continue // it is counted
					}
					mu.Lock()
					ran++
					inside++
					most = max(most, inside)
					mu.Unlock()
					<-time.After(holds)
					mu.Lock()
					inside--
					mu.Unlock()
					_ = release(context.WithoutCancel(ctx))
				}
			})
		}
		group.Wait()
		fmt.Fprintf(out, "   %-12s ran %2d of %d times, %d at once\n", l.name, ran, workers*turns, most)
		if most != 1 {
			errs = append(errs, fmt.Errorf("%s: %d ran at once", l.name, most))
		}
	}
	return errors.Join(errs...)
}

// connect lets each worker take a free key at once, so that all have a connection.
func connect(ctx context.Context, l lock) error {
	errs := make([]error, workers)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() {
			release, err := l.take(ctx, fmt.Sprint("first", i))
			if err == nil {
				err = release(ctx)
			}
			errs[i] = err
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// lose cuts the connections while each lock is held, and calls on.
func lose(ctx context.Context, servers *servers, locks []lock) {
	releases := make([]func(context.Context) error, len(locks))
	for i, l := range locks {
		releases[i], _ = l.take(ctx, "held")
	}
	servers.cut()
	var group sync.WaitGroup
	for i, l := range locks {
		if release := releases[i]; release != nil {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, deadline)
				defer cancel()
				_ = release(ctx) // whatever becomes of it is counted
			})
		}
		for i := range calls {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, deadline)
				defer cancel()
				if release, err := l.take(ctx, fmt.Sprint(i)); err == nil {
					_ = release(ctx)
				}
			})
		}
	}
	group.Wait()
}
