package guard

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

var errBroken = errors.New("broken")

func TestWhateverHappensIsAnErrorAtMost(t *testing.T) {
	for name, tt := range map[string]struct {
		f    func() error
		want string
	}{
		"success": {func() error { return nil }, ""},
		"error":   {func() error { return errBroken }, "broken"},
		"panic":   {func() error { panic("lock:project:7") }, "panicked with a value of type string"},
		"Goexit":  {func() error { runtime.Goexit(); return nil }, "ended its goroutine"},
	} {
		errs := []error{Go(t.Context(), tt.f)}
		if name != "Goexit" {
			errs = append(errs, Call(tt.f))
		}
		for _, err := range errs {
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want || strings.Contains(got, "project") {
				t.Errorf("%s: %q, want %q", name, got, tt.want)
			}
		}
	}
}

func TestWhatIsStuckIsLeftBehindWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release, ended := make(chan struct{}), false
		go func() { synctest.Wait(); cancel() }()
		if err := Go(ctx, func() error { <-release; ended = true; return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that of the context", err)
		}
		close(release)
		synctest.Wait()
		if !ended {
			t.Error("what was left behind did not go on")
		}
	})
}
