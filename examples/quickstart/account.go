package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/semconv"
)

var errAccount = errors.New("the account does not balance: please report this with the output of -v")

// A failure is what one warning a minute is about.
type failure struct{ target, action string }

// An entry says what became of the failures of one kind.
type entry struct {
	failed   int64 // operations, by lock.attempts
	warned   int64 // records of severity WARN
	heldBack int64 // counted in a warning or in the summary after them
}

func (e entry) balances() bool { return e.failed == e.warned+e.heldBack }

// printAccount compares the log records with the metrics: every failed operation is a
// warning, or is counted in one.
func (s *screen) printAccount(metrics metricdata.ResourceMetrics, records []sdklog.Record) error {
	s.heading("THE ACCOUNT", "every failure is a warning, or is counted in one")
	account := map[failure]*entry{}
	of := func(target, action attribute.Value) *entry {
		f := failure{target.AsString(), action.AsString()}
		if account[f] == nil {
			account[f] = new(entry)
		}
		return account[f]
	}
	for _, p := range points(metrics, semconv.MetricLockAttempts.Name) {
		outcome, _ := p.Attributes.Value(semconv.LockOutcomeKey)
		if isFailure(outcome) && p.Value != 0 {
			target, _ := p.Attributes.Value(semconv.LockTargetKey)
			of(target, outcome).failed += p.Value
		}
	}
	for _, r := range records {
		e := of(attributeOf(r, semconv.LockTargetKey), attributeOf(r, semconv.LockActionKey))
		if r.Severity() == log.SeverityWarn {
			e.warned++
		}
		e.heldBack += attributeOf(r, semconv.LockReportSuppressedCountKey).AsInt64()
	}

	balances := true
	for _, f := range slices.SortedFunc(maps.Keys(account), func(a, b failure) int {
		return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.action, b.action))
	}) {
		e := *account[f]
		c, sign := plain, "="
		if !e.balances() {
			balances, c, sign = false, bad, "IS NOT"
		}
		s.say(c, "   ", fmt.Sprintf("%d %s of %s %s %d warning + %d counted in it", e.failed, f.action, f.target, sign, e.warned, e.heldBack))
	}
	held, waiting := sum(metrics, semconv.MetricLockHeld.Name), sum(metrics, semconv.MetricLockWaiting.Name)
	if held == 0 && waiting == 0 {
		s.say(plain, "   ", "lock.held and lock.waiting are back at 0")
	} else {
		balances = false
		s.say(bad, "   ", fmt.Sprintf("lock.held is %d and lock.waiting %d, NOT 0", held, waiting))
	}
	fmt.Fprintln(s)
	s.say(plain, "   ", "What Sentry or Grafana gets of it:")
	for _, r := range records {
		c := faint
		if r.Severity() == log.SeverityWarn {
			c = warned
		}
		s.say(c, "   ", r.SeverityText()+" "+r.Body().AsString())
	}
	fmt.Fprintln(s)
	if !balances {
		return errAccount
	}
	return nil
}

func isFailure(outcome attribute.Value) bool {
	for _, f := range []attribute.KeyValue{semconv.LockOutcomeBackendError, semconv.LockOutcomeReleaseError, semconv.LockOutcomeExtendError} {
		if outcome == f.Value {
			return true
		}
	}
	return false
}

func points(metrics metricdata.ResourceMetrics, name string) []metricdata.DataPoint[int64] {
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
				return data.DataPoints
			}
		}
	}
	return nil
}

func sum(metrics metricdata.ResourceMetrics, name string) (total int64) {
	for _, p := range points(metrics, name) {
		total += p.Value
	}
	return total
}
