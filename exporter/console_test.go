package exporter_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/internal/otlptest"
)

// buffer is a console that is read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *buffer) option() exporter.Option { return exporter.WithConsole(slog.NewTextHandler(b, nil)) }

func TestTheFirstExportThatFailsIsSaidOnceWithTheHost(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			isolate(t)
			r := otlptest.Start(t)
			r.Refuse()
			r.Setenv(t, protocol)
			endpoint := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", strings.Replace(endpoint, "http://", "http://user:s3cret@", 1))
			t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
			var out buffer
			tel := setup(t, exporter.WithoutGlobals(), out.option())
			for range 2 {
				emit(t.Context(), t, tel)
				if err := tel.ForceFlush(within(t, 5*time.Second)); err == nil {
					t.Error("ForceFlush returns no error")
				}
			}
			_ = tel.Shutdown(within(t, 5*time.Second))
			host := strings.TrimPrefix(endpoint, "http://")
			if got := out.String(); strings.Count(got, "no telemetry arrives at "+host+": ") != 1 || strings.Contains(got, "s3cret") {
				t.Errorf("the console has\n%s", got)
			}
		})
	}
}

func TestAnEndpointThatFailsLaterIsNotSaidToBeUnreachable(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	var out buffer
	tel := setup(t, exporter.WithoutGlobals(), out.option())
	emit(t.Context(), t, tel)
	if err := tel.ForceFlush(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.Refuse()
	_ = tel.Shutdown(within(t, 5*time.Second))
	if got := out.String(); strings.Contains(got, "no telemetry arrives") {
		t.Errorf("the console has\n%s", got)
	}
}

func TestHTTPSInFrontOfAReceiverThatSpeaksHTTPIsSaidInWords(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", strings.Replace(r.Endpoint(), "http:", "https:", 1))
	var out buffer
	tel := setup(t, exporter.WithoutGlobals(), out.option())
	emit(t.Context(), t, tel)
	_ = tel.Shutdown(within(t, 5*time.Second))
	if got := out.String(); !strings.Contains(got, "the endpoint says https, the receiver speaks http") {
		t.Errorf("the console has\n%s", got)
	}
}

func TestTheConsoleIsStandardErrorUnlessTold(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Refuse()
	r.Setenv(t, "http/protobuf")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = write
	tel := setup(t, exporter.WithoutGlobals(), exporter.WithConsole(nil))
	os.Stderr = stderr
	emit(t.Context(), t, tel)
	_ = tel.Shutdown(within(t, 5*time.Second))
	_ = write.Close()
	got, err := io.ReadAll(read)
	if err != nil || !strings.Contains(string(got), "not delivered: lock backend failed: projects runs unprotected") {
		t.Errorf("standard error has %q, %v", got, err)
	}
}

// refusing is a destination that takes no record.
type refusing struct{ recorder }

func (*refusing) OnEmit(context.Context, *sdklog.Record) error { return errors.New("s3cret") }

func TestWarningsOfOneKeyAreOnTheConsoleOnceAMinuteWhicheverTheRoute(t *testing.T) {
	isolate(t)
	exportNothing(t)
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		tel := setup(t, exporter.WithoutGlobals(), out.option(), exporter.WithThrottle(throttle.WithWindow(0)),
			exporter.WithLogProcessor(&refusing{}), exporter.WithLogProcessor(&refusing{}))
		logger := tel.LoggerProvider().Logger(scope)
		warn := func(target string) {
			var record log.Record
			record.SetSeverity(log.SeverityWarn)
			record.AddAttributes(attribute.String("lock.action", "backend_error"), attribute.String("lock.target", target))
			logger.Emit(t.Context(), record)
		}
		for range 5 * 60 { // minutes 0 to 5
			warn("projects")
			warn("orders")
			time.Sleep(time.Second)
		}
		_ = tel.Shutdown(t.Context())
		got := out.String()
		if n := strings.Count(got, "lock.target=projects"); n != 5 {
			t.Errorf("%d lines in five minutes, want 5", n)
		}
		if strings.Contains(got, "s3cret") {
			t.Error("the text of a processor's error is on the console")
		}
	})
}

func TestAConsoleThatPanicsCostsNothing(t *testing.T) {
	isolate(t)
	exportNothing(t)
	tel := setup(t, exporter.WithoutGlobals(), exporter.WithConsole(panicking{}), exporter.WithLogProcessor(&refusing{}))
	emit(t.Context(), t, tel)
	_ = tel.Shutdown(within(t, 5*time.Second))
}

type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool { panic("no") }

func logRecord(severity log.Severity, observed time.Time) (r log.Record) {
	r.SetSeverity(severity)
	r.SetObservedTimestamp(observed)
	if severity == log.SeverityWarn {
		r.SetBody(attribute.StringValue("lock backend failed"))
		r.AddAttributes(attribute.String("lock.action", "backend_error"), attribute.String("lock.target", "projects"))
	}
	return r
}

func TestAWarningThatTheQueueDroppedIsOnTheConsole(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "1")
	t.Setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "4")
	t.Setenv("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "4")
	r.Hang()
	var out buffer
	tel := setup(t, exporter.WithoutGlobals(), out.option())
	logger := tel.LoggerProvider().Logger(scope)
	logger.Emit(t.Context(), logRecord(log.SeverityInfo, time.Now()))
	r.Wait(t, "an export to hang", func() bool { return len(r.Requests()) == 1 })

	// The application logs on: the queue drops its oldest.
	logger.Emit(t.Context(), logRecord(log.SeverityWarn, time.Now().Add(-time.Minute)))
	for range 8 {
		logger.Emit(t.Context(), logRecord(log.SeverityInfo, time.Now()))
	}
	r.Accept()
	if err := tel.ForceFlush(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, `not delivered: lock backend failed`) != 1 || !strings.Contains(got, `reason="the queue was full"`) {
		t.Errorf("%d records arrived, the console has\n%s", len(r.Logs()), got)
	}
	mustShutdown(t, tel)
}

func TestShutdownSaysWhatAHangingExportHasInHand(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "1")
	r.Hang()
	var out buffer
	tel := setup(t, exporter.WithoutGlobals(), out.option())
	tel.LoggerProvider().Logger(scope).Emit(t.Context(), logRecord(log.SeverityWarn, time.Now()))
	r.Wait(t, "an export to hang", func() bool { return len(r.Requests()) == 1 })
	if err := tel.Shutdown(within(t, 500*time.Millisecond)); err == nil {
		t.Error("Shutdown returns no error")
	}
	if got := out.String(); strings.Count(got, `not delivered: lock backend failed`) != 1 { // the process ends now
		t.Errorf("the console has\n%s", got)
	}
}

func TestAWarningThatArrivedIsNotOnTheConsole(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	var out buffer
	tel := setup(t, exporter.WithoutGlobals(), out.option())
	logger := tel.LoggerProvider().Logger(scope)
	logger.Emit(t.Context(), logRecord(log.SeverityWarn, time.Now().Add(-time.Minute)))
	for range 3 {
		if err := tel.ForceFlush(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		logger.Emit(t.Context(), logRecord(log.SeverityInfo, time.Now()))
	}
	mustShutdown(t, tel)
	if got := out.String(); got != "" || len(r.Logs()) != 4 {
		t.Errorf("%d records arrived, the console has\n%s", len(r.Logs()), got)
	}
}
