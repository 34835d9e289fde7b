package observe

import "testing"

// The frames of a lock are skipped where the caller of a warning is looked for.
func TestWhatBelongsToALock(t *testing.T) {
	const module = "github.com/otellock/otellock-go/"
	for function, want := range map[string]bool{
		module + "otellock.Mutex.Do":                        true,
		module + "otellock.Do[...]":                         true,
		module + "otellock.(*lease).run.func1":              true,
		module + "otellock/observe.(*Operation).End":        true,
		module + "otellock/otelredislock.(*Lock).Release":   true,
		module + "otellock/oteletcd/internal/x.f":           true,
		module + "otellock_test.callDo":                     false,
		module + "otellock/observe_test.work":               false,
		module + "otellock/otelredislock_test.TestRelease":  false,
		module + "otellock/redisbackend.(*Backend).Acquire": false,
		module + "examples/cron.main":                       false,
		"example.com/shop/otel.(*Lock).Release":             false,
		"main.main":                                         false,
		"":                                                  false,
	} {
		if got := isLock(function); got != want {
			t.Errorf("isLock(%q) = %t, want %t", function, got, want)
		}
	}
}

func TestWhatACallerCanDefer(t *testing.T) {
	const pkg = "github.com/otellock/otellock-go/otellock"
	for function, want := range map[string]bool{
		pkg + ".(*Lease).Release":           true,
		pkg + ".(*Lease).Release-fm":        true,
		pkg + ".Do[...]":                    true,
		pkg + "/observe.(*Operation).End":   true,
		pkg + ".(*lease).run.func1":         false,
		pkg + ".(*lease).release":           false,
		pkg + ".Mutex.Do.func1":             false,
		pkg + "/otelredislock.(*Lock).done": false,
	} {
		if got := isExported(function); got != want {
			t.Errorf("isExported(%q) = %t, want %t", function, got, want)
		}
	}
}
