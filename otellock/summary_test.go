package otellock_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/otellock"
)

// One logger whose handler hangs at its summary does not keep another target's
// summary back.
func TestAStuckSummaryHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newScripted()
		l := newTelemetry().Locker(t, b)
		projects, invoices := declare(t, l, "projects"), declare(t, l, "invoices")
		stuck := make(chan struct{})
		bad := slog.New(handler{
			warn: func(context.Context, slog.Record) error { return nil },
			info: func(context.Context, slog.Record) error { <-stuck; return nil },
		})
		var good console
		b.Fail(errRefused)
		for range 3 {
			_ = projects.Mutex("7").With(otellock.WithLogger(bad)).Do(t.Context(), nothing)
		}
		time.Sleep(5 * time.Second)
		for range 3 {
			_ = invoices.Mutex("7").With(otellock.WithLogger(slog.New(good.handler()))).Do(t.Context(), nothing)
		}
		time.Sleep(5 * time.Minute)
		if want := []string{"WARN 0", "INFO 2"}; !slices.Equal(good.levels(), want) {
			t.Errorf("the other handler got %q, want %q", good.levels(), want)
		}
		close(stuck)
		_ = l.Close(context.Background())
	})
}

// What the console says of suppressed warnings is, word for word, what the
// throttle of a log pipeline says: a reader searches for one text.
func TestASummaryOnTheConsoleReadsLikeTheThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newScripted()
		l := newTelemetry().Locker(t, b)
		var stderr console
		m := declare(t, l, "projects").Mutex("7").With(otellock.WithLogger(slog.New(stderr.handler())))
		b.Fail(errRefused)
		time.Sleep(1234567 * time.Nanosecond)
		for range 3 {
			_ = m.Do(t.Context(), nothing)
		}
		time.Sleep(time.Hour)
		records := stderr.all()
		if len(records) != 2 {
			t.Fatalf("%d records, want a warning and a summary", len(records))
		}
		if got, want := records[1].Message, "repeated warnings suppressed: backend_error, projects"; got != want {
			t.Errorf("the summary says %q, want %q", got, want)
		}
		if got, want := attrOf(records[1], "lock.report.suppressed_until"), "2000-01-01T00:00:00.001Z"; got != want {
			t.Errorf("the summary says until %v, want %v", got, want)
		}
		for _, r := range records {
			if got, want := attrOf(r, "lock.report.suppressed_since"), "2000-01-01T00:00:00.001Z"; got != want {
				t.Errorf("%v: suppressed since %v, want %v", r.Level, got, want)
			}
		}
		_ = l.Close(t.Context())
	})
}
