// Package parallel flushes and stops things that must not wait for each other.
package parallel

import (
	"context"
	"errors"
	"fmt"
)

// Each calls f for all items at once and returns the errors, one for each item,
// in the same order. It returns when the last call does or when ctx ends: a call
// that ignores ctx is left behind, with ctx's error in its place. A call that
// panics or ends its goroutine has failed; the error does not contain the
// panic's value.
func Each[T any](ctx context.Context, items []T, f func(T, context.Context) error) []error {
	done := make([]chan error, len(items))
	for i, item := range items {
		done[i] = make(chan error, 1)
		go func() {
			err := errors.New("ended its goroutine")
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("panicked with a value of type %T", v)
				}
				done[i] <- err
			}()
			err = f(item, ctx)
		}()
	}
	errs := make([]error, len(items))
	for i := range items {
		select {
		case errs[i] = <-done[i]:
		case <-ctx.Done():
			select {
			case errs[i] = <-done[i]: // finished at the same moment
			default:
				errs[i] = ctx.Err()
			}
		}
	}
	return errs
}
