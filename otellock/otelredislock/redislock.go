package otelredislock

import (
	"time"

	"github.com/bsm/redislock"
)

var (
	// ErrNotObtained is redislock's.
	ErrNotObtained = redislock.ErrNotObtained

	// ErrLockNotHeld is redislock's.
	ErrLockNotHeld = redislock.ErrLockNotHeld
)

type (
	// Options are redislock's.
	Options = redislock.Options

	// RedisClient is redislock's.
	RedisClient = redislock.RedisClient

	// RetryStrategy is redislock's.
	RetryStrategy = redislock.RetryStrategy
)

// LinearBackoff calls redislock's.
func LinearBackoff(backoff time.Duration) RetryStrategy { return redislock.LinearBackoff(backoff) }

// NoRetry calls redislock's.
func NoRetry() RetryStrategy { return redislock.NoRetry() }

// LimitRetry calls redislock's.
func LimitRetry(s RetryStrategy, max int) RetryStrategy { return redislock.LimitRetry(s, max) }

// ExponentialBackoff calls redislock's.
func ExponentialBackoff(min, max time.Duration) RetryStrategy {
	return redislock.ExponentialBackoff(min, max)
}
