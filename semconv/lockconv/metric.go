// Code generated from semconv/registry. DO NOT EDIT.

// Package lockconv holds the instruments of the metrics in the "lock"
// namespace, typed so that they are recorded with the names, units, buckets and
// attributes that package semconv's registry gives them.
//
// The Add and Record methods are for convenience. A hot path prepares its
// options once and gives them to the instrument itself, which every wrapper
// embeds and Inst returns.
package lockconv

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// OperationNameAttr is a value of the attribute "lock.operation.name". The
// operation on the lock.
type OperationNameAttr string

// Values of OperationNameAttr.
const (
	// Taking the lock, waiting included.
	OperationNameAcquire OperationNameAttr = "acquire"
	// Giving the lock back.
	OperationNameRelease OperationNameAttr = "release"
	// Prolonging a lease that is still held.
	OperationNameExtend OperationNameAttr = "extend"
	// What the library does on its own about leases that nobody will release.
	OperationNameCleanup OperationNameAttr = "cleanup"
)

// OutcomeAttr is a value of the attribute "lock.outcome". How the operation
// ended.
type OutcomeAttr string

// Values of OutcomeAttr.
const (
	// The lock was taken.
	OutcomeAcquired OutcomeAttr = "acquired"
	// Another holder kept the lock to the end of the wait. Not an error.
	OutcomeContended OutcomeAttr = "contended"
	// Another holder had the lock and the caller did not want to wait. Not an
	// error.
	OutcomeSkipped OutcomeAttr = "skipped"
	// The caller's context ended while the lock was busy, or before the call.
	OutcomeCanceled OutcomeAttr = "canceled"
	// Locking is switched off. The work ran unprotected, the backend was not
	// asked.
	OutcomeDisabled OutcomeAttr = "disabled"
	// The backend failed to answer whether the lock is free. What happened then
	// is in `lock.failure_policy`.
	OutcomeBackendError OutcomeAttr = "backend_error"
	// The lock was given back in time.
	OutcomeReleased OutcomeAttr = "released"
	// The lease was gone at release, or the backend failed. Which of the two,
	// says `error.type`.
	OutcomeReleaseError OutcomeAttr = "release_error"
	// The lease was prolonged.
	OutcomeExtended OutcomeAttr = "extended"
	// The lease was gone, or the backend failed. Which of the two, says
	// `error.type`.
	OutcomeExtendError OutcomeAttr = "extend_error"
	// A lease that nobody would have released was removed from the backend.
	OutcomeCleaned OutcomeAttr = "cleaned"
	// Such a lease could not be removed. It blocks others until it expires.
	OutcomeCleanupError OutcomeAttr = "cleanup_error"
	// A lease was garbage-collected without a release. The backend was not
	// touched.
	OutcomeAbandoned OutcomeAttr = "abandoned"
)

// FailurePolicyAttr is a value of the attribute "lock.failure_policy". What
// a failure means for the caller's work.
type FailurePolicyAttr string

// Values of FailurePolicyAttr.
const (
	// The work goes on as if nothing had failed, without protection.
	FailurePolicyOpen FailurePolicyAttr = "open"
	// The caller gets an error. An acquire that fails this way runs nothing.
	FailurePolicyClosed FailurePolicyAttr = "closed"
)

// ActionAttr is a value of the attribute "lock.action". The kind of failure
// that a record reports.
type ActionAttr string

// Values of ActionAttr.
const (
	// An acquire failed at the backend.
	ActionBackendError ActionAttr = "backend_error"
	// A release failed, or found its lease gone.
	ActionReleaseError ActionAttr = "release_error"
	// An extend failed, or found its lease gone.
	ActionExtendError ActionAttr = "extend_error"
	// Several actions, in a throttle whose table is full.
	ActionOther ActionAttr = "_OTHER"
)

// ReportResultAttr is a value of the attribute "lock.report.result". What
// became of a report.
type ReportResultAttr string

// Values of ReportResultAttr.
const (
	// The record went out.
	ReportResultEmitted ReportResultAttr = "emitted"
	// The record was held back within its window. The next one of its key
	// carries the number.
	ReportResultSuppressed ReportResultAttr = "suppressed"
	// More keys than the throttle holds. The record was held back by the gate
	// that all of them share.
	ReportResultOverflow ReportResultAttr = "overflow"
	// A log handler was stuck or panicked. The report is lost, the caller's
	// request was not.
	ReportResultDropped ReportResultAttr = "dropped"
)

// ErrorTypeAttr is a value of the attribute "error.type". The class of the
// failure.
type ErrorTypeAttr string

// Values of ErrorTypeAttr.
const (
	// The lease ran out while it was held. Another holder may have run at the
	// same time.
	ErrorTypeExpired ErrorTypeAttr = "expired"
	// The key vanished before the lease ran out, for example by FLUSHALL, a
	// restart or a failover.
	ErrorTypeLost ErrorTypeAttr = "lost"
	// Another token holds the key. Two holders are proven.
	ErrorTypeStolen ErrorTypeAttr = "stolen"
	// No answer in time. Nobody knows whether the backend carried the command
	// out.
	ErrorTypeTimeout ErrorTypeAttr = "timeout"
	// Nothing listens at the backend's address.
	ErrorTypeConnectionRefused ErrorTypeAttr = "connection_refused"
	// The connection broke. Nobody knows whether the backend carried the
	// command out.
	ErrorTypeEOF ErrorTypeAttr = "eof"
	// No free connection in the client's pool. The command was not sent.
	ErrorTypePoolExhausted ErrorTypeAttr = "pool_exhausted"
	// The client was closed. The command was not sent.
	ErrorTypeClosed ErrorTypeAttr = "closed"
	// The server is a read-only replica, as after a failover that the client
	// has not noticed.
	ErrorTypeReadOnly ErrorTypeAttr = "READONLY"
	// The server is still loading its dataset.
	ErrorTypeLoading ErrorTypeAttr = "LOADING"
	// The server reached `maxmemory` and refuses writes.
	ErrorTypeOOM ErrorTypeAttr = "OOM"
	// The server asks for a password and got none.
	ErrorTypeNoAuth ErrorTypeAttr = "NOAUTH"
	// Wrong user name or password.
	ErrorTypeWrongPass ErrorTypeAttr = "WRONGPASS"
	// The user may not run the command or touch the key.
	ErrorTypeNoPerm ErrorTypeAttr = "NOPERM"
	// The server runs in protected mode and takes local connections only.
	ErrorTypeDenied ErrorTypeAttr = "DENIED"
	// The key holds something that is not a lock.
	ErrorTypeWrongType ErrorTypeAttr = "WRONGTYPE"
	// The cluster does not serve this slot.
	ErrorTypeClusterDown ErrorTypeAttr = "CLUSTERDOWN"
	// The slot lives on another node and the client did not follow.
	ErrorTypeMoved ErrorTypeAttr = "MOVED"
	// The slot is on its way to another node and the client did not follow.
	ErrorTypeAsk ErrorTypeAttr = "ASK"
	// The slot is on its way to another node and the keys are on both.
	ErrorTypeTryAgain ErrorTypeAttr = "TRYAGAIN"
	// One command named keys of two slots.
	ErrorTypeCrossSlot ErrorTypeAttr = "CROSSSLOT"
	// The replica lost its master and does not serve stale data.
	ErrorTypeMasterDown ErrorTypeAttr = "MASTERDOWN"
	// The server cannot persist to disk and refuses writes.
	ErrorTypeMisconf ErrorTypeAttr = "MISCONF"
	// A long script blocks the server.
	ErrorTypeBusy ErrorTypeAttr = "BUSY"
	// The server does not know the script and the client did not send it again.
	ErrorTypeNoScript ErrorTypeAttr = "NOSCRIPT"
	// A cleanup that was not attempted, because too many were waiting or the
	// Locker was closed.
	ErrorTypeNotTried ErrorTypeAttr = "not_tried"
	// Too few replicas are in reach for the server to take writes.
	ErrorTypeNoReplicas ErrorTypeAttr = "NOREPLICAS"
	// An error to which the server gives no code of its own, such as too many
	// clients.
	ErrorTypeErr ErrorTypeAttr = "ERR"
	// Anything else.
	ErrorTypeOther ErrorTypeAttr = "_OTHER"
)

// Attempts is the metric "lock.attempts". Operations on locks, by how they
// ended.
//
// Exactly one per operation. The series that an alert on lost leases needs
// (release and extend; expired, lost and stolen) exist at 0 from the moment
// a target is declared.
type Attempts struct {
	metric.Int64Counter
}

// NewAttempts makes the instrument with m, and one that does nothing where
// m is nil or the error is not. Description and unit are the registry's,
// whatever opts say.
func NewAttempts(m metric.Meter, opts ...metric.Int64CounterOption) (Attempts, error) {
	if m == nil {
		return Attempts{noop.Int64Counter{}}, nil
	}
	i, err := m.Int64Counter("lock.attempts", slices.Concat(
		opts,
		[]metric.Int64CounterOption{
			metric.WithDescription(Attempts{}.Description()),
			metric.WithUnit(Attempts{}.Unit()),
		},
	)...)
	if err != nil {
		return Attempts{noop.Int64Counter{}}, err
	}
	return Attempts{i}, nil
}

// Inst returns the instrument itself.
func (m Attempts) Inst() metric.Int64Counter {
	return m.Int64Counter
}

// Name returns "lock.attempts".
func (Attempts) Name() string {
	return "lock.attempts"
}

// Unit returns "{attempt}".
func (Attempts) Unit() string {
	return "{attempt}"
}

// Description returns what the registry says in brief.
func (Attempts) Description() string {
	return "Operations on locks, by how they ended."
}

// Add adds incr with the required attributes and attrs.
func (m Attempts) Add(
	ctx context.Context,
	incr int64,
	operationName OperationNameAttr,
	outcome OutcomeAttr,
	target string,
	backendName string,
	attrs ...attribute.KeyValue,
) {
	if !m.Enabled(ctx) {
		return
	}
	m.Int64Counter.Add(ctx, incr, metric.WithAttributes(append(attrs[:len(attrs):len(attrs)],
		attribute.String("lock.operation.name", string(operationName)),
		attribute.String("lock.outcome", string(outcome)),
		attribute.String("lock.target", target),
		attribute.String("lock.backend.name", backendName),
	)...))
}

// AddSet adds incr with the attributes of set alone, which then has to hold
// the required ones.
func (m Attempts) AddSet(ctx context.Context, incr int64, set attribute.Set) {
	m.Int64Counter.Add(ctx, incr, metric.WithAttributeSet(set))
}

// AttrErrorType returns the optional attribute "error.type". The class of
// the failure.
func (Attempts) AttrErrorType(val ErrorTypeAttr) attribute.KeyValue {
	return attribute.String("error.type", string(val))
}

// AttrFailurePolicy returns the optional attribute "lock.failure_policy".
// What a failure means for the caller's work.
func (Attempts) AttrFailurePolicy(val FailurePolicyAttr) attribute.KeyValue {
	return attribute.String("lock.failure_policy", string(val))
}

// AcquireDuration is the metric "lock.acquire.duration". Time to acquire a
// lock or to give up, waiting included.
//
// Skips are not recorded: their time says nothing about the lock.
type AcquireDuration struct {
	metric.Float64Histogram
}

// NewAcquireDuration makes the instrument with m, and one that does nothing
// where m is nil or the error is not. Bucket boundaries in opts replace
// those of the registry; description and unit are always the registry's.
func NewAcquireDuration(m metric.Meter, opts ...metric.Float64HistogramOption) (AcquireDuration, error) {
	if m == nil {
		return AcquireDuration{noop.Float64Histogram{}}, nil
	}
	i, err := m.Float64Histogram("lock.acquire.duration", slices.Concat(
		[]metric.Float64HistogramOption{
			metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 3, 10, 30),
		},
		opts,
		[]metric.Float64HistogramOption{
			metric.WithDescription(AcquireDuration{}.Description()),
			metric.WithUnit(AcquireDuration{}.Unit()),
		},
	)...)
	if err != nil {
		return AcquireDuration{noop.Float64Histogram{}}, err
	}
	return AcquireDuration{i}, nil
}

// Inst returns the instrument itself.
func (m AcquireDuration) Inst() metric.Float64Histogram {
	return m.Float64Histogram
}

// Name returns "lock.acquire.duration".
func (AcquireDuration) Name() string {
	return "lock.acquire.duration"
}

// Unit returns "s".
func (AcquireDuration) Unit() string {
	return "s"
}

// Description returns what the registry says in brief.
func (AcquireDuration) Description() string {
	return "Time to acquire a lock or to give up, waiting included."
}

// Record records val with the required attributes and attrs.
func (m AcquireDuration) Record(
	ctx context.Context,
	val float64,
	outcome OutcomeAttr,
	target string,
	backendName string,
	attrs ...attribute.KeyValue,
) {
	if !m.Enabled(ctx) {
		return
	}
	m.Float64Histogram.Record(ctx, val, metric.WithAttributes(append(attrs[:len(attrs):len(attrs)],
		attribute.String("lock.outcome", string(outcome)),
		attribute.String("lock.target", target),
		attribute.String("lock.backend.name", backendName),
	)...))
}

// RecordSet records val with the attributes of set alone, which then has to
// hold the required ones.
func (m AcquireDuration) RecordSet(ctx context.Context, val float64, set attribute.Set) {
	m.Float64Histogram.Record(ctx, val, metric.WithAttributeSet(set))
}

// HoldDuration is the metric "lock.hold.duration". Time for which a lock
// was held, from the reply that granted it to the reply to its release.
type HoldDuration struct {
	metric.Float64Histogram
}

// NewHoldDuration makes the instrument with m, and one that does nothing
// where m is nil or the error is not. Bucket boundaries in opts replace
// those of the registry; description and unit are always the registry's.
func NewHoldDuration(m metric.Meter, opts ...metric.Float64HistogramOption) (HoldDuration, error) {
	if m == nil {
		return HoldDuration{noop.Float64Histogram{}}, nil
	}
	i, err := m.Float64Histogram("lock.hold.duration", slices.Concat(
		[]metric.Float64HistogramOption{
			metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300),
		},
		opts,
		[]metric.Float64HistogramOption{
			metric.WithDescription(HoldDuration{}.Description()),
			metric.WithUnit(HoldDuration{}.Unit()),
		},
	)...)
	if err != nil {
		return HoldDuration{noop.Float64Histogram{}}, err
	}
	return HoldDuration{i}, nil
}

// Inst returns the instrument itself.
func (m HoldDuration) Inst() metric.Float64Histogram {
	return m.Float64Histogram
}

// Name returns "lock.hold.duration".
func (HoldDuration) Name() string {
	return "lock.hold.duration"
}

// Unit returns "s".
func (HoldDuration) Unit() string {
	return "s"
}

// Description returns what the registry says in brief.
func (HoldDuration) Description() string {
	return "Time for which a lock was held, from the reply that granted it to the reply to its release."
}

// Record records val with the required attributes and attrs.
func (m HoldDuration) Record(
	ctx context.Context,
	val float64,
	target string,
	backendName string,
	attrs ...attribute.KeyValue,
) {
	if !m.Enabled(ctx) {
		return
	}
	m.Float64Histogram.Record(ctx, val, metric.WithAttributes(append(attrs[:len(attrs):len(attrs)],
		attribute.String("lock.target", target),
		attribute.String("lock.backend.name", backendName),
	)...))
}

// RecordSet records val with the attributes of set alone, which then has to
// hold the required ones.
func (m HoldDuration) RecordSet(ctx context.Context, val float64, set attribute.Set) {
	m.Float64Histogram.Record(ctx, val, metric.WithAttributeSet(set))
}

// HoldUtilization is the metric "lock.hold.utilization". Time for which a
// lock was held as a ratio of its time to live.
//
// Above 1 the lease ran out while it was held, and another holder may have
// run at the same time.
type HoldUtilization struct {
	metric.Float64Histogram
}

// NewHoldUtilization makes the instrument with m, and one that does nothing
// where m is nil or the error is not. Bucket boundaries in opts replace
// those of the registry; description and unit are always the registry's.
func NewHoldUtilization(m metric.Meter, opts ...metric.Float64HistogramOption) (HoldUtilization, error) {
	if m == nil {
		return HoldUtilization{noop.Float64Histogram{}}, nil
	}
	i, err := m.Float64Histogram("lock.hold.utilization", slices.Concat(
		[]metric.Float64HistogramOption{
			metric.WithExplicitBucketBoundaries(0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1, 2),
		},
		opts,
		[]metric.Float64HistogramOption{
			metric.WithDescription(HoldUtilization{}.Description()),
			metric.WithUnit(HoldUtilization{}.Unit()),
		},
	)...)
	if err != nil {
		return HoldUtilization{noop.Float64Histogram{}}, err
	}
	return HoldUtilization{i}, nil
}

// Inst returns the instrument itself.
func (m HoldUtilization) Inst() metric.Float64Histogram {
	return m.Float64Histogram
}

// Name returns "lock.hold.utilization".
func (HoldUtilization) Name() string {
	return "lock.hold.utilization"
}

// Unit returns "1".
func (HoldUtilization) Unit() string {
	return "1"
}

// Description returns what the registry says in brief.
func (HoldUtilization) Description() string {
	return "Time for which a lock was held as a ratio of its time to live."
}

// Record records val with the required attributes and attrs.
func (m HoldUtilization) Record(
	ctx context.Context,
	val float64,
	target string,
	backendName string,
	attrs ...attribute.KeyValue,
) {
	if !m.Enabled(ctx) {
		return
	}
	m.Float64Histogram.Record(ctx, val, metric.WithAttributes(append(attrs[:len(attrs):len(attrs)],
		attribute.String("lock.target", target),
		attribute.String("lock.backend.name", backendName),
	)...))
}

// RecordSet records val with the attributes of set alone, which then has to
// hold the required ones.
func (m HoldUtilization) RecordSet(ctx context.Context, val float64, set attribute.Set) {
	m.Float64Histogram.Record(ctx, val, metric.WithAttributeSet(set))
}

// Held is the metric "lock.held". Locks held now.
type Held struct {
	metric.Int64UpDownCounter
}

// NewHeld makes the instrument with m, and one that does nothing where m is
// nil or the error is not. Description and unit are the registry's,
// whatever opts say.
func NewHeld(m metric.Meter, opts ...metric.Int64UpDownCounterOption) (Held, error) {
	if m == nil {
		return Held{noop.Int64UpDownCounter{}}, nil
	}
	i, err := m.Int64UpDownCounter("lock.held", slices.Concat(
		opts,
		[]metric.Int64UpDownCounterOption{
			metric.WithDescription(Held{}.Description()),
			metric.WithUnit(Held{}.Unit()),
		},
	)...)
	if err != nil {
		return Held{noop.Int64UpDownCounter{}}, err
	}
	return Held{i}, nil
}

// Inst returns the instrument itself.
func (m Held) Inst() metric.Int64UpDownCounter {
	return m.Int64UpDownCounter
}

// Name returns "lock.held".
func (Held) Name() string {
	return "lock.held"
}

// Unit returns "{lock}".
func (Held) Unit() string {
	return "{lock}"
}

// Description returns what the registry says in brief.
func (Held) Description() string {
	return "Locks held now."
}

// Add adds incr with the required attributes and attrs.
func (m Held) Add(
	ctx context.Context,
	incr int64,
	target string,
	backendName string,
	attrs ...attribute.KeyValue,
) {
	if !m.Enabled(ctx) {
		return
	}
	m.Int64UpDownCounter.Add(ctx, incr, metric.WithAttributes(append(attrs[:len(attrs):len(attrs)],
		attribute.String("lock.target", target),
		attribute.String("lock.backend.name", backendName),
	)...))
}

// AddSet adds incr with the attributes of set alone, which then has to hold
// the required ones.
func (m Held) AddSet(ctx context.Context, incr int64, set attribute.Set) {
	m.Int64UpDownCounter.Add(ctx, incr, metric.WithAttributeSet(set))
}

// Waiting is the metric "lock.waiting". Callers that wait for a lock now.
type Waiting struct {
	metric.Int64UpDownCounter
}

// NewWaiting makes the instrument with m, and one that does nothing where m
// is nil or the error is not. Description and unit are the registry's,
// whatever opts say.
func NewWaiting(m metric.Meter, opts ...metric.Int64UpDownCounterOption) (Waiting, error) {
	if m == nil {
		return Waiting{noop.Int64UpDownCounter{}}, nil
	}
	i, err := m.Int64UpDownCounter("lock.waiting", slices.Concat(
		opts,
		[]metric.Int64UpDownCounterOption{
			metric.WithDescription(Waiting{}.Description()),
			metric.WithUnit(Waiting{}.Unit()),
		},
	)...)
	if err != nil {
		return Waiting{noop.Int64UpDownCounter{}}, err
	}
	return Waiting{i}, nil
}

// Inst returns the instrument itself.
func (m Waiting) Inst() metric.Int64UpDownCounter {
	return m.Int64UpDownCounter
}

// Name returns "lock.waiting".
func (Waiting) Name() string {
	return "lock.waiting"
}

// Unit returns "{request}".
func (Waiting) Unit() string {
	return "{request}"
}

// Description returns what the registry says in brief.
func (Waiting) Description() string {
	return "Callers that wait for a lock now."
}

// Add adds incr with the required attributes and attrs.
func (m Waiting) Add(
	ctx context.Context,
	incr int64,
	target string,
	backendName string,
	attrs ...attribute.KeyValue,
) {
	if !m.Enabled(ctx) {
		return
	}
	m.Int64UpDownCounter.Add(ctx, incr, metric.WithAttributes(append(attrs[:len(attrs):len(attrs)],
		attribute.String("lock.target", target),
		attribute.String("lock.backend.name", backendName),
	)...))
}

// AddSet adds incr with the attributes of set alone, which then has to hold
// the required ones.
func (m Waiting) AddSet(ctx context.Context, incr int64, set attribute.Set) {
	m.Int64UpDownCounter.Add(ctx, incr, metric.WithAttributeSet(set))
}

// Reports is the metric "lock.reports". Reports of failures, by what became
// of them.
//
// Counted by whoever decides: the throttle of a log pipeline, or the lock
// itself where it writes to the console.
type Reports struct {
	metric.Int64Counter
}

// NewReports makes the instrument with m, and one that does nothing where m
// is nil or the error is not. Description and unit are the registry's,
// whatever opts say.
func NewReports(m metric.Meter, opts ...metric.Int64CounterOption) (Reports, error) {
	if m == nil {
		return Reports{noop.Int64Counter{}}, nil
	}
	i, err := m.Int64Counter("lock.reports", slices.Concat(
		opts,
		[]metric.Int64CounterOption{
			metric.WithDescription(Reports{}.Description()),
			metric.WithUnit(Reports{}.Unit()),
		},
	)...)
	if err != nil {
		return Reports{noop.Int64Counter{}}, err
	}
	return Reports{i}, nil
}

// Inst returns the instrument itself.
func (m Reports) Inst() metric.Int64Counter {
	return m.Int64Counter
}

// Name returns "lock.reports".
func (Reports) Name() string {
	return "lock.reports"
}

// Unit returns "{report}".
func (Reports) Unit() string {
	return "{report}"
}

// Description returns what the registry says in brief.
func (Reports) Description() string {
	return "Reports of failures, by what became of them."
}

// Add adds incr with the required attributes and attrs.
func (m Reports) Add(
	ctx context.Context,
	incr int64,
	action ActionAttr,
	target string,
	reportResult ReportResultAttr,
	attrs ...attribute.KeyValue,
) {
	if !m.Enabled(ctx) {
		return
	}
	m.Int64Counter.Add(ctx, incr, metric.WithAttributes(append(attrs[:len(attrs):len(attrs)],
		attribute.String("lock.action", string(action)),
		attribute.String("lock.target", target),
		attribute.String("lock.report.result", string(reportResult)),
	)...))
}

// AddSet adds incr with the attributes of set alone, which then has to hold
// the required ones.
func (m Reports) AddSet(ctx context.Context, incr int64, set attribute.Set) {
	m.Int64Counter.Add(ctx, incr, metric.WithAttributeSet(set))
}

// AttrBackendName returns the optional attribute "lock.backend.name". The
// name of what stores the locks.
func (Reports) AttrBackendName(val string) attribute.KeyValue {
	return attribute.String("lock.backend.name", val)
}
