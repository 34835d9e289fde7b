package otelredsync

import (
	"time"

	"github.com/go-redsync/redsync/v4"
)

type (
	// Option is redsync's.
	Option = redsync.Option

	// OptionFunc is redsync's. The Mutex that it is given is redsync's own.
	OptionFunc = redsync.OptionFunc

	// DelayFunc is redsync's.
	DelayFunc = redsync.DelayFunc
)

// WithExpiry calls redsync's.
func WithExpiry(expiry time.Duration) Option { return redsync.WithExpiry(expiry) }

// WithTries calls redsync's.
func WithTries(tries int) Option { return redsync.WithTries(tries) }

// WithRetryDelay calls redsync's.
func WithRetryDelay(delay time.Duration) Option { return redsync.WithRetryDelay(delay) }

// WithSetNXOnExtend calls redsync's.
func WithSetNXOnExtend() Option { return redsync.WithSetNXOnExtend() }

// WithRetryDelayFunc calls redsync's.
func WithRetryDelayFunc(delayFunc DelayFunc) Option { return redsync.WithRetryDelayFunc(delayFunc) }

// WithDriftFactor calls redsync's.
func WithDriftFactor(factor float64) Option { return redsync.WithDriftFactor(factor) }

// WithTimeoutFactor calls redsync's.
func WithTimeoutFactor(factor float64) Option { return redsync.WithTimeoutFactor(factor) }

// WithGenValueFunc calls redsync's.
func WithGenValueFunc(genValueFunc func() (string, error)) Option {
	return redsync.WithGenValueFunc(genValueFunc)
}

// WithValue calls redsync's.
func WithValue(v string) Option { return redsync.WithValue(v) }

// WithFailFast calls redsync's.
func WithFailFast(b bool) Option { return redsync.WithFailFast(b) }

// WithShufflePools calls redsync's.
func WithShufflePools(b bool) Option { return redsync.WithShufflePools(b) }
