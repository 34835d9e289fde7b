package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
	"github.com/otellock/otellock-go/semconv/lockconv"
)

func section(title string) {
	fmt.Printf("%s\n%s\n", title, strings.Repeat("-", len(title)))
}

// printTrace prints a trace as a tree: durations, what a span says of its lock,
// and the events of a failure.
func (c *capture) printTrace(id trace.TraceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	children := map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	for _, s := range c.spans[id] {
		parent := s.Parent().SpanID()
		children[parent] = append(children[parent], s)
	}
	fmt.Printf("trace %s\n", id)
	printSpans(children, trace.SpanID{}, "")
	fmt.Println()
}

func printSpans(children map[trace.SpanID][]sdktrace.ReadOnlySpan, parent trace.SpanID, indent string) {
	spans := children[parent]
	slices.SortFunc(spans, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	for i, s := range spans {
		branch, below := "├─ ", "│  "
		if i == len(spans)-1 {
			branch, below = "└─ ", "   "
		}
		line := indent + branch + s.Name()
		fmt.Printf("%-44s %10s  %s\n", line, ms(s.EndTime().Sub(s.StartTime())), saying(s))
		for _, event := range s.Events() {
			if strings.HasPrefix(event.Name, "lock.") {
				fmt.Printf("%s%s  ! %s\n", indent, below, event.Name)
			}
		}
		printSpans(children, s.SpanContext().SpanID(), indent+below)
	}
}

// saying is what a span of a lock says, in one line.
func saying(s sdktrace.ReadOnlySpan) string {
	var words []string
	for _, kv := range s.Attributes() {
		switch kv.Key {
		case semconv.LockOutcomeKey, semconv.LockRetriesKey, semconv.LockHoldUtilizationKey,
			semconv.LockFailurePolicyKey, semconv.ErrorTypeKey:
			words = append(words, short(kv))
		}
	}
	return strings.Join(words, " ")
}

func short(kv attribute.KeyValue) string {
	if kv.Value.Type() == attribute.FLOAT64 {
		return fmt.Sprintf("%s=%.3g", strings.TrimPrefix(string(kv.Key), "lock."), kv.Value.AsFloat64())
	}
	return strings.TrimPrefix(string(kv.Key), "lock.") + "=" + kv.Value.String()
}

// printMetrics prints every series of the lock's metrics that counted something.
func printMetrics(metrics metricdata.ResourceMetrics) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			if !strings.HasPrefix(m.Name, "lock.") {
				continue
			}
			var rows []string
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					if p.Value != 0 {
						rows = append(rows, fmt.Sprintf("%s\t%s\t%d\n", m.Name, series(p.Attributes), p.Value))
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					maximum, _ := p.Max.Value()
					rows = append(rows, fmt.Sprintf("%s\t%s\t%d × %.3g%s, at most %.3g%s\n", m.Name, series(p.Attributes),
						p.Count, p.Sum/float64(p.Count), unit(m.Unit), maximum, unit(m.Unit)))
				}
			}
			slices.Sort(rows)
			fmt.Fprint(table, strings.Join(rows, ""))
		}
	}
	table.Flush()
	fmt.Println()
}

func unit(u string) string {
	if u == "1" {
		return ""
	}
	return " " + u
}

func series(set attribute.Set) string {
	var words []string
	for _, kv := range set.ToSlice() {
		if kv.Key != semconv.LockBackendNameKey {
			words = append(words, short(kv))
		}
	}
	return strings.Join(words, " ")
}

func (c *capture) printRecords() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.records {
		fmt.Printf("%s  %s\n", r.SeverityText(), r.Body().AsString())
		fmt.Printf("    event  %s\n    trace  %s\n", r.EventName(), r.TraceID())
		for _, kv := range attributes(r) {
			value := kv.Value.String()
			if kv.Key == otelconv.ExceptionStacktraceKey {
				value, _, _ = strings.Cut(value, "\n")
				value += " …"
			}
			fmt.Printf("    %-40s %s\n", kv.Key, value)
		}
		fmt.Println()
	}
}

// printAccount holds the reports against the failures: nothing is lost between
// them.
func printAccount(metrics metricdata.ResourceMetrics, warnings int) {
	failures := sum(metrics, lockconv.Attempts{}.Name(), func(s attribute.Set) bool {
		outcome, _ := s.Value(semconv.LockOutcomeKey)
		switch outcome.AsString() {
		case "backend_error", "release_error", "extend_error":
			return true
		}
		return false
	})
	emitted := sum(metrics, lockconv.Reports{}.Name(), reported(semconv.LockReportResultEmitted))
	heldBack := sum(metrics, lockconv.Reports{}.Name(), reported(semconv.LockReportResultSuppressed))
	section("The account")
	fmt.Printf("%6d  locks failed\n%6d  warnings were emitted (%d arrived)\n%6d  were held back, and are counted in the records above\n\n",
		failures, emitted, warnings, heldBack)
}

func reported(result attribute.KeyValue) func(attribute.Set) bool {
	return func(s attribute.Set) bool {
		v, _ := s.Value(result.Key)
		return v == result.Value
	}
}

func sum(metrics metricdata.ResourceMetrics, name string, match func(attribute.Set) bool) (total int64) {
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
				for _, p := range data.DataPoints {
					if match(p.Attributes) {
						total += p.Value
					}
				}
			}
		}
	}
	return total
}
