package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
	"github.com/otellock/otellock-go/semconv/lockconv"
)

func section(title, text string) { fmt.Printf("%s  %s\n", title, text) }

// printTrace prints a trace as a tree: durations, what became of a lock, and the
// warning that points to a span.
func (c *capture) printTrace(id trace.TraceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tree := spanTree{children: map[trace.SpanID][]sdktrace.ReadOnlySpan{}, warnings: map[trace.SpanID]string{}}
	for _, s := range c.spans[id] {
		parent := s.Parent().SpanID()
		tree.children[parent] = append(tree.children[parent], s)
	}
	for _, r := range c.records {
		tree.warnings[r.SpanID()] = r.SeverityText() + " " + r.Body().AsString()
	}
	tree.print(trace.SpanID{}, "   ", "")
	fmt.Println()
}

type spanTree struct {
	children map[trace.SpanID][]sdktrace.ReadOnlySpan
	warnings map[trace.SpanID]string // by the span that they point to
}

func (t spanTree) print(parent trace.SpanID, indent, branch string) {
	spans := t.children[parent]
	slices.SortFunc(spans, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	for len(spans) > 0 {
		like := t.alike(spans)
		var took time.Duration
		for _, s := range spans[:like] {
			took += s.EndTime().Sub(s.StartTime())
		}
		s := spans[0]
		spans = spans[like:]
		here, below := branch, indent
		if branch != "" {
			here, below = indent+"├─ ", indent+"│  "
			if len(spans) == 0 {
				here, below = indent+"└─ ", indent+"   "
			}
		} else {
			here = indent
		}
		line, saying := here+s.Name(), t.saying(s)
		if like > 1 {
			line += fmt.Sprintf(" ×%d", like)
		}
		if branch == "" {
			saying = "trace " + s.SpanContext().TraceID().String()
		}
		fmt.Printf("%-42s %9s   %s\n", line, round(took), saying)
		if warning := t.warnings[s.SpanContext().SpanID()]; warning != "" {
			fmt.Printf("%s  ! %s\n", below, warning)
		}
		t.print(s.SpanContext().SpanID(), below, "├─ ")
	}
}

// alike is how many spans from the first on differ in nothing but their time.
func (t spanTree) alike(spans []sdktrace.ReadOnlySpan) int {
	n := 1
	for n < len(spans) && spans[n].Name() == spans[0].Name() && len(t.children[spans[n].SpanContext().SpanID()]) == 0 {
		n++
	}
	return n
}

// saying is what became of a lock, in words.
func (t spanTree) saying(s sdktrace.ReadOnlySpan) string {
	said := map[attribute.Key]attribute.Value{}
	for _, kv := range s.Attributes() {
		said[kv.Key] = kv.Value
	}
	outcome, ok := said[semconv.LockOutcomeKey]
	if !ok {
		return ""
	}
	words := outcome.AsString()
	if s.Status().Code == codes.Error {
		words = strings.ToUpper(words) + " " + said[semconv.ErrorTypeKey].AsString() + ", policy " + said[semconv.LockFailurePolicyKey].AsString()
	}
	if n := said[semconv.LockRetriesKey].AsInt64(); n > 0 {
		words += fmt.Sprintf(" after %d retries; the rest is waiting", n)
	}
	if held, ok := said[semconv.LockHoldDurationKey]; ok {
		words += fmt.Sprintf(", held %s, %.1f%% of its TTL", value(held.AsFloat64(), "s"), 100*said[semconv.LockHoldUtilizationKey].AsFloat64())
	}
	return words
}

func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// printAccount holds the reports against the failures: nothing is lost between
// them.
func printAccount(metrics metricdata.ResourceMetrics) {
	section("THE ACCOUNT", "every failure is a warning, or is counted in one")
	for _, row := range []struct {
		failed string
		action attribute.KeyValue
		result attribute.KeyValue
	}{
		{"acquires failed ", semconv.LockActionBackendError, semconv.LockOutcomeBackendError},
		{"releases failed ", semconv.LockActionReleaseError, semconv.LockOutcomeReleaseError},
	} {
		fmt.Printf("   %6d  %s  %d sent as a warning, %d held back\n",
			sum(metrics, lockconv.Attempts{}.Name(), row.result), row.failed,
			sum(metrics, lockconv.Reports{}.Name(), row.action, semconv.LockReportResultEmitted),
			sum(metrics, lockconv.Reports{}.Name(), row.action, semconv.LockReportResultSuppressed))
	}
	fmt.Println()
}

func sum(metrics metricdata.ResourceMetrics, name string, with ...attribute.KeyValue) (total int64) {
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != name {
				continue
			}
			for _, p := range data.DataPoints {
				if !slices.ContainsFunc(with, func(kv attribute.KeyValue) bool {
					v, _ := p.Attributes.Value(kv.Key)
					return v != kv.Value
				}) {
					total += p.Value
				}
			}
		}
	}
	return total
}

// printMetrics prints every series of the lock's metrics that counted something.
func printMetrics(metrics metricdata.ResourceMetrics) {
	section("THE METRICS", "series at 0 are left out: lock.held and lock.waiting are back there")
	order := []string{
		lockconv.Attempts{}.Name(), lockconv.AcquireDuration{}.Name(), lockconv.HoldDuration{}.Name(),
		lockconv.HoldUtilization{}.Name(), lockconv.Reports{}.Name(),
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, name := range order {
		rows := rowsOf(metrics, name)
		slices.Sort(rows)
		for i, row := range rows {
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(table, "   %s\t%s\n", name, row)
		}
	}
	table.Flush()
	fmt.Println()
}

func rowsOf(metrics metricdata.ResourceMetrics, name string) (rows []string) {
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					if p.Value != 0 {
						rows = append(rows, fmt.Sprintf("%6d\t%s", p.Value, series(p.Attributes)))
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					longest, _ := p.Max.Value()
					rows = append(rows, fmt.Sprintf("%6d\t%s\tmean %s, at most %s", p.Count, series(p.Attributes),
						value(p.Sum/float64(p.Count), m.Unit), value(longest, m.Unit)))
				}
			}
		}
	}
	return rows
}

func value(v float64, unit string) string {
	if unit == "s" {
		return round(time.Duration(v * float64(time.Second)))
	}
	return fmt.Sprintf("%.2g", v)
}

// series is the values of a series' attributes: their names are in the records
// below.
func series(set attribute.Set) string {
	var words []string
	for _, key := range []attribute.Key{
		semconv.LockTargetKey, semconv.LockOperationNameKey, semconv.LockActionKey, semconv.LockOutcomeKey,
		semconv.LockReportResultKey, semconv.ErrorTypeKey, semconv.LockFailurePolicyKey,
	} {
		if v, ok := set.Value(key); ok {
			words = append(words, v.AsString())
		}
	}
	return strings.Join(words, " ")
}

func (c *capture) printRecords() {
	c.mu.Lock()
	defer c.mu.Unlock()
	section("THE LOG RECORDS", "as they leave over OTLP; Sentry makes an issue of each WARN")
	for _, r := range c.records {
		printRecord(r)
	}
}

func printRecord(r sdklog.Record) {
	fmt.Printf("%s  %s\n", r.SeverityText(), r.Body().AsString())
	fmt.Printf("    %-40s %s\n", "event name", r.EventName())
	if r.TraceID().IsValid() {
		fmt.Printf("    %-40s %s, span %s\n", "trace", r.TraceID(), r.SpanID())
	}
	var code []attribute.KeyValue
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		switch {
		case kv.Key == otelconv.OTelEventNameKey: // the event name, again
		case strings.HasPrefix(string(kv.Key), "code."):
			code = append(code, kv)
		default:
			printAttribute(kv)
		}
		return true
	})
	for _, kv := range code {
		printAttribute(kv)
	}
	fmt.Println()
}

func printAttribute(kv attribute.KeyValue) {
	text := kv.Value.String()
	switch kv.Key {
	case otelconv.CodeFilePathKey:
		text = filepath.Base(text)
	case otelconv.ExceptionStacktraceKey:
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			lines[i] = strings.TrimSpace(line)
			if i%2 == 1 { // a position
				lines[i] = "  " + filepath.Base(lines[i])
			}
		}
		text = strings.Join(lines, "\n"+strings.Repeat(" ", 45))
	}
	fmt.Printf("    %-40s %s\n", kv.Key, text)
}
