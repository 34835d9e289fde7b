// Package guard runs the code of others, so that it costs its caller an error at
// most. An error does not contain a panic's value, which may hold a key.
package guard

import (
	"context"
	"errors"
	"fmt"
)

var errExited = errors.New("ended its goroutine")

// Call returns what f returns, or an error if f panics.
func Call(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panicked with a value of type %T", v)
		}
	}()
	return f()
}

// Go is [Call] in another goroutine, where f may call runtime.Goexit, too. When
// ctx is done first it returns ctx's error, and leaves f behind.
func Go(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errExited
		defer func() { done <- err }()
		err = Call(f)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done: // what has finished counts
		return err
	default:
		return ctx.Err()
	}
}
