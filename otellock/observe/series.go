package observe

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otellock/otellock-go/internal/live"
	"github.com/otellock/otellock-go/semconv"
)

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
	kept
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
	kept:         semconv.LockOutcomeKept,
	releaseError: semconv.LockOutcomeReleaseError,
	extended:     semconv.LockOutcomeExtended,
	extendError:  semconv.LockOutcomeExtendError,
	cleaned:      semconv.LockOutcomeCleaned,
	cleanupError: semconv.LockOutcomeCleanupError,
	abandoned:    semconv.LockOutcomeAbandoned,
}

// operationOf is the operation of each outcome that is no failure.
var operationOf = map[outcome]operation{
	acquired: opAcquire, contended: opAcquire, skipped: opAcquire, canceled: opAcquire, disabled: opAcquire,
	released: opRelease, kept: opRelease, extended: opExtend, cleaned: opCleanup, abandoned: opCleanup,
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

// series are the bounded names of a target and the options of each of its metric
// series. All Targets of one name share them.
type series struct {
	observer      *Observer
	name, pattern string
	live          *live.Target // nil without WithLockz

	target, keyPattern, backend attribute.KeyValue
	spanNames                   [3]string // by operation

	acquireTime [outcomes][]metric.RecordOption // nil where the outcome is not recorded
	hold        []metric.RecordOption
	gauge       []metric.AddOption
	plain       [outcomes][]metric.AddOption // of lock.attempts, without a failure

	failures atomic.Pointer[map[failedSeries][]metric.AddOption] // the others, made at their first use
	growing  sync.Mutex
	created  [3]atomic.Bool // by policy: createLosses has been called
}

// A failedSeries is one series of failures of lock.attempts within a target.
type failedSeries struct {
	op        operation
	outcome   outcome
	policy    policy
	errorType string
}

func newSeries(o *Observer, name, pattern string) *series {
	s := &series{
		observer: o, name: name, pattern: pattern,
		target: semconv.LockTarget(name), keyPattern: semconv.LockKeyPattern(pattern), backend: semconv.LockBackendName(o.backendName),
	}
	if o.lockz {
		s.live = live.NewTarget(name, pattern, o.backendName)
	}
	for op := range s.spanNames {
		s.spanNames[op] = operation(op).String() + " " + name
	}
	for _, o := range []outcome{acquired, contended, canceled, backendError} {
		s.acquireTime[o] = []metric.RecordOption{set(s.target, s.backend, outcomeAttrs[o])}
	}
	for o, op := range operationOf {
		s.plain[o] = []metric.AddOption{set(s.target, s.backend, operationAttrs[op], outcomeAttrs[o])}
	}
	s.hold = []metric.RecordOption{set(s.target, s.backend)}
	s.gauge = []metric.AddOption{set(s.target, s.backend)}
	s.failures.Store(&map[failedSeries][]metric.AddOption{})
	return s
}

func set(attrs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attrs...))
}

// done counts one operation that did not fail.
func (s *series) done(ctx context.Context, o outcome) {
	add(ctx, s.observer.attempts, 1, s.plain[o])
}

// add counts n operations that failed.
func (s *series) add(ctx context.Context, n int64, f failedSeries) {
	opts, ok := (*s.failures.Load())[f]
	if !ok {
		opts = s.grow(f)
	}
	add(ctx, s.observer.attempts, n, opts)
}

// grow makes the options of a series at its first use. A target has some forty
// series at the most, so that copying the map is cheap and reading it is free.
func (s *series) grow(f failedSeries) []metric.AddOption {
	s.growing.Lock()
	defer s.growing.Unlock()
	old := *s.failures.Load()
	if opts, ok := old[f]; ok {
		return opts
	}
	attrs := []attribute.KeyValue{s.target, s.backend, operationAttrs[f.op], outcomeAttrs[f.outcome],
		semconv.ErrorTypeKey.String(f.errorType)}
	if f.policy != none {
		attrs = append(attrs, policyAttrs[f.policy])
	}
	grown := maps.Clone(old)
	grown[f] = []metric.AddOption{set(attrs...)}
	s.failures.Store(&grown)
	return grown[f]
}

// createLosses makes the series of lost leases at zero, because one that is born
// at 1 never alerts: its increase is 0.
func (s *series) createLosses(ctx context.Context, p policy) {
	for _, errorType := range []string{typeExpired, typeLost, typeStolen} {
		s.add(ctx, 0, failedSeries{opRelease, releaseError, p, errorType})
		s.add(ctx, 0, failedSeries{opExtend, extendError, closed, errorType})
	}
}

// createLossesOnce does it again at the first operation with a policy: the meter
// provider may have been set after the target was declared, and the policy at the
// call.
func (s *series) createLossesOnce(ctx context.Context, p policy) {
	if created := &s.created[p]; !created.Load() && created.CompareAndSwap(false, true) {
		s.createLosses(ctx, p)
	}
}
