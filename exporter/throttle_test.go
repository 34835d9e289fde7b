package exporter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/internal/otlptest"
)

func TestAnOutageIsOneWarningAndEveryOccurrenceIsCounted(t *testing.T) {
	const failures, gated = 500, 300
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			isolate(t)
			r, sentry := otlptest.Start(t), newSentryServer(t)
			r.Setenv(t, protocol)
			t.Setenv("SENTRY_DSN", sentry.dsn)
			tel := setup(t, exporter.WithoutGlobals())

			suppress := func() bool { return tel.Suppress(time.Now(), "lock.backend_error", "projects", "timeout") }
			if suppress() {
				t.Fatal("the first report was suppressed")
			}
			for range failures {
				emit(context.Background(), t, tel)
			}
			for range gated {
				if !suppress() {
					t.Fatal("a report was not suppressed within the window")
				}
			}
			mustShutdown(t, tel)

			warnings, summaries := r.LogsNamed("lock.backend_error"), r.LogsNamed("lock.report.summary")
			if len(warnings) != 1 || len(summaries) != 1 || len(sentry.all()) != 2 {
				t.Fatalf("%d warnings, %d summaries, %d Sentry events; want one of each, and two", len(warnings), len(summaries), len(sentry.all()))
			}
			if first, last := sentry.all()[0], sentry.all()[1]; first.Level != "warning" || last.Level != "info" {
				t.Errorf("the Sentry events are of level %s and %s, want the warning and the summary", first.Level, last.Level)
			}
			heldBack := int64(failures - 1 + gated)
			if first, last := warnings[0].Attr("lock.report.suppressed_count"), summaries[0].Attr("lock.report.suppressed_count"); first != int64(0) || last != heldBack {
				t.Errorf("the warning carries a count of %v, the summary of %v; want 0 and %d", first, last, heldBack)
			}
			// The metrics left after the logs had been counted to the last.
			for result, want := range map[string]float64{"emitted": 1, "suppressed": float64(heldBack)} {
				if got := r.Total("lock.reports", map[string]string{"lock.report.result": result, "lock.target": "projects"}); got != want {
					t.Errorf("lock.reports of %s is %v, want %v", result, got, want)
				}
			}
		})
	}
}

func TestMetricsAgreeWithTheLogsWhenTheLogReceiverHangs(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	r.Hang(otlptest.Logs)
	tel := setup(t, exporter.WithoutGlobals())
	for range 10 {
		emit(context.Background(), t, tel)
	}
	if err := tel.Shutdown(within(t, 400*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v", err)
	}
	if emitted, suppressed := r.Total("lock.reports", map[string]string{"lock.report.result": "emitted"}), r.Total("lock.reports", map[string]string{"lock.report.result": "suppressed"}); emitted != 1 || suppressed != 9 {
		t.Errorf("lock.reports: %v emitted, %v suppressed; want 1 and 9", emitted, suppressed)
	}
	if !r.Contains("lock.report.summary") {
		t.Error("the summary was not sent")
	}
}

func TestABrokenDestinationDoesNotOpenTheThrottleForTheOthers(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	tel := setup(t, exporter.WithoutGlobals(), exporter.WithLogProcessor(broken{}))
	for range 10 {
		emit(context.Background(), t, tel)
	}
	mustShutdown(t, tel)
	if n := len(r.LogsNamed("lock.backend_error")); n != 1 {
		t.Errorf("%d warnings passed, want 1", n)
	}
}

type broken struct{ sdklog.Processor }

func (broken) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

func (broken) OnEmit(context.Context, *sdklog.Record) error { return errors.New("broken on purpose") }

func (broken) ForceFlush(context.Context) error { return nil }

func (broken) Shutdown(context.Context) error { return nil }

func TestThrottleOptionsReachTheThrottle(t *testing.T) {
	t.Run("no window", func(t *testing.T) {
		isolate(t)
		r := otlptest.Start(t)
		r.Setenv(t, "http/protobuf")
		tel := setup(t, exporter.WithoutGlobals(), exporter.WithThrottle(throttle.WithWindow(0)))
		for range 5 {
			emit(context.Background(), t, tel)
		}
		mustShutdown(t, tel)
		if n := len(r.LogsNamed("lock.backend_error")); n != 5 {
			t.Errorf("%d warnings passed a throttle without a window, want 5", n)
		}
	})
	t.Run("what makes no sense", func(t *testing.T) {
		isolate(t)
		t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
		t.Setenv("SENTRY_DSN", "http://"+marker+"@127.0.0.1:1/7")
		_, err := exporter.Setup(t.Context(), exporter.WithoutGlobals(), exporter.WithThrottle(throttle.WithMaxKeys(-1)))
		if err == nil || !strings.Contains(err.Error(), "WithThrottle") {
			t.Errorf("error is %v", err)
		}
	})
}
