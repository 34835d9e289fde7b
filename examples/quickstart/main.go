// Quickstart shows what a lock looks like from outside: real locks on an embedded
// Redis, a lease that runs out while it is held, and an outage under load, with
// the spans, the metrics and the warnings that come of it.
//
//	go run ./examples/quickstart
//
// Variables point it at real systems: REDIS_ADDR (the outage is then a cut of
// the connections of this program only), OTEL_EXPORTER_OTLP_ENDPOINT and
// SENTRY_DSN. With -v every metric and log record is printed as well.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.opentelemetry.io/otel"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

func main() {
	verbose := flag.Bool("v", false, "print every metric and every log record as well")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, newScreen(os.Stdout), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out *screen, verbose bool) error {
	logging.Disable() // go-redis would print every failed dial
	server, err := startRedis(ctx, os.Getenv("REDIS_ADDR"))
	if err != nil {
		return err
	}
	defer server.stop()

	setVariables()
	otel.SetErrorHandler(printOnce())
	seen := newCapture()
	telemetry, err := exporter.Setup(ctx, seen.options()...)
	if err != nil {
		return err
	}

	options := redisbackend.Options(server.addr)
	options.PoolSize = 64 // no request of the first act waits for a connection
	// On a busy machine an attempt is given longer, and so must be what it dials.
	options.DialTimeout = longestAttempt
	rdb := redis.NewClient(options)
	defer rdb.Close()
	// Redis's own spans nest under the lock's. Their statements would hold keys
	// and tokens, so recording them is off.
	if err := redisotel.InstrumentTracing(rdb, redisotel.WithDBStatement(false)); err != nil {
		return err
	}
	backend, err := redisbackend.New(rdb)
	if err != nil {
		return err
	}
	locker, err := otellock.New(backend, otellock.WithThrottle(telemetry))
	if err != nil {
		return err
	}
	projects, errP := locker.Target("projects", "lock:projects:*")
	invoices, errI := locker.Target("invoices", "lock:invoices:*")
	orders, errO := locker.Target("orders", "lock:orders:*")
	if err := errors.Join(errP, errI, errO); err != nil {
		return err
	}

	out.say(faint, "", "Redis: "+server.what+". This takes about 5 s.")
	fmt.Fprintln(out)
	s := &stage{screen: out, tracer: otel.Tracer("quickstart"), seen: seen, attempt: 250 * time.Millisecond}
	s.contention(ctx, projects)
	s.overrun(ctx, invoices)
	s.outage(ctx, server, orders)

	// Each has a deadline of its own: without Redis, Close may use up all of its.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = locker.Close(closing)
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	metrics := seen.collect(deadline)
	if err = telemetry.Shutdown(deadline); err != nil {
		err = fmt.Errorf("not all was delivered; do the receivers of OTEL_EXPORTER_OTLP_ENDPOINT and SENTRY_DSN answer? %w", err)
	}
	records := seen.all() // the summaries came with Shutdown
	if verbose {
		out.printMetrics(metrics)
		out.printRecords(records)
	}
	err = errors.Join(err, out.printAccount(metrics, records))
	out.printNext()
	return err
}

// printNext says what to do with it.
func (s *screen) printNext() {
	s.heading("NEXT", "go run ./examples/quickstart, and")
	for _, next := range []string{
		"-v for every metric and record",
		"REDIS_ADDR=localhost:6379 for your own Redis",
		"SENTRY_DSN=... for an issue of each warning",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 for a Collector, with the dashboard of collector-config",
	} {
		s.say(plain, "     ", next)
	}
	s.say(plain, "   ", "README.md, \"Use it\", puts it into your service; examples/httpapi is one.")
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

// setVariables turns off the exporters that have no endpoint (OpenTelemetry's default
// is a Collector on this host), and samples every trace, because the acts print some.
func setVariables() {
	os.Setenv("OTEL_TRACES_SAMPLER", "always_on")
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
