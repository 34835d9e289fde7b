// Quickstart shows what a lock looks like from outside: real locks on an embedded
// Redis, a lease that runs out while it is held, and an outage under load, with
// the spans, the metrics and the warnings that come of it.
//
//	go run ./examples/quickstart
//
// Variables point it at real systems: REDIS_ADDR (the outage is then a cut of
// the connections of this program only), OTEL_EXPORTER_OTLP_ENDPOINT and
// SENTRY_DSN.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/otellock/otellock-go/semconv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	logging.Disable() // go-redis would print every failed dial
	server, err := startRedis(ctx, os.Getenv("REDIS_ADDR"))
	if err != nil {
		return err
	}
	defer server.stop()

	quietWithoutEndpoint()
	otel.SetErrorHandler(printOnce())
	seen := newCapture()
	telemetry, err := exporter.Setup(ctx, seen.options()...)
	if err != nil {
		return err
	}
	tracer := otel.Tracer("quickstart")

	rdb := redis.NewClient(redisbackend.Options(server.addr))
	defer rdb.Close()
	// Redis's own spans nest under the lock's. Their statements would hold keys
	// and tokens, so recording them is off.
	if err := redisotel.InstrumentTracing(rdb, redisotel.WithDBStatement(false)); err != nil {
		return err
	}
	if err := rdb.Ping(ctx).Err(); err != nil { // so that the first trace is not about connecting
		return err
	}
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return err
	}
	locker, err := otellock.New(backend, otellock.WithReportGate(telemetry.ReportGate))
	if err != nil {
		return err
	}
	projects, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		return err
	}
	invoices, err := locker.Target("invoices", "lock:invoices:*",
		otellock.WithTTL(200*time.Millisecond), otellock.WithAttemptTimeout(100*time.Millisecond))
	if err != nil {
		return err
	}

	fmt.Printf("Redis: %s. This takes about 3 s.\n\n", server.what)

	section("1. CONTENTION", "40 requests for 3 projects, each alone on its project; this one waited the longest")
	seen.printTrace(contend(ctx, tracer, projects))

	section("2. OVERRUN", "a lease of 200 ms, held for 350 ms: somebody else may have run at the same time")
	seen.printTrace(overrun(ctx, tracer, invoices))

	section("3. OUTAGE", server.outage+"; 16 workers go on for 2 s")
	server.cut()
	ran, failed := outage(ctx, tracer, projects)
	fmt.Printf("   %d requests ran, unprotected; %d failed. The one that the warning points to:\n", ran, failed)
	seen.printTrace(seen.traceOf(semconv.EventLockBackendError))

	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
	defer cancel()
	err = locker.Close(deadline)
	metrics := seen.collect(deadline)
	err = errors.Join(err, telemetry.Shutdown(deadline))

	if err != nil {
		err = fmt.Errorf("not all was delivered; do the receivers of OTEL_EXPORTER_OTLP_ENDPOINT and SENTRY_DSN answer? %w", err)
	}

	printAccount(metrics)
	printMetrics(metrics)
	seen.printRecords()
	fmt.Println("OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 sends all of this to a Collector.")
	return err
}

// printOnce says what OpenTelemetry could not do, each thing once.
func printOnce() otel.ErrorHandlerFunc {
	var said sync.Map
	return func(err error) {
		if _, again := said.LoadOrStore(err.Error(), true); !again {
			fmt.Fprintln(os.Stderr, "OpenTelemetry:", err)
		}
	}
}

// contend runs forty requests over three keys, and returns the trace of the one
// that waited the longest.
func contend(ctx context.Context, tracer trace.Tracer, projects *otellock.Target) trace.TraceID {
	var mu sync.Mutex
	var longest time.Duration
	var id trace.TraceID
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			ctx, span := tracer.Start(ctx, "PUT /projects/{id}")
			defer span.End()
			start := time.Now()
			err := projects.Mutex(strconv.Itoa(i%3)).Do(ctx, func(ctx context.Context) error {
				waited := time.Since(start)
				mu.Lock()
				if waited > longest {
					longest, id = waited, span.SpanContext().TraceID()
				}
				mu.Unlock()
				return work(ctx, tracer, 8*time.Millisecond)
			})
			if err != nil && !errors.Is(err, otellock.ErrContended) {
				fmt.Println("unexpected:", err)
			}
		})
	}
	group.Wait()
	return id
}

// overrun holds a lease for longer than it lives.
func overrun(ctx context.Context, tracer trace.Tracer, invoices *otellock.Target) trace.TraceID {
	ctx, span := tracer.Start(ctx, "POST /invoices/{id}/pay")
	defer span.End()
	err := invoices.Mutex("2026-117").Do(ctx, func(ctx context.Context) error {
		return work(ctx, tracer, 350*time.Millisecond)
	})
	if err != nil {
		fmt.Println("unexpected:", err)
	}
	return span.SpanContext().TraceID()
}

// outage goes on with requests while the backend is gone.
func outage(ctx context.Context, tracer trace.Tracer, projects *otellock.Target) (ran, failed int64) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var done, lost atomic.Int64
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// The request's own context outlives the load: what ends is the
				// load, not the request.
				rctx, span := tracer.Start(context.WithoutCancel(ctx), "PUT /projects/{id}")
				err := projects.Mutex(fmt.Sprint(worker, "-", i)).Do(rctx, func(ctx context.Context) error {
					return work(ctx, tracer, 2*time.Millisecond)
				})
				span.End()
				if err != nil {
					lost.Add(1)
				} else {
					done.Add(1)
				}
			}
		})
	}
	group.Wait()
	return done.Load(), lost.Load()
}

func work(ctx context.Context, tracer trace.Tracer, d time.Duration) error {
	_, span := tracer.Start(ctx, "work")
	defer span.End()
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quietWithoutEndpoint turns off the exporters that nobody pointed anywhere:
// OpenTelemetry's default is a Collector on this host.
func quietWithoutEndpoint() {
	for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
		exporterVar := "OTEL_" + signal + "_EXPORTER"
		if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" &&
			os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") == "" && os.Getenv(exporterVar) == "" {
			os.Setenv(exporterVar, "none")
		}
	}
	if os.Getenv("OTEL_SERVICE_NAME") == "" {
		os.Setenv("OTEL_SERVICE_NAME", "quickstart")
	}
}
