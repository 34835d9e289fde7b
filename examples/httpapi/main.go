// Httpapi is a small HTTP service whose one endpoint is guarded by a lock.
//
//	go run ./examples/httpapi
//	curl -X PUT 'localhost:8080/projects/7?work=2s'
//
// A second PUT of the same project while the first runs returns 409 with
// Retry-After. Stop Redis, and PUTs still succeed, unprotected, with one warning
// a minute. SIGTERM and Ctrl-C finish the running requests, release their locks
// and flush the telemetry.
//
// REDIS_ADDR (localhost:6379), HTTP_ADDR (localhost:8080) and LOAD_RPS, requests
// a second that the service sends to itself (0), are its own. OTEL_* and
// SENTRY_DSN are those of package exporter, except that without
// OTEL_EXPORTER_OTLP_ENDPOINT nothing is exported and warnings go to the console.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// grace is what SIGTERM leaves for running requests, and again for locks and
// telemetry. Orchestrators commonly kill after 30 s.
const grace = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "httpapi:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	rps, err := strconv.Atoi(env("LOAD_RPS", "0"))
	if err != nil || rps < 0 || rps > 1000 {
		return errors.New("LOAD_RPS must be a number of requests a second, 0 to 1000")
	}

	exportOnlyWhenTold()
	telemetry, err := exporter.Setup(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err = errors.Join(err, telemetry.Shutdown(ctx))
	}()

	logging.Disable() // go-redis would print every failed dial
	rdb := redis.NewClient(redisbackend.Options(env("REDIS_ADDR", "localhost:6379")))
	defer rdb.Close()
	// Redis's own spans nest under the lock's. Their statements would hold keys
	// and tokens, so recording them is off.
	if err := errors.Join(
		redisotel.InstrumentTracing(rdb, redisotel.WithDBStatement(false)),
		redisotel.InstrumentMetrics(rdb),
	); err != nil {
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
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err = errors.Join(err, locker.Close(ctx))
	}()
	projects, err := newProjects(locker)
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", env("HTTP_ADDR", "localhost:8080"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(projects), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	slog.Info("listening", "addr", listener.Addr().String())

	loadCtx, stopLoad := context.WithCancel(ctx)
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		load(loadCtx, "http://"+listener.Addr().String(), rps)
	}()

	select {
	case err = <-served:
	case <-ctx.Done():
		shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err = server.Shutdown(shutdown)
	}
	stopLoad()
	<-loaded
	return err
}

func env(name, byDefault string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return byDefault
}

// exportOnlyWhenTold turns off the exporters that have no endpoint: OpenTelemetry's
// default is a Collector on this host.
func exportOnlyWhenTold() {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		return
	}
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} {
		if os.Getenv(name) == "" {
			os.Setenv(name, "none")
		}
	}
}
