package exporter_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.uber.org/goleak"

	"github.com/otellock/otellock-go/exporter"
)

// isolate gives a test an environment without OTEL_* and SENTRY_* variables
// and fails it when it leaves a goroutine behind. It returns what
// OpenTelemetry reports about itself while the test runs.
func isolate(t *testing.T) *complaints {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "OTEL_") || strings.HasPrefix(name, "SENTRY_") {
			t.Setenv(name, "")
		}
	}
	c := &complaints{}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { c.add(err.Error()) }))
	otel.SetLogger(funcr.New(func(_, args string) { c.add(args) }, funcr.Options{Verbosity: 1}))
	t.Cleanup(func() {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
		otel.SetLogger(logr.Discard())
	})
	return c
}

// complaints are the errors and warnings that the SDK has nobody to return to.
type complaints struct {
	mu   sync.Mutex
	text strings.Builder
}

func (c *complaints) add(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(&c.text, s)
}

func (c *complaints) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func exportNothing(t *testing.T) {
	t.Helper()
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} {
		t.Setenv(name, "none")
	}
}

// setup fails the test when Setup does, and shuts down what it built.
func setup(t *testing.T, opts ...exporter.Option) *exporter.Telemetry {
	t.Helper()
	tel, err := exporter.Setup(t.Context(), opts...)
	if err != nil {
		t.Fatalf("Setup: %v", err)
	}
	t.Cleanup(func() {
		// For tests that end early. The outcome has been looked at by those
		// that care.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = tel.Shutdown(ctx)
	})
	return tel
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func mustShutdown(t *testing.T, tel *exporter.Telemetry) {
	t.Helper()
	if err := tel.Shutdown(within(t, 10*time.Second)); err != nil {
		t.Fatalf("Shutdown: %v", err)
	}
}

// eventually fails the test when cond does not hold within ten seconds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 10 s in vain: %s", what)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// recorder is a log processor that keeps clones.
type recorder struct {
	mu       sync.Mutex
	records  []sdklog.Record
	shutDown bool
}

func (r *recorder) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

func (r *recorder) OnEmit(_ context.Context, record *sdklog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, record.Clone())
	return nil
}

func (r *recorder) ForceFlush(context.Context) error { return nil }

func (r *recorder) Shutdown(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shutDown = true
	return nil
}

func (r *recorder) all() []sdklog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

func (r *recorder) isShutDown() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shutDown
}
