package locktest

import (
	"context"
	"testing"

	"github.com/otellock/otellock-go/otellock"
)

// NewLocker returns a Locker on the backend that is closed with the test.
func NewLocker(t testing.TB, b otellock.Backend, opts ...otellock.Option) *otellock.Locker {
	t.Helper()
	l, err := otellock.New(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// NewTarget declares a target.
func NewTarget(t testing.TB, l *otellock.Locker, name, pattern string, opts ...otellock.LockOption) *otellock.Target {
	t.Helper()
	target, err := l.Target(name, pattern, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return target
}
