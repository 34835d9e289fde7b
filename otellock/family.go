package otellock

import (
	"context"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/semconv"
)

// A family is what all locks of one target share: its bounded names, and every
// attribute set and option slice that its telemetry needs, made once.
type family struct {
	locker  *Locker
	name    string // lock.target
	pattern keyPattern

	contended *Error
	spanNames [3]string // by operation
	common    []attribute.KeyValue

	acquireTime [outcomes][]metric.RecordOption // nil where the outcome is not recorded
	targetOnly  []metric.RecordOption
	gauge       []metric.AddOption

	plain   [outcomes][]metric.AddOption                 // series without a failure
	counted atomic.Pointer[map[count][]metric.AddOption] // the others, made at their first use
	growing sync.Mutex
	created [2]atomic.Bool // by policy: preCreate has been called
}

type operation uint8

const (
	opAcquire operation = iota
	opRelease
	opExtend
	opCleanup
)

var operationAttrs = [...]attribute.KeyValue{
	opAcquire: semconv.LockOperationNameAcquire,
	opRelease: semconv.LockOperationNameRelease,
	opExtend:  semconv.LockOperationNameExtend,
	opCleanup: semconv.LockOperationNameCleanup,
}

func (o operation) String() string { return operationAttrs[o].Value.AsString() }

type outcome uint8

const (
	acquired outcome = iota
	contended
	skipped
	canceled
	disabled
	backendError
	released
	releaseError
	extended
	extendError
	cleaned
	cleanupError
	abandoned
	outcomes
)

var outcomeAttrs = [...]attribute.KeyValue{
	acquired:     semconv.LockOutcomeAcquired,
	contended:    semconv.LockOutcomeContended,
	skipped:      semconv.LockOutcomeSkipped,
	canceled:     semconv.LockOutcomeCanceled,
	disabled:     semconv.LockOutcomeDisabled,
	backendError: semconv.LockOutcomeBackendError,
	released:     semconv.LockOutcomeReleased,
	releaseError: semconv.LockOutcomeReleaseError,
	extended:     semconv.LockOutcomeExtended,
	extendError:  semconv.LockOutcomeExtendError,
	cleaned:      semconv.LockOutcomeCleaned,
	cleanupError: semconv.LockOutcomeCleanupError,
	abandoned:    semconv.LockOutcomeAbandoned,
}

// plainOutcomes are those without a failure, and their operations.
var plainOutcomes = map[outcome]operation{
	acquired: opAcquire, contended: opAcquire, skipped: opAcquire, canceled: opAcquire, disabled: opAcquire,
	released: opRelease, extended: opExtend, cleaned: opCleanup, abandoned: opCleanup,
}

// A policy is what a failure did to the caller; none at a cleanup, which has no
// caller.
type policy uint8

const (
	none policy = iota
	open
	closed
)

var policyAttrs = [...]attribute.KeyValue{
	open:   semconv.LockFailurePolicyOpen,
	closed: semconv.LockFailurePolicyClosed,
}

// A count is one series of failures within a family.
type count struct {
	op      operation
	outcome outcome
	policy  policy
	class   string // error.type
}

func newFamily(l *Locker, name string, pattern keyPattern) *family {
	target, backend := semconv.LockTarget(name), semconv.LockBackendName(l.backendName)
	f := &family{
		locker:    l,
		name:      name,
		pattern:   pattern,
		contended: &Error{Op: opAcquire.String(), Target: name, Type: "contended", kind: ErrContended},
		common:    []attribute.KeyValue{target, semconv.LockKeyPattern(pattern.text), backend},
	}
	for op := range f.spanNames {
		f.spanNames[op] = operation(op).String() + " " + name
	}
	for _, o := range []outcome{acquired, contended, canceled, backendError} {
		f.acquireTime[o] = []metric.RecordOption{set(target, backend, outcomeAttrs[o])}
	}
	for o, op := range plainOutcomes {
		f.plain[o] = []metric.AddOption{set(target, backend, operationAttrs[op], outcomeAttrs[o])}
	}
	f.targetOnly = []metric.RecordOption{set(target, backend)}
	f.gauge = []metric.AddOption{set(target, backend)}
	f.counted.Store(&map[count][]metric.AddOption{})
	return f
}

func set(attrs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attrs...))
}

// done counts one operation that did not fail.
func (f *family) done(ctx context.Context, o outcome) {
	f.locker.attempts.Add(ctx, 1, f.plain[o]...)
}

// add counts n operations that failed.
func (f *family) add(ctx context.Context, n int64, c count) {
	opts, ok := (*f.counted.Load())[c]
	if !ok {
		opts = f.grow(c)
	}
	f.locker.attempts.Add(ctx, n, opts...)
}

// grow makes the options of a series at its first use. A family has some forty
// series at the most, so that copying the map is cheap and reading it is free.
func (f *family) grow(c count) []metric.AddOption {
	f.growing.Lock()
	defer f.growing.Unlock()
	old := *f.counted.Load()
	if opts, ok := old[c]; ok {
		return opts
	}
	attrs := []attribute.KeyValue{f.common[0], f.common[2], operationAttrs[c.op], outcomeAttrs[c.outcome],
		semconv.ErrorTypeKey.String(c.class)}
	if c.policy != none {
		attrs = append(attrs, policyAttrs[c.policy])
	}
	opts := []metric.AddOption{set(attrs...)}
	grown := make(map[count][]metric.AddOption, len(old)+1)
	for k, v := range old {
		grown[k] = v
	}
	grown[c] = opts
	f.counted.Store(&grown)
	return opts
}

// preCreate makes the series of lost leases at zero: one that is born at 1 never
// alerts, because its increase is 0.
func (f *family) preCreate(ctx context.Context, failClosed bool) {
	for _, class := range []string{typeExpired, typeLost, typeStolen} {
		f.add(ctx, 0, count{opRelease, releaseError, policyOf(failClosed), class})
		f.add(ctx, 0, count{opExtend, extendError, closed, class})
	}
}

// preCreateOnce does it again at the first operation with a policy: the meter
// provider may have been set after the target was declared, and the policy at the
// call.
func (f *family) preCreateOnce(ctx context.Context, failClosed bool) {
	created := &f.created[0]
	if failClosed {
		created = &f.created[1]
	}
	if !created.Load() && created.CompareAndSwap(false, true) {
		f.preCreate(ctx, failClosed)
	}
}

func policyOf(failClosed bool) policy {
	if failClosed {
		return closed
	}
	return open
}

// countHeld counts a lease that begins (1) or ends (-1) with the same attributes.
func (f *family) countHeld(ctx context.Context, n int64) {
	f.locker.held.Add(ctx, n, f.gauge...)
}

// countWaiting counts a request that begins (1) or ends (-1) to wait for a busy
// lock.
func (f *family) countWaiting(ctx context.Context, n int64) {
	f.locker.waiting.Add(ctx, n, f.gauge...)
}
