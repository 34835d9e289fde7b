// Package parallel flushes and stops things that must not wait for each other.
package parallel

import (
	"context"
	"sync"

	"github.com/otellock/otellock-go/internal/guard"
)

// Each calls f for all items at once and returns the errors, one for each item,
// in the same order. It returns when the last call does or when ctx ends: a call
// that ignores ctx is left behind, with ctx's error in its place. A call that
// panics or ends its goroutine has failed; the error does not contain the
// panic's value.
func Each[T any](ctx context.Context, items []T, f func(T, context.Context) error) []error {
	errs := make([]error, len(items))
	var group sync.WaitGroup
	for i, item := range items {
		group.Go(func() { errs[i] = guard.Go(ctx, func() error { return f(item, ctx) }) })
	}
	group.Wait()
	return errs
}
