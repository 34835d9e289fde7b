package otellock

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock/observe"
)

// Option configures a [Locker].
type Option interface{ applyLocker(*lockerConfig) }

// LockOption configures the locks of a whole [Locker], of a [Target], or of one
// call through [Mutex.With]. The nearest one wins.
type LockOption interface {
	Option
	applyLock(*lockConfig)
}

type option func(*lockerConfig)

func (o option) applyLocker(c *lockerConfig) { o(c) }

type lockOption func(*lockConfig)

func (o lockOption) applyLocker(c *lockerConfig) { o(&c.lock) }
func (o lockOption) applyLock(c *lockConfig)     { o(c) }

// WithTTL sets the time to live of a lease. It is the longest that a crashed
// holder blocks others, and the longest that a holder may take, unless the lease
// is extended: see [WithAutoExtend] and [Lease.Extend]. The default is 10 s. It must
// be at least 1 ms, at most 100 years, and above an attempt timeout that was set.
func WithTTL(ttl time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.ttl = ttl })
}

// WithWait sets how long [Mutex.Do] and [Mutex.Lock] go on starting attempts at
// a busy lock. An attempt that has begun is not cut by it. The default is 3 s; 0
// tries once.
func WithWait(wait time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.wait = wait })
}

// WithBackoff sets the pause between attempts at a busy lock: random between
// zero and base·2ⁿ, but never more than limit. The default is 10 ms and 200 ms.
func WithBackoff(base, limit time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.backoffBase, c.backoffMax = base, limit })
}

// WithAttemptTimeout sets how long one attempt at the backend may take; an
// attempt also takes at most half of what the caller's deadline leaves. It is
// what an outage costs a request. The default is 250 ms, or a third of the time to
// live if that is less.
func WithAttemptTimeout(timeout time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.attemptTimeout, c.attemptIsSet = timeout, true })
}

// WithFailClosed chooses what happens when the backend fails: false, the
// default, runs unprotected; true returns [ErrBackend] and runs nothing, and makes
// Do and TryDo also return the error of the release. Choose true where a stale write
// hurts more than a failed request.
func WithFailClosed(closed bool) LockOption {
	return lockOption(func(c *lockConfig) { c.failClosed = closed })
}

// WithAutoExtend renews the lease while it is held, so that the time to live can be
// short and the work long: it is extended every third of its time to live, until
// limit has passed since it was acquired. A renewal that fails is counted, and tried
// again while the lease lasts. Work that takes longer than limit loses its lease.
// Zero, the default, renews nothing. The limit must be above the time to live, and
// the attempt timeout at most a third of that.
//
// The lease of [Mutex.Lock] is renewed until it is released or limit has passed, and
// no longer once it and its [Lease.Context] are garbage.
func WithAutoExtend(limit time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.extendFor = limit })
}

// WithCancelOnLoss ends fn's context, and [Lease.Context], when the lease is lost:
// when its time to live has passed, when an extend finds that it is gone, and when
// its Locker closes a lease of [Mutex.Lock]. [context.Cause] says why. With
// [WithAutoExtend] it ends one attempt timeout before the time to live has passed,
// so that the work can stop before somebody else begins; after a short
// [Lease.Extend], a third of its time to live if that is less. The default is true
// with [WithFailClosed], else false.
func WithCancelOnLoss(cancel bool) LockOption {
	return lockOption(func(c *lockConfig) { c.cancelOnLoss, c.cancelIsSet = cancel, true })
}

// WithMinHold keeps the lock busy until d has passed since it was acquired, also if
// it is released before: the release leaves the key, and it is counted as kept. It
// makes [Mutex.TryDo] run once for each tick of a schedule that several replicas
// have, if their clocks differ by less than d, and d is less than the period minus
// that difference. d must not be above the time to live. Zero, the default, keeps
// nothing. The backend has to be able to: redisbackend and memorybackend are.
func WithMinHold(d time.Duration) LockOption {
	return lockOption(func(c *lockConfig) { c.minHold = d })
}

// WithFencing asks for a number with every grant, see [Lease.Fence]. It rises with
// every grant of the same key, so that a store can refuse a holder that was stopped
// for longer than its lease:
//
//	UPDATE projects SET name = ?, fence = ? WHERE id = ? AND fence <= ?
//
// where the second and the fourth parameter are the fence. If no row is updated, a
// later holder has written. It is at least the server's time in microseconds, and
// goes back only if the server loses the key's counter and its clock goes back at
// the same time, or if an asynchronous failover loses the latest grants and the
// new master's clock is behind. The backend has to be able to: redisbackend and
// memorybackend are.
func WithFencing() LockOption {
	return lockOption(func(c *lockConfig) { c.fencing = true })
}

// WithHolderInfo says whether the value that is stored with the key tells who holds
// it: the span, the time to live and the process (number@host). Whoever finds the
// lock busy links its span to the holder's, and reads the rest by [Error.Holder].
// The default is true; false stores a random token only.
func WithHolderInfo(tell bool) LockOption {
	return lockOption(func(c *lockConfig) { c.anonymous = !tell })
}

// WithEnabled switches locking off wherever enabled returns false, without touching
// the callers: everything runs, unprotected, and is counted as disabled. It is asked
// once, when a lock is acquired, with the caller's context: a lease that was acquired
// is renewed and released even if locking is switched off later. enabled must be safe
// for concurrent use; if it panics, locking is on. Nil, the default, is always on.
func WithEnabled(enabled func(context.Context) bool) LockOption {
	return lockOption(func(c *lockConfig) { c.enabled = enabled })
}

// WithLogger sends the warnings to this logger instead of the OpenTelemetry
// pipeline, for example one that carries a request's attributes, as
// mutex.With(otellock.WithLogger(l)). It gets at most one record a minute for
// each action and target, with the number of those suppressed. Nil, the default,
// is the pipeline, or [slog.Default] where there is none.
func WithLogger(logger *slog.Logger) LockOption {
	return lockOption(func(c *lockConfig) { c.logger = logger })
}

// WithLockz shows the locks of this Locker on the page of package lockz: who holds,
// who waits, what failed. The default is false, which keeps no list.
func WithLockz(shown bool) Option {
	return observed(observe.WithLockz(shown))
}

// WithTracerProvider sets the provider of the spans. The default is the global
// one; nil is ignored.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return observed(observe.WithTracerProvider(provider))
}

// WithMeterProvider sets the provider of the metrics. The default is the global
// one; nil is ignored.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return observed(observe.WithMeterProvider(provider))
}

// WithLoggerProvider sets the provider of the log records, and turns off the
// fallback to the console. The default is the global provider as it is at the
// time of a report; nil is ignored.
func WithLoggerProvider(provider log.LoggerProvider) Option {
	return observed(observe.WithLoggerProvider(provider))
}

// WithSpanEvents turns the span event of a failure on (the default) or off. The
// log record of the same name is correlated to the span either way.
func WithSpanEvents(enabled bool) Option {
	return observed(observe.WithSpanEvents(enabled))
}

// WithBackendName sets lock.backend.name, where one process has several
// backends. The default, also for "", is the backend's own Name() string, or
// "_OTHER".
func WithBackendName(name string) Option {
	if name == "" {
		return observed(nil)
	}
	return observed(observe.WithBackendName(name))
}

// WithThrottle skips the building of a warning that the throttle behind the
// logger provider would suppress. Pass that very throttle, a processor of package
// exporter/throttle, or what exporter.Setup returns. Nil, the default, builds
// every warning.
func WithThrottle(throttle observe.Throttle) Option {
	return observed(observe.WithThrottle(throttle))
}

func observed(opt observe.Option) Option {
	return option(func(c *lockerConfig) { c.observe = append(c.observe, opt) })
}

// WithWakeUp turns off (false) that a release wakes the waiters of other processes,
// as it does by default where the backend is a [Notifier]. Waiters poll then, with
// the pauses of [WithBackoff], unless a release in their own process wakes them.
func WithWakeUp(enabled bool) Option {
	return option(func(c *lockerConfig) { c.noWakeUp = !enabled })
}

// WithBreaker turns off (false) the breaker, which is on by default. There is one for
// each server of the backend. It opens when five acquires in a row were sent to the
// server and got no answer in their whole attempt timeout: acquires fail at once
// then, with the error.type breaker_open, by their policy, instead of waiting for
// their timeouts. Waiters that were told that their lock is busy go on waiting. The
// lock asks by itself, after 100 ms and then at longer intervals up to a second,
// whether the server is back; any answer closes the breaker. Releases and extends are
// sent all the same.
func WithBreaker(enabled bool) Option {
	return option(func(c *lockerConfig) { c.noBreaker = !enabled })
}
