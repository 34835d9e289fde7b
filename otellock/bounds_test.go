package otellock_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/otellock/otellock-go/otellock"
)

// names collects the values of an attribute over all series of lock.attempts.
func valuesOf(t *testing.T, x *telemetry, key string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, p := range x.Sums(t, "lock.attempts") {
		for _, kv := range p.Attributes.ToSlice() {
			if string(kv.Key) == key {
				names[kv.Value.AsString()] = true
			}
		}
	}
	return names
}

func TestTargetsAboveTheCapShareOneName(t *testing.T) {
	const declared, derived, limit = 250, 250, 200
	tel := newTelemetry()
	l := tel.Locker(t, newScripted())
	ran := 0
	run := func(m otellock.Mutex) {
		if err := m.Do(t.Context(), func(context.Context) error { ran++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range declared {
		run(declare(t, l, fmt.Sprint("target-", i)).Mutex("7"))
	}
	for i := range derived {
		word := string(rune('a'+i/26)) + string(rune('a'+i%26))
		run(l.UndeclaredMutex("lock:" + word + ":7"))
	}
	if ran != declared+derived {
		t.Errorf("%d of %d ran", ran, declared+derived)
	}
	names := valuesOf(t, tel, "lock.target")
	if want := 2*limit + 1; len(names) != want || !names["_OTHER"] {
		t.Errorf("%d targets have telemetry of their own, %t for the rest; want %d", len(names), names["_OTHER"], want)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheBackendsNameIsItsOwnUnlessItIsGiven(t *testing.T) {
	for want, opts := range map[string][]otellock.Option{
		"memory":   nil,
		"sessions": {otellock.WithBackendName("sessions")},
	} {
		tel := newTelemetry()
		l := tel.Locker(t, newScripted(), opts...)
		if err := declare(t, l, "projects").Mutex("7").Do(t.Context(), nothing); err != nil {
			t.Fatal(err)
		}
		if names := valuesOf(t, tel, "lock.backend.name"); len(names) != 1 || !names[want] {
			t.Errorf("the backend's names are %v, want %s", names, want)
		}
	}
}
