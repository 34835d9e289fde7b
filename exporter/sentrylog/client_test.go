package sentrylog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

// appClient is a client as applications make it: sentry-go's own asynchronous
// transport, with 100 slots that drop the oldest.
func appClient(t *testing.T, o sentry.ClientOptions) *sentry.Client {
	t.Helper()
	client, err := sentry.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestTheApplicationsOwnClientDeliversABurst(t *testing.T) {
	server := envelopetest.NewServer(t)
	client := appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "shop@9", Environment: "production", ServerName: "pod-1"})
	e := newExporter(t, "", sentrylog.WithClient(client), sentrylog.WithCap(0, 0))
	if e.Client() != client {
		t.Error("Client() is another client")
	}
	if err := e.Export(within(t, 20*time.Second), backendErrors(512)); err != nil {
		t.Fatal(err)
	}
	if err := e.Shutdown(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	events := server.Events()
	if len(events) != 512 || e.Sent() != 512 {
		t.Fatalf("%d events arrived, %d counted as sent; want 512", len(events), e.Sent())
	}
	if got := events[0]; got.Release != "shop@9" || got.Environment != "production" || got.ServerName != "pod-1" {
		t.Errorf("release %q, environment %q, server %q: the client's options should win", got.Release, got.Environment, got.ServerName)
	}

	// Shutdown left the client open.
	if client.CaptureMessage("still here", nil, sentry.NewScope()) == nil || !client.FlushWithContext(within(t, 10*time.Second)) {
		t.Error("the client is closed")
	}
	server.WaitEvents(within(t, 10*time.Second), 513)
}

func TestTraceOfTheRecordHoldsOnTheApplicationsClient(t *testing.T) {
	server := envelopetest.NewServer(t)
	e := newExporter(t, "", sentrylog.WithClient(appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "1"})))
	p := newPipeline(t, e)
	p.logger.Emit(traced(t.Context()), failure("backend_error", "projects", "timeout"))
	p.flush(t)
	event := oneEvent(t, server)
	if got := event.Contexts["trace"]; got["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" || got["span_id"] != "00f067aa0ba902b7" {
		t.Errorf("trace of the event: %v", got)
	}
	if got := event.Header.Trace; got["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" || got["public_key"] != envelopetest.Key {
		t.Errorf("trace of the envelope: %v", got)
	}
}

func TestWhatTheApplicationsClientRefusesIsReported(t *testing.T) {
	server := envelopetest.NewServer(t)
	for name, hook := range map[string]func(*sentry.Event, *sentry.EventHint) *sentry.Event{
		"refused by the application's client": func(*sentry.Event, *sentry.EventHint) *sentry.Event { return nil },
		"a hook of the client panicked":       func(*sentry.Event, *sentry.EventHint) *sentry.Event { panic("hook") },
	} {
		e := newExporter(t, "", sentrylog.WithClient(appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "1", BeforeSend: hook})))
		wantError(t, e.Export(within(t, 10*time.Second), backendErrors(2)), "2 of 2 events not delivered: "+name)
		if e.Dropped() != 2 {
			t.Errorf("%s: dropped %d, want 2", name, e.Dropped())
		}
	}
}

func TestShutdownDoesNotWaitForTheApplicationsHungClient(t *testing.T) {
	server := envelopetest.NewServer(t)
	server.Always(envelopetest.Hang())
	client, err := sentry.NewClient(sentry.ClientOptions{Dsn: server.DSN(), Release: "1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	e := newExporter(t, "", sentrylog.WithClient(client))
	if err := e.Export(within(t, 10*time.Second), backendErrors(5)); err != nil {
		t.Fatal(err)
	}
	server.WaitAttempts(within(t, 10*time.Second), 1)
	for _, end := range []struct {
		name string
		call func(context.Context) error
	}{{"ForceFlush", e.ForceFlush}, {"Shutdown", e.Shutdown}} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		start := time.Now()
		err := end.call(ctx)
		cancel()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v, its context 100ms", end.name, took)
		}
		if !isDeadline(err) {
			t.Errorf("%s: %v, want the deadline", end.name, err)
		}
		wantError(t, err, "did not flush in time")
	}
}

func TestWhatElseIsCapturedLinksToTheSameTrace(t *testing.T) {
	server := envelopetest.NewServer(t)
	e := newExporter(t, server.DSN())
	ctx := traced(t.Context())
	start := time.Now()
	id := e.Client().CaptureException(errors.New("boom"), &sentry.EventHint{Context: ctx}, sentry.NewScope())
	if id == nil || time.Since(start) > 5*time.Second {
		t.Fatalf("captured %v in %v", id, time.Since(start))
	}
	event := oneEvent(t, server)
	if want := trace.SpanContextFromContext(ctx); event.Contexts["trace"]["trace_id"] != want.TraceID().String() || event.Contexts["trace"]["span_id"] != want.SpanID().String() {
		t.Errorf("trace of the event: %v", event.Contexts["trace"])
	}
	if event.Release != "" {
		t.Errorf("release %q, want none", event.Release)
	}
}

func TestTheGlobalHubIsLeftAlone(t *testing.T) {
	before := sentry.CurrentHub().Client()
	newExporter(t, fakeDSN)
	if sentry.CurrentHub().Client() != before {
		t.Error("New has bound its client to the global hub")
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Setenv("SENTRY_DSN", "")
	discarding := appClient(t, sentry.ClientOptions{Release: "1"})
	working := appClient(t, sentry.ClientOptions{Dsn: fakeDSN, Release: "1"})
	for _, c := range []struct {
		name, dsn string
		opts      []sentrylog.Option
		want      string
	}{
		{name: "no DSN", want: "sentrylog: the Sentry DSN is empty"},
		{name: "malformed", dsn: "https://" + envelopetest.Key + "@host:port/1", want: "sentrylog: the Sentry DSN is not a URL"},
		{name: "no project", dsn: "https://" + envelopetest.Key + "@host", want: "has no project id"},
		{name: "negative cap", dsn: fakeDSN, opts: []sentrylog.Option{sentrylog.WithCap(-1, 1)}, want: "WithCap"},
		{name: "nil client", opts: []sentrylog.Option{sentrylog.WithClient(nil)}, want: "nil or a disabled client"},
		{name: "disabled client", opts: []sentrylog.Option{sentrylog.WithClient(sentry.NewNoopClient())}, want: "nil or a disabled client"},
		{name: "client without a DSN", opts: []sentrylog.Option{sentrylog.WithClient(discarding)}, want: "has no DSN"},
		{name: "client and DSN", dsn: fakeDSN, opts: []sentrylog.Option{sentrylog.WithClient(working)}, want: "pass an empty one"},
		{name: "client and transport", opts: []sentrylog.Option{sentrylog.WithClient(working), sentrylog.WithHTTPTransport(&fakeSentry{})}, want: "WithHTTPTransport"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := sentrylog.New(c.dsn, c.opts...)
			if e != nil {
				t.Error("an exporter was built")
			}
			wantError(t, err, c.want)
		})
	}
}

func TestTheEnvironmentNamesReleaseAndEnvironment(t *testing.T) {
	for _, c := range []struct {
		envRelease, envEnvironment string
		opts                       []sentrylog.Option
		want                       string
	}{
		{want: "1.4.2 staging"},
		{envRelease: "env-1", envEnvironment: "env", want: "env-1 env"},
		{envRelease: "env-1", envEnvironment: "env", want: "opt-1 opt",
			opts: []sentrylog.Option{sentrylog.WithRelease("opt-1"), sentrylog.WithEnvironment("opt")}},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Setenv("SENTRY_RELEASE", c.envRelease)
			t.Setenv("SENTRY_ENVIRONMENT", c.envEnvironment)
			fake := &fakeSentry{}
			e, err := sentrylog.New(fakeDSN, append(c.opts, sentrylog.WithHTTPTransport(fake))...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Shutdown(context.Background()) }()
			if err := e.Export(t.Context(), backendErrors(1)); err != nil {
				t.Fatal(err)
			}
			event := fake.arrived()[0]
			if got := fmt.Sprint(event.Release, " ", event.Environment); got != c.want {
				t.Errorf("event: %s, want %s", got, c.want)
			}
			if got := fmt.Sprint(event.Header.Trace["release"], " ", event.Header.Trace["environment"]); got != c.want {
				t.Errorf("envelope: %s, want %s", got, c.want)
			}
			if event.Header.Trace["org_id"] != "17" {
				t.Errorf("org_id %q, want 17", event.Header.Trace["org_id"])
			}
		})
	}
}

// An event that never became a request, because a hook put something into it
// that JSON does not know, is a loss like any other.
func TestAnEventThatCannotBeEncodedIsReported(t *testing.T) {
	fake := &fakeSentry{}
	e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
	e.Client().AddEventProcessor(func(event *sentry.Event, _ *sentry.EventHint) *sentry.Event {
		event.Contexts["bad"] = sentry.Context{"f": func() {}}
		return event
	})
	wantError(t, e.Export(t.Context(), backendErrors(1)), "1 of 1 events not delivered: event could not be encoded")
	if len(fake.attempts()) != 0 || e.Dropped() != 1 {
		t.Errorf("%d requests, %d dropped; want 0, 1", len(fake.attempts()), e.Dropped())
	}
}

// What the application captures itself must not hang its goroutine.
func TestACaptureOfTheApplicationsEndsWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeSentry{answer: answers(envelopetest.Hang())}
		e := newExporter(t, fakeDSN, sentrylog.WithHTTPTransport(fake))
		start := time.Now()
		e.Client().CaptureException(errors.New("boom"), nil, sentry.NewScope())
		if took := time.Since(start); took != 2*time.Second || len(fake.attempts()) != 1 {
			t.Errorf("took %v with %d attempts, want 2s with one", took, len(fake.attempts()))
		}
		if !e.Client().Flush(time.Second) {
			t.Error("Flush waits for something")
		}
	})
}
