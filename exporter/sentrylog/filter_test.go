package sentrylog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

// panicsOn is a filter that takes every warning but the n-th, from 0 on.
func panicsOn(n int) func(*sdklog.Record) bool {
	seen := -1
	return func(record *sdklog.Record) bool {
		if seen++; seen == n {
			panic(errors.New("the server says " + envelopetest.Key))
		}
		return sentrylog.LockWarnings(record)
	}
}

func TestAFilterThatPanicsRefusesTheRecord(t *testing.T) {
	fake := &fakeSentry{}
	e := newProcessor(t, fakeDSN, sentrylog.WithHTTPTransport(fake), sentrylog.WithFilter(panicsOn(1)))
	err := export(t.Context(), e, backendErrors(3))
	wantError(t, err, "the filter panicked with a value of type *errors.errorString")
	if len(fake.arrived()) != 2 || e.Sent() != 2 || e.Dropped() != 0 {
		t.Errorf("arrived %d, sent %d, dropped %d; want 2, 2, 0", len(fake.arrived()), e.Sent(), e.Dropped())
	}
	if err := export(t.Context(), e, backendErrors(1)); err != nil {
		t.Errorf("the next Export: %v", err)
	}
}

func TestAFilterThatPanicsDoesNotEndTheProcess(t *testing.T) {
	failed := make(chan error, 1)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { failed <- err }))
	defer otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	server := envelopetest.NewServer(t)
	p := newPipeline(t, newProcessor(t, server.DSN(), sentrylog.WithFilter(panicsOn(0))))
	p.logger.Emit(t.Context(), failure("backend_error", "projects", "timeout"))
	select {
	case err := <-failed:
		if !strings.Contains(err.Error(), "the filter panicked") {
			t.Errorf("error is %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no error came")
	}
	p.logger.Emit(t.Context(), failure("backend_error", "invoices", "timeout"))
	if events := server.WaitEvents(within(t, 10*time.Second), 1); events[0].Tags["lock.target"] != "invoices" {
		t.Errorf("the event is about %s", events[0].Tags["lock.target"])
	}
}
