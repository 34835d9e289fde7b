package main

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/otellock/observe"
)

func TestAnAdvisoryLock(t *testing.T) {
	server := startPostgres(t)
	t.Run("tells what happens to it", func(t *testing.T) { tellsWhatHappens(t, server) })
	t.Run("lets a job run, and not without a server", func(t *testing.T) {
		if err := run(t.Context(), server.url, time.Millisecond); err != nil {
			t.Error(err)
		}
		server.stop()
		if err := run(t.Context(), server.url, time.Millisecond); err == nil {
			t.Error("the job has run without a server")
		}
	})
}

func tellsWhatHappens(t *testing.T, server *postgres) {
	tel := locktest.NewTelemetry()
	observer, err := observe.New(observe.WithBackendName("postgresql"), observe.WithTarget("nightly", "jobs:nightly:*"),
		observe.WithTracerProvider(tel.Tracers), observe.WithMeterProvider(tel.Meters), observe.WithLoggerProvider(tel.Loggers))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("postgres", server.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxIdleConns(-1) // each Do has a connection of its own, and no old one that has been told of the end
	locks := Locks{db, observer}
	const key = "jobs:nightly:Zk1IDmark"
	nothing := func(context.Context) error { return nil }
	want := map[locktest.Attempt]int64{}
	check := func(what string, more ...locktest.Attempt) {
		t.Helper()
		for _, a := range more {
			want[a]++
		}
		if got := tel.Attempts(t); !maps.Equal(got, want) {
			t.Errorf("%s: counted\n%v\nwant\n%v", what, got, want)
		}
		if held := tel.Total(t, "lock.held"); held != 0 {
			t.Errorf("%s: lock.held = %d", what, held)
		}
	}
	acquired, released := locktest.Attempt{"acquire", "acquired", "", ""}, locktest.Attempt{"release", "released", "", ""}

	err = locks.Do(t.Context(), key, func(ctx context.Context) error {
		return locks.Do(ctx, key, nothing)
	})
	if !errors.Is(err, observe.ErrContended) {
		t.Errorf("Do while it is held = %v", err)
	}
	check("busy", acquired, locktest.Attempt{"acquire", "skipped", "", ""}, released)

	if err := locks.Do(t.Context(), key, nothing); err != nil {
		t.Errorf("Do after it was released = %v", err)
	}
	check("free", acquired, released)

	err = locks.Do(t.Context(), key, func(ctx context.Context) error {
		// The connections of others, which is that of the lock.
		_, err := db.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
		return err
	})
	if err != nil {
		t.Errorf("Do whose connection breaks = %v", err)
	}
	check("the connection breaks", acquired, locktest.Attempt{"release", "release_error", "lost", "closed"})

	server.stop()
	if err := locks.Do(t.Context(), key, nothing); err == nil {
		t.Error("Do without a server has run")
	}
	check("no server", locktest.Attempt{"acquire", "backend_error", "connection_refused", "closed"})

	server.start()
	if err := locks.Do(t.Context(), key, nothing); err != nil {
		t.Errorf("Do after the outage = %v", err)
	}
	check("the server is back", acquired, released)

	locktest.Eventually(t, "two warnings", func() bool { return len(tel.Warnings()) == 2 })
	for _, warning := range tel.Warnings() {
		for name, value := range warning {
			if text, ok := value.(string); ok && strings.Contains(text, "Zk1IDmark") {
				t.Errorf("the key is in %s: %s", name, text)
			}
		}
	}
}
