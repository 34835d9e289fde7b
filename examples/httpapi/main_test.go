package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
	sentryhttp "github.com/getsentry/sentry-go/http"
	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

func put(t *testing.T, base, id string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/projects/"+id+"?work=0s", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The Sentry server fails the test if an event is not valid by Sentry's schema.
func TestAnOutageOfRedisIsOneIssueThatIsClosedAtTheEnd(t *testing.T) {
	server, sentry, addr := redistest.Start(t), envelopetest.NewServer(t), freeAddr(t)
	t.Setenv("REDIS_ADDR", server.Addr)
	t.Setenv("HTTP_ADDR", addr)
	t.Setenv("SENTRY_DSN", sentry.DSN())
	t.Setenv("OTEL_SERVICE_NAME", "httpapi")
	running, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(running) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended at the start: %v", err)
		case <-ctx.Done():
			t.Fatal("it does not listen")
		case <-tick.C:
		}
	}

	server.Kill()
	const puts = 20
	for i := range puts {
		if status := put(t, "http://"+addr, fmt.Sprint(i)); status != http.StatusOK {
			t.Errorf("PUT answered %d, want 200, unprotected", status)
		}
	}
	sentry.WaitEvents(ctx, 1)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}

	events := sentry.Events()
	if len(events) != 2 || events[0].Level != "warning" || events[1].Level != "info" {
		t.Fatalf("%d events, want a warning and the summary", len(events))
	}
	failures := 1.0
	for _, e := range events {
		if e.Exception[0].Type != "lock.backend_error" || e.Tags["lock.target"] != "projects" || e.Tags["service.name"] != "httpapi" {
			t.Errorf("event %s with tags %v", e.Exception[0].Type, e.Tags)
		}
		failures += e.Contexts["lock"]["report.suppressed_count"].(float64)
	}
	if failures != puts {
		t.Errorf("the issue counts %v failures, want %d", failures, puts)
	}
}

// As an application does that has Sentry already: its client, its middleware.
func TestTheIssueOfAnApplicationWithSentryHasItsRequest(t *testing.T) {
	server := envelopetest.NewServer(t)
	exportOnlyWhenTold()
	client, err := sentry.NewClient(sentry.ClientOptions{Dsn: server.DSN(), Release: "shop@9", Environment: "staging"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	telemetry, err := exporter.Setup(t.Context(), exporter.WithoutGlobals(), exporter.WithSentry(sentrylog.WithClient(client)))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(redisbackend.Options(freeAddr(t)))
	defer rdb.Close()
	backend, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	locker, err := otellock.New(backend, otellock.WithThrottle(telemetry), otellock.WithLoggerProvider(telemetry.LoggerProvider()))
	if err != nil {
		t.Fatal(err)
	}
	projects, err := newProjects(locker)
	if err != nil {
		t.Fatal(err)
	}
	handler := sentryhttp.New(sentryhttp.Options{}).Handle(routes(projects))
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hub := sentry.NewHub(client, sentry.NewScope())
		hub.Scope().SetUser(sentry.User{ID: "u-17"})
		handler.ServeHTTP(w, r.WithContext(sentry.SetHubOnContext(r.Context(), hub)))
	}))
	defer api.Close()
	if status := put(t, api.URL, "7"); status != http.StatusOK {
		t.Errorf("PUT answered %d", status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := locker.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := telemetry.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}

	events := server.WaitEvents(ctx, 1)
	e := events[0]
	user, _ := e.Raw["user"].(map[string]any)
	request, _ := e.Raw["request"].(map[string]any)
	if len(events) != 1 || user["id"] != "u-17" || request["method"] != "PUT" || request["url"] != api.URL+"/projects/7" {
		t.Errorf("%d events, the first by user %v of request %v", len(events), user, request)
	}
	if e.Release != "shop@9" || e.Environment != "staging" || e.Tags["lock.target"] != "projects" {
		t.Errorf("release %q, environment %q, tags %v", e.Release, e.Environment, e.Tags)
	}
}
