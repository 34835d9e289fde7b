package otellock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/otellock/otellock-go/otellock/observe"
)

type lockerConfig struct {
	lock      lockConfig
	observe   []observe.Option
	noWakeUp  bool
	noBreaker bool
}

type lockConfig struct {
	ttl            time.Duration
	wait           time.Duration
	backoffBase    time.Duration
	backoffMax     time.Duration
	attemptTimeout time.Duration
	attemptIsSet   bool // WithAttemptTimeout was used: the time to live must be above it
	failClosed     bool
	enabled        func(context.Context) bool // nil is always
	logger         *slog.Logger

	extendFor    time.Duration // WithAutoExtend
	minHold      time.Duration
	cancelOnLoss bool
	cancelIsSet  bool // WithCancelOnLoss was used
	fencing      bool
	anonymous    bool         // WithHolderInfo(false)
	capabilities Capabilities // of the backend
}

// newLockerConfig returns the defaults, changed by what the backend tells and then by
// the options.
func newLockerConfig(b Backend, opts []Option) lockerConfig {
	c := lockerConfig{lock: lockConfig{
		ttl:         10 * time.Second,
		wait:        3 * time.Second,
		backoffBase: 10 * time.Millisecond,
		backoffMax:  200 * time.Millisecond,
	}}
	if named, ok := b.(interface{ Name() string }); ok {
		c.observe = append(c.observe, observe.WithBackendName(named.Name()))
	}
	if single, ok := b.(interface{ ServerAddress() (string, int) }); ok {
		c.observe = append(c.observe, observe.WithServerAddress(single.ServerAddress()))
	}
	if able, ok := b.(interface{ Capabilities() Capabilities }); ok {
		c.lock.capabilities = able.Capabilities()
	}
	for _, opt := range opts {
		if opt != nil {
			opt.applyLocker(&c)
		}
	}
	return c
}

// observed returns the options that telemetry reports.
func (c lockConfig) observed() []observe.LockOption {
	return []observe.LockOption{observe.WithTTL(c.ttl), observe.WithRenewalLimit(c.extendFor), observe.WithWait(c.wait),
		observe.WithFailOpen(!c.failClosed), observe.WithLogger(c.logger)}
}

// with returns the configuration with more options, and checks it.
func (c lockConfig) with(opts []LockOption) (lockConfig, error) {
	for _, opt := range opts {
		if opt != nil {
			opt.applyLock(&c)
		}
	}
	return c, c.resolve()
}

const (
	defaultAttemptTimeout = 250 * time.Millisecond
	maxTTL                = 100 * 365 * 24 * time.Hour
)

// resolve checks the configuration and completes what depends on more than one
// option.
func (c *lockConfig) resolve() error {
	if !c.attemptIsSet {
		c.attemptTimeout = min(defaultAttemptTimeout, c.ttl/3)
	}
	if !c.cancelIsSet {
		c.cancelOnLoss = c.failClosed
	}
	switch {
	case c.attemptIsSet && c.attemptTimeout <= 0:
		return fmt.Errorf("WithAttemptTimeout(%v): the timeout must be above zero", c.attemptTimeout)
	case c.ttl < time.Millisecond:
		return fmt.Errorf("WithTTL(%v): the time to live must be at least 1ms", c.ttl)
	case c.ttl > maxTTL:
		return fmt.Errorf("WithTTL(%v): the time to live must be at most %v", c.ttl, maxTTL)
	case c.ttl <= c.attemptTimeout:
		return fmt.Errorf("WithTTL(%v): the time to live must be above the attempt timeout of %v, or a lease could be over before its grant arrives", c.ttl, c.attemptTimeout)
	case c.extendFor < 0 || c.extendFor > maxTTL:
		return fmt.Errorf("WithAutoExtend(%v): the limit must not be negative, and at most %v; 0 extends nothing", c.extendFor, maxTTL)
	case c.extendFor > 0 && c.extendFor <= c.ttl:
		return fmt.Errorf("WithAutoExtend(%v): the limit must be above the time to live of %v, or nothing is ever extended", c.extendFor, c.ttl)
	case c.extendFor > 0 && c.attemptTimeout > c.ttl/3:
		return fmt.Errorf("WithAutoExtend: the attempt timeout of %v must be at most a third of the time to live of %v, or one renewal that hangs costs the lease", c.attemptTimeout, c.ttl)
	case c.minHold < 0 || c.minHold > c.ttl:
		return fmt.Errorf("WithMinHold(%v): the shortest hold must not be negative, and at most the time to live of %v", c.minHold, c.ttl)
	case c.minHold > 0 && !c.capabilities.Keep:
		return errors.New("WithMinHold: this backend cannot keep a key; its Capabilities say so")
	case c.fencing && !c.capabilities.Fence:
		return errors.New("WithFencing: this backend has no fencing tokens; its Capabilities say so")
	case c.wait < 0:
		return fmt.Errorf("WithWait(%v): the wait must not be negative; 0 tries once", c.wait)
	case c.backoffBase <= 0 || c.backoffMax < c.backoffBase:
		return fmt.Errorf("WithBackoff(%v, %v): the base must be above zero and not above the maximum", c.backoffBase, c.backoffMax)
	}
	return nil
}

// isEnabled asks the function of WithEnabled.
func (c *lockConfig) isEnabled(ctx context.Context) (enabled bool) {
	if c.enabled == nil {
		return true
	}
	defer func() {
		if recover() != nil {
			enabled = true
		}
	}()
	return c.enabled(ctx)
}
