package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otellock/otellock-go/exporter/internal/parallel"
)

func TestEachReturnsTheErrorsInOrderAndWaitsForNobodyTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := map[string]func() error{
			"deaf":     func() error { <-release; return nil },
			"gone":     func() error { runtime.Goexit(); return nil },
			"fine":     func() error { return nil },
			"panicked": func() error { panic("secret") },
			"failing":  func() error { return errors.New("full") },
		}
		call := func(name string, _ context.Context) error { return calls[name]() }
		start := time.Now()

		errs := parallel.Each(t.Context(), []string{"gone", "fine"}, call)
		if got, want := fmt.Sprint(errs), "[ended its goroutine <nil>]"; got != want {
			t.Errorf("errors are %s, want %s", got, want)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("who has ended was waited for %v", took)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		errs = parallel.Each(ctx, []string{"deaf", "fine", "panicked", "failing"}, call)
		close(release)
		if got, want := fmt.Sprint(errs), "[context deadline exceeded <nil> panicked with a value of type string full]"; got != want {
			t.Errorf("errors are %s, want %s", got, want)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v, want until the context ended", took)
		}
	})
}
