package observe_test

import (
	"context"
	"strings"
	"testing"

	"github.com/otellock/otellock-go/otellock/observe"
)

// work holds a lock of the program's own, and breaks while it does.
//
//go:noinline
func work(lease *observe.Lease, releases func(*observe.Lease)) {
	defer func() { _ = recover() }()
	defer releases(lease)
	breaks(3)
}

//go:noinline
func breaks(n int) {
	if n == 0 {
		panic("broken")
	}
	breaks(n - 1)
}

//go:noinline
func failedRelease(lease *observe.Lease) {
	_, release := lease.Release(context.Background())
	release.End(errDown)
}

func TestAWarningNamesTheFrameThatCalledTheLock(t *testing.T) {
	const pkg = "github.com/otellock/otellock-go/otellock/observe_test."
	for _, test := range []struct {
		name string
		play func(*observe.Lease)
		want string
	}{
		{"a release", failedRelease, pkg + "failedRelease"},
		{"a release in a panic", func(l *observe.Lease) { work(l, failedRelease) }, pkg + "failedRelease"},
		{"an End that was deferred past a panic", func(l *observe.Lease) {
			defer func() { _ = recover() }()
			_, release := l.Release(context.Background())
			defer release.End(errDown)
			breaks(3)
		}, pkg + "breaks"},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newTelemetry(t)
			_, acquire := x.target(t).Acquire(t.Context())
			test.play(acquire.End(nil))
			warnings := x.warnings(t)
			if len(warnings) != 1 {
				t.Fatalf("%d warnings, want 1", len(warnings))
			}
			stack, _ := warnings[0]["exception.stacktrace"].(string)
			if got := warnings[0]["code.function.name"]; got != test.want || !strings.HasPrefix(stack, test.want+"\n") {
				t.Errorf("the caller is %v, want %s; the stack is\n%s", got, test.want, stack)
			}
		})
	}
}
