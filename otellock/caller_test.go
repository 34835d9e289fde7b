package otellock_test

import (
	"context"
	"strings"
	"testing"

	"github.com/otellock/otellock-go/otellock"
)

//go:noinline
func callDo(ctx context.Context, m otellock.Mutex, fn func(context.Context) error) {
	defer func() { _ = recover() }()
	_ = m.Do(ctx, fn)
}

//go:noinline
func callRelease(ctx context.Context, l *otellock.Lease) { _ = l.Release(ctx) }

// deferRelease releases its lease by hand while it breaks.
//
//go:noinline
func deferRelease(ctx context.Context, l *otellock.Lease) {
	defer func() { _ = recover() }()
	defer l.Release(ctx)
	panicDeep(3)
}

//go:noinline
func panicDeep(n int) {
	if n == 0 {
		panic("deep")
	}
	panicDeep(n - 1)
}

// code.* is the frame of the program that called the lock, not one of the lock's
// or of what fn left behind.
func TestAWarningNamesItsCaller(t *testing.T) {
	const pkg = "github.com/otellock/otellock-go/otellock_test."
	for _, test := range []struct {
		name string
		play func(*scriptedBackend, *otellock.Target)
		want string
	}{
		{"acquire", func(b *scriptedBackend, target *otellock.Target) {
			b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
			callDo(context.Background(), target.Mutex("7"), nothing)
		}, pkg + "callDo"},
		{"release after fn", func(b *scriptedBackend, target *otellock.Target) {
			callDo(context.Background(), target.Mutex("7"), func(context.Context) error { b.Clear(); return nil })
		}, pkg + "callDo"},
		{"release after a panic", func(b *scriptedBackend, target *otellock.Target) {
			callDo(context.Background(), target.Mutex("7"), func(context.Context) error { b.Clear(); panicDeep(3); return nil })
		}, pkg + "callDo"},
		{"a handle's release inside of another Do", func(b *scriptedBackend, target *otellock.Target) {
			callDo(context.Background(), target.Mutex("7"), func(ctx context.Context) error {
				lease, err := target.Mutex("8").Lock(ctx)
				b.Script(func() { b.OnRelease = []fault{answers(errRefused)} })
				callRelease(ctx, lease)
				return err
			})
		}, pkg + "callRelease"},
		{"a handle's deferred release past a panic", func(b *scriptedBackend, target *otellock.Target) {
			lease, _ := target.Mutex("7").Lock(context.Background())
			b.Script(func() { b.OnRelease = []fault{answers(errRefused)} })
			deferRelease(context.Background(), lease)
		}, pkg + "panicDeep"},
		{"the same inside of another Do", func(b *scriptedBackend, target *otellock.Target) {
			callDo(context.Background(), target.Mutex("7"), func(ctx context.Context) error {
				lease, err := target.Mutex("8").Lock(ctx)
				b.Script(func() { b.OnRelease = []fault{answers(errRefused)} })
				deferRelease(ctx, lease)
				return err
			})
		}, pkg + "panicDeep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tel, b := newTelemetry(), newScripted()
			l := tel.Locker(t, b)
			test.play(b, declare(t, l, "projects"))
			if err := l.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			warnings := tel.Warnings()
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
