// Code generated from semconv/registry. DO NOT EDIT.

package semconv

// A Metric holds what the instrument of a metric is created with.
type Metric struct {
	Name, Description, Unit string
	Boundaries              []float64 // of a histogram's buckets
}

// Metrics that locks emit. They must not be modified.
var (
	// MetricLockAttempts is the metric "lock.attempts". Operations on locks, by
	// how they ended.
	//
	// Exactly one per operation. The series that an alert on lost leases needs
	// (release and extend; expired, lost and stolen) exist at 0 from the moment
	// a target is declared.
	MetricLockAttempts = Metric{
		Name:        "lock.attempts",
		Description: "Operations on locks, by how they ended.",
		Unit:        "{attempt}",
	}

	// MetricLockAcquireDuration is the metric "lock.acquire.duration". Time to
	// acquire a lock or to give up, waiting included.
	//
	// Skips are not recorded: their time says nothing about the lock.
	MetricLockAcquireDuration = Metric{
		Name:        "lock.acquire.duration",
		Description: "Time to acquire a lock or to give up, waiting included.",
		Unit:        "s",
		Boundaries:  []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 3, 10, 30},
	}

	// MetricLockHoldDuration is the metric "lock.hold.duration". Time for which
	// a lock was held, from the reply that granted it to the reply to its
	// release.
	MetricLockHoldDuration = Metric{
		Name:        "lock.hold.duration",
		Description: "Time for which a lock was held, from the reply that granted it to the reply to its release.",
		Unit:        "s",
		Boundaries:  []float64{0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300},
	}

	// MetricLockHoldUtilization is the metric "lock.hold.utilization". Time for
	// which a lock was held as a ratio of its time to live.
	//
	// Above 1 the lease ran out while it was held, and another holder may have
	// run at the same time. For a lease that the library extends on its own it
	// is a ratio of the longest time for which it does so.
	MetricLockHoldUtilization = Metric{
		Name:        "lock.hold.utilization",
		Description: "Time for which a lock was held as a ratio of its time to live.",
		Unit:        "1",
		Boundaries:  []float64{0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1, 2},
	}

	// MetricLockHeld is the metric "lock.held". Locks held now.
	MetricLockHeld = Metric{
		Name:        "lock.held",
		Description: "Locks held now.",
		Unit:        "{lock}",
	}

	// MetricLockWaiting is the metric "lock.waiting". Callers that wait for a
	// lock now.
	MetricLockWaiting = Metric{
		Name:        "lock.waiting",
		Description: "Callers that wait for a lock now.",
		Unit:        "{request}",
	}

	// MetricLockBreakerOpen is the metric "lock.breaker.open". Servers of the
	// backend whose breaker is open now.
	//
	// Acquires that need such a server fail at once, with `error.type`
	// `breaker_open`, until it answers again.
	MetricLockBreakerOpen = Metric{
		Name:        "lock.breaker.open",
		Description: "Servers of the backend whose breaker is open now.",
		Unit:        "{server}",
	}

	// MetricLockReports is the metric "lock.reports". Reports of failures, by
	// what became of them.
	//
	// Counted by the throttle of a log pipeline, or by the lock itself where it
	// writes to the console. A throttle with other keys sets those attributes
	// instead of `lock.action` and `lock.target`.
	MetricLockReports = Metric{
		Name:        "lock.reports",
		Description: "Reports of failures, by what became of them.",
		Unit:        "{report}",
	}
)
