package observe

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/live"
	"github.com/otellock/otellock-go/semconv"
)

// An Acquire is the operation that takes a lock, from [Target.Acquire] or
// [Target.TryAcquire] to its End.
type Acquire struct {
	target  *Target
	ctx     context.Context
	span    trace.Span
	try     bool
	waiting bool
	root    bool // the caller has no span
	refused bool
	retries int
	wakeUp  WakeUp
	ttl     time.Duration
	start   time.Time
	attempt time.Time // the start of the latest attempt
	key     live.Key
	behind  trace.TraceID // of the lock's holder, where that is known
	live    live.Entry    // on the page of package lockz, while waiting
}

// A WakeUp is what made a waiter ask again: a value of lock.wake_up.
type WakeUp string

// The values of WakeUp.
var (
	WakeUpRelease = WakeUp(semconv.LockWakeUpRelease.Value.AsString()) // by a holder in this process
	WakeUpMessage = WakeUp(semconv.LockWakeUpMessage.Value.AsString()) // of another process that has released the lock
	WakeUpPoll    = WakeUp(semconv.LockWakeUpPoll.Value.AsString())    // by nobody: its pause was over
)

// Acquire begins to take a lock for a caller who waits if it is busy. The context
// that it returns carries the span.
func (t *Target) Acquire(ctx context.Context) (context.Context, Acquire) {
	return t.begin(ctx, t.waitStart, false)
}

// TryAcquire begins to take a lock for a caller who does not wait. A busy lock then
// is an outcome of its own: skipped.
func (t *Target) TryAcquire(ctx context.Context) (context.Context, Acquire) {
	return t.begin(ctx, t.tryStart, true)
}

func (t *Target) begin(ctx context.Context, start []trace.SpanStartOption, try bool) (context.Context, Acquire) {
	t.series.createLossesOnce(ctx, t.policy())
	a := Acquire{target: t, try: try, ttl: t.ttl, start: time.Now()}
	a.attempt = a.start
	a.root = !trace.SpanContextFromContext(ctx).IsValid()
	a.ctx, a.span = t.series.observer.startSpan(ctx, t.series.spanNames[opAcquire], start)
	return a.ctx, a
}

// SetTTL sets the time to live of the lease, where it is not that of the target.
func (a *Acquire) SetTTL(ttl time.Duration) { a.ttl = ttl }

// SetWait says how long the caller is willing to wait, where the target does not.
// A sampler does not see it.
func (a *Acquire) SetWait(wait time.Duration) {
	if a.span.IsRecording() {
		a.span.SetAttributes(semconv.LockWaitTimeout(wait.Seconds()))
	}
}

// Retry begins an attempt after the first. The lease of an attempt that succeeds
// counts from the attempt's start.
func (a *Acquire) Retry() { a.RetryAt(time.Now()) }

// RetryAt is [Acquire.Retry] for an attempt that began at start.
func (a *Acquire) RetryAt(start time.Time) {
	a.retries++
	a.attempt = start
}

// Turn begins the first attempt of a caller that has waited for its turn. The lease
// of an attempt that succeeds counts from the attempt's start.
func (a *Acquire) Turn() { a.attempt = time.Now() }

// WokenBy says what made a caller that waits ask again. The last one before the grant
// is what the span shows.
func (a *Acquire) WokenBy(how WakeUp) { a.wakeUp = how }

// Wait says that the lock was found busy and the caller waits for it, until End.
func (a *Acquire) Wait() {
	if !a.waiting {
		a.waiting = true
		a.live = a.showWait()
		add(a.ctx, a.target.series.observer.waiting, 1, a.target.series.gauge)
	}
}

// Refuse says that the caller's work will not run if the backend fails, whatever
// the policy of the target: for a caller whose own deadline has passed.
func (a *Acquire) Refuse() { a.refused = true }

// End ends the operation with its error. If that is nil it returns the lease that is
// held now, else nil. Call it exactly once.
//
// ErrContended is contention, or a skip after TryAcquire. An error with a method
// ErrorType() string that the registry knows is a failure of the backend. The error
// of a context is a cancellation if the caller's context has ended. Every other
// error, also that of a timeout of the lock's own, is a failure of the backend.
func (a *Acquire) End(err error) *Lease {
	t, now := a.target, time.Now()
	s := t.series
	o := s.observer
	outcome, errorType := a.outcome(err)
	a.live.Stop(now)
	if a.waiting {
		add(a.ctx, o.waiting, -1, s.gauge)
	}
	if opts := s.acquireTime[outcome]; opts != nil {
		record(a.ctx, o.acquireDuration, now.Sub(a.start).Seconds(), opts)
	}
	if a.span.IsRecording() {
		a.span.SetAttributes(outcomeAttrs[outcome], semconv.LockRetries(a.retries))
		if a.waiting && outcome == acquired && a.wakeUp != "" {
			a.span.SetAttributes(semconv.LockWakeUpKey.String(string(a.wakeUp)))
		}
	}
	if outcome == backendError {
		f := failure{target: t, op: opAcquire, try: a.try, outcome: backendError, policy: t.policy(), errorType: errorType, ttl: a.ttl, retries: a.retries, err: err}
		if a.refused {
			f.policy = closed
		}
		o.fail(a.ctx, a.span, f, nothing)
		return nil
	}
	endSpan(a.span)
	s.done(a.ctx, outcome)
	if outcome != acquired {
		return nil
	}
	add(a.ctx, o.held, 1, s.gauge)
	l := &Lease{target: t, try: a.try, start: o.since(a.attempt), granted: o.since(now)}
	l.extended(a.attempt, a.ttl)
	if span := a.span.SpanContext(); a.root && span.IsValid() {
		l.root = rootSpan{span.TraceID(), span.SpanID(), span.TraceFlags()}
	}
	l.live = a.showHeld(now)
	return l
}

func (a *Acquire) outcome(err error) (outcome, string) {
	switch {
	case err == nil:
		return acquired, ""
	case errors.Is(err, ErrContended) && a.try:
		return skipped, ""
	case errors.Is(err, ErrContended):
		return contended, ""
	case a.isCanceled(err):
		return canceled, ""
	}
	return backendError, ErrorType(err)
}

// isCanceled reports whether the error says that the caller's context has ended,
// and not that the backend failed or that a timeout of the lock's own has passed.
func (a *Acquire) isCanceled(err error) bool {
	var classed interface{ ErrorType() string }
	if errors.As(err, &classed) && semconv.IsErrorType(classed.ErrorType()) {
		return false
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	deadline, ok := a.ctx.Deadline()
	return a.ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// An Operation is a release or an extend of a lease, from its begin to its End.
type Operation struct {
	lease   *Lease
	op      operation
	ctx     context.Context
	span    trace.Span
	retries int
	start   time.Time
	ttl     time.Duration // of an extend
	kept    bool
	renewal int64 // which one of the lease; 0 if the caller extends
	late    bool  // the span starts if the operation fails
}

// Retry counts an attempt after the first.
func (op *Operation) Retry() { op.retries++ }

// Keep says that the release leaves the key busy for a while: it is counted as kept
// if it ends without an error.
func (op *Operation) Keep() { op.kept = true }

// End ends the operation with its error: nil, one of [ErrExpired], [ErrLost] and
// [ErrStolen] if the lease is gone, or any other error of the backend. Call it
// exactly once.
func (op *Operation) End(err error) {
	l := op.lease
	if l == nil {
		return
	}
	now := time.Now()
	if op.op == opRelease && l.told.Load() == counted && !errors.Is(err, ErrExpired) {
		err = ErrExpired
	}
	var f failure
	outcome := op.succeeded()
	if err != nil {
		errorType := ErrorType(err)
		if named(err) == "" {
			errorType = l.loss(errorType, now)
		}
		f = l.failure(op.op, errorType, now, err)
		f.retries = op.retries
		if op.renewal > 0 {
			f.stack = l.stack
		}
		outcome = f.outcome
		if op.late {
			op.startLate()
		}
	}
	if op.op == opRelease {
		l.record(op.ctx, op.span, now)
	}
	if op.span.IsRecording() {
		op.span.SetAttributes(outcomeAttrs[outcome], semconv.LockRetries(op.retries))
		if op.renewal > 0 {
			op.span.SetAttributes(semconv.LockRenewals(int(op.renewal)))
		}
	}
	s := l.target.series
	if err == nil {
		endSpan(op.span)
		s.done(op.ctx, outcome)
		if op.op == opExtend {
			l.extended(op.start, op.ttl)
			l.live.Extended(op.start.Add(op.ttl))
		}
		return
	}
	s.observer.fail(op.ctx, op.span, f, l.tell(op.op, f.errorType))
}

func (op *Operation) succeeded() outcome {
	switch {
	case op.op == opExtend:
		return extended
	case op.kept:
		return kept
	}
	return released
}

func isLoss(errorType string) bool {
	return errorType == typeExpired || errorType == typeLost || errorType == typeStolen
}
