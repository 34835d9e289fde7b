package otelrueidislock

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/otellock/otellock-go/internal/rediserror"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/semconv"
)

// A watch is the context of one call that takes a lock, by which its commands are
// seen. They tell what rueidislock does not: the attempts, and how the last one ended.
// Those of the minor keys come from another goroutine, and may come after the end.
type watch struct {
	context.Context
	locker *locker
	try    bool

	mu      sync.Mutex
	acquire observe.Acquire
	value   string // that the present attempt sets
	busy    bool   // one of its keys was somebody else's
	waited  bool   // one of an attempt's was, this one or one before
	failed  error  // the last failure of its commands
	ended   bool
}

type watchKey struct{}

func (w *watch) Value(key any) any {
	if key == (watchKey{}) {
		return w
	}
	return w.Context.Value(key)
}

// asks is told before a script is run that sets a key to a value of its own in each
// attempt.
func (w *watch) asks(value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || value == w.value {
		return
	}
	if w.value != "" {
		w.acquire.Retry()
	}
	w.value, w.busy, w.failed = value, false, nil
}

// answered is told how it ended.
func (w *watch) answered(value string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch answer, ok := rueidis.IsRedisErr(err); {
	case w.ended, value != w.value, err == nil, ok && answer.IsNoScript():
	case rueidis.IsRedisNil(err):
		w.busy = true
		if !w.try {
			w.waited = true
			w.acquire.Wait()
		}
	case w.locker.closed.Load() && errors.Is(err, rueidis.ErrClosing): // which is not Redis' failure
	case w.failed != nil && errors.Is(err, context.Canceled): // rueidislock has given the attempt up for that failure
	case !hasEnded(w):
		w.failed = err
	}
}

// taken ends the call with its error.
func (w *watch) taken(err error) *observe.Lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	return w.acquire.End(w.reason(err))
}

// reason returns what observe calls the error of rueidislock.
func (w *watch) reason(err error) error {
	switch locked := !errors.Is(err, ErrNotLocked); {
	case err == nil:
		return nil
	case errors.Is(err, ErrLockerClosed) && w.waited && (w.busy || w.failed == nil): // closed while others held it
		return observe.ErrContended
	case errors.Is(err, ErrLockerClosed) && w.failed == nil:
		return &classed{err, semconv.ErrorTypeClosed.Value.AsString()}
	case w.busy && !locked:
		return observe.ErrContended
	case w.busy:
		return rediserror.Classify(err)
	case errors.Is(w.failed, context.DeadlineExceeded), errors.Is(w.failed, context.Canceled): // by rueidislock, not the caller
		return &classed{w.failed, semconv.ErrorTypeTimeout.Value.AsString()}
	case w.failed != nil:
		return rediserror.Classify(w.failed)
	case !locked && !hasEnded(w): // granted, and too late
		return &classed{err, semconv.ErrorTypeTimeout.Value.AsString()}
	case !locked:
		return context.DeadlineExceeded
	}
	return rediserror.Classify(err)
}

// hasEnded reports whether the context has ended, or does so at this moment.
func hasEnded(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// A classed error has an error.type that only this package knows.
type classed struct {
	error
	class string
}

func (c *classed) ErrorType() string { return c.class }
func (c *classed) Unwrap() error     { return c.error }

// A client shows the commands of a call to its watch.
type client struct{ rueidis.Client }

func (c client) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	w, ok := ctx.Value(watchKey{}).(*watch)
	if !ok {
		return c.Client.Do(ctx, cmd)
	}
	const valueArg = 4 // EVALSHA script 1 key value
	args := cmd.Commands()
	if len(args) <= valueArg {
		return c.Client.Do(ctx, cmd)
	}
	value := args[valueArg]
	w.asks(value)
	result := c.Client.Do(ctx, cmd)
	w.answered(value, result.Error())
	return result
}
