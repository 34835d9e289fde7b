package sentrylog_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/otellock"
)

// refusing is a backend that is away.
type refusing struct{}

func (refusing) Acquire(context.Context, otellock.Claim) (otellock.Grant, error) {
	return otellock.Grant{}, errRefused
}
func (refusing) Extend(context.Context, otellock.Claim) error  { return errRefused }
func (refusing) Release(context.Context, otellock.Claim) error { return errRefused }

// The lock reports in another goroutine: the hub of the request and the caller's
// stack must survive that.
func TestAFailingLockIsAnIssueWithTheRequestAndTheWholeStack(t *testing.T) {
	server := envelopetest.NewServer(t)
	throttled, err := throttle.NewProcessor(newProcessor(t, server.DSN(), sentrylog.WithInApp("testing")))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithResource(shop()), sdklog.WithProcessor(throttled))
	locker, err := otellock.New(refusing{}, otellock.WithLoggerProvider(provider), otellock.WithBackendName("redis"))
	if err != nil {
		t.Fatal(err)
	}
	target, err := locker.Target("projects", "lock:project:*")
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ := inRequest(t)
	const failures = 20
	for range failures {
		if err := target.Mutex("7").Do(ctx, func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := locker.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	events := server.Events()
	if len(events) != 2 || !slices.Equal(events[0].Fingerprint, events[1].Fingerprint) {
		t.Fatalf("%d events, want the warning and the summary in one issue", len(events))
	}
	warning, summary := events[0], events[1]
	if user := warning.Raw["user"].(map[string]any); user["id"] != "u-17" || warning.Tags["tenant"] != "blue" {
		t.Errorf("user %v, tags %v", user, warning.Tags)
	}
	frames := warning.Exception[0].Stacktrace.Frames
	last := frames[len(frames)-1]
	if len(frames) < 2 || !strings.Contains(last.Function, "TestAFailingLock") || !last.InApp || !strings.HasSuffix(warning.Transaction, last.Function) {
		t.Errorf("culprit %q, the newest of %d frames is %+v", warning.Transaction, len(frames), last)
	}
	if got := summary.Contexts["lock"]["report.suppressed_count"]; summary.Level != "info" || got != float64(failures-1) {
		t.Errorf("the summary is of level %s and counts %v, want info and %d", summary.Level, got, failures-1)
	}
}
