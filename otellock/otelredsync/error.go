package otelredsync

import (
	"context"
	"errors"

	"github.com/go-redsync/redsync/v4"

	"github.com/otellock/otellock-go/internal/rediserror"
	"github.com/otellock/otellock-go/otellock/observe"
)

var (
	// ErrFailed is redsync's.
	ErrFailed = redsync.ErrFailed

	// ErrExtendFailed is redsync's.
	ErrExtendFailed = redsync.ErrExtendFailed

	// ErrLockAlreadyExpired is redsync's.
	ErrLockAlreadyExpired = redsync.ErrLockAlreadyExpired
)

type (
	// ErrTaken is redsync's.
	ErrTaken = redsync.ErrTaken

	// ErrNodeTaken is redsync's.
	ErrNodeTaken = redsync.ErrNodeTaken

	// RedisError is redsync's.
	RedisError = redsync.RedisError
)

// reason returns what observe calls the error of a Lock that ended with the context.
func reason(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	switch failed := nodeError(err); {
	case isTaken(err):
		return observe.ErrContended
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrFailed): // a quorum granted it, and too late
		return context.DeadlineExceeded
	case failed != nil:
		return rediserror.Classify(failed)
	case isNodeTaken(err):
		return observe.ErrContended
	}
	return err
}

// loss returns what observe calls the result of an Extend or an Unlock.
func loss(ok bool, err error, quorum int) error {
	if ok {
		return nil
	}
	switch failed := nodeError(err); {
	case isTaken(err), gone(err) >= quorum:
		return observe.ErrLost
	case errors.Is(err, ErrExtendFailed): // a quorum extended it, and too late
		return context.DeadlineExceeded
	case failed != nil:
		return rediserror.Classify(failed)
	}
	return observe.ErrLost
}

// nodeError returns the error of the first node that could not be asked, or nil.
func nodeError(err error) error {
	var failed *RedisError
	if errors.As(err, &failed) {
		return failed.Err
	}
	return nil
}

func isTaken(err error) bool {
	var taken *ErrTaken
	return errors.As(err, &taken)
}

func isNodeTaken(err error) bool {
	var node *ErrNodeTaken
	return errors.As(err, &node)
}

// gone returns how many nodes said that they have the lock no more.
func gone(err error) (n int) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			n += gone(e)
		}
		return n
	}
	if isNodeTaken(err) || errors.Is(err, ErrLockAlreadyExpired) {
		return 1
	}
	return 0
}
