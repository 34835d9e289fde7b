package sentrylog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"

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

func TestTheApplicationsOwnClientDelivers(t *testing.T) {
	server := envelopetest.NewServer(t)
	client := appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "shop@9", Environment: "production", ServerName: "pod-1"})
	e := newProcessor(t, "ignored", sentrylog.WithClient(client))
	if err := export(within(t, 20*time.Second), e, backendErrors(60)); err != nil {
		t.Fatal(err)
	}
	if err := e.Shutdown(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	events := server.Events()
	if len(events) != 60 || e.Sent() != 60 {
		t.Fatalf("%d events arrived, %d counted as sent; want 60", len(events), e.Sent())
	}
	if got := events[0]; got.Release != "shop@9" || got.Environment != "production" || got.ServerName != "pod-1" {
		t.Errorf("release %q, environment %q, server %q: the client's options should win", got.Release, got.Environment, got.ServerName)
	}

	// Shutdown left the client open.
	if client.CaptureMessage("still here", nil, sentry.NewScope()) == nil || !client.FlushWithContext(within(t, 10*time.Second)) {
		t.Error("the client is closed")
	}
	server.WaitEvents(within(t, 10*time.Second), 61)
}

func TestTraceOfTheRecordHoldsOnTheApplicationsClient(t *testing.T) {
	server := envelopetest.NewServer(t)
	e := newProcessor(t, "", sentrylog.WithClient(appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "1"})))
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
	for want, hook := range map[string]func(*sentry.Event, *sentry.EventHint) *sentry.Event{
		"2 of 2 events not delivered: refused by a hook":               func(*sentry.Event, *sentry.EventHint) *sentry.Event { return nil },
		"a hook of the client panicked with a value of type *errors.e": func(*sentry.Event, *sentry.EventHint) *sentry.Event { panic(errors.New(envelopetest.Key)) },
	} {
		e := newProcessor(t, "", sentrylog.WithClient(appClient(t, sentry.ClientOptions{Dsn: server.DSN(), Release: "1", BeforeSend: hook})))
		wantError(t, export(within(t, 10*time.Second), e, backendErrors(2)), want)
		if e.Dropped() != 2 {
			t.Errorf("%s: dropped %d, want 2", want, e.Dropped())
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
	e := newProcessor(t, "", sentrylog.WithClient(client))
	for _, r := range backendErrors(5) {
		if err := e.OnEmit(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
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

func TestTheGlobalHubIsLeftAlone(t *testing.T) {
	before := sentry.CurrentHub().Client()
	newProcessor(t, fakeDSN)
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
		{name: "malformed", dsn: "https://" + envelopetest.Key + "@host:port/1", want: "sentrylog: the Sentry DSN is malformed"},
		{name: "no project", dsn: "https://" + envelopetest.Key + "@host", want: "sentrylog: the Sentry DSN is malformed"},
		{name: "a blank at the end", dsn: fakeDSN + " ", want: "sentrylog: the Sentry DSN contains white space"},
		{name: "no queue", dsn: fakeDSN, opts: []sentrylog.Option{sentrylog.WithQueueSize(0)}, want: "WithQueueSize"},
		{name: "negative cap", dsn: fakeDSN, opts: []sentrylog.Option{sentrylog.WithCap(-1, 1)}, want: "WithCap"},
		{name: "nil client", opts: []sentrylog.Option{sentrylog.WithClient(nil)}, want: "nil or a disabled client"},
		{name: "disabled client", opts: []sentrylog.Option{sentrylog.WithClient(sentry.NewNoopClient())}, want: "nil or a disabled client"},
		{name: "client without a DSN", opts: []sentrylog.Option{sentrylog.WithClient(discarding)}, want: "WithClient: the Sentry DSN is empty"},
		{name: "client and transport", opts: []sentrylog.Option{sentrylog.WithClient(working), sentrylog.WithHTTPTransport(&fakeSentry{})}, want: "WithHTTPTransport"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := sentrylog.New(c.dsn, c.opts...)
			if e != nil {
				t.Error("a processor was built")
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
			if err := export(t.Context(), e, backendErrors(1)); err != nil {
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
