package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/semconv"
)

// printMetrics prints every series of the lock's metrics that counted something.
func (s *screen) printMetrics(metrics metricdata.ResourceMetrics) {
	s.heading("METRICS", "every series that counted something")
	order := []string{
		semconv.MetricLockAttempts.Name, semconv.MetricLockAcquireDuration.Name, semconv.MetricLockHoldDuration.Name,
		semconv.MetricLockHoldUtilization.Name, semconv.MetricLockReports.Name,
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
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
	fmt.Fprintln(s)
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

// printRecords prints the log records as they leave over OTLP.
func (s *screen) printRecords(records []sdklog.Record) {
	s.heading("LOG RECORDS", "as they leave over OTLP; Sentry makes an issue of each WARN")
	for _, r := range records {
		s.printRecord(r)
	}
}

func (s *screen) printRecord(r sdklog.Record) {
	fmt.Fprintf(s, "%s  %s\n", r.SeverityText(), r.Body().AsString())
	fmt.Fprintf(s, "    %-40s %s\n", "event name", r.EventName())
	if r.TraceID().IsValid() {
		fmt.Fprintf(s, "    %-40s %s, span %s\n", "trace", r.TraceID(), r.SpanID())
	}
	var code []attribute.KeyValue
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		switch {
		case kv.Key == otelconv.OTelEventNameKey: // the event name, again
		case strings.HasPrefix(string(kv.Key), "code."):
			code = append(code, kv)
		default:
			s.printAttribute(kv)
		}
		return true
	})
	for _, kv := range code {
		s.printAttribute(kv)
	}
	fmt.Fprintln(s)
}

func (s *screen) printAttribute(kv attribute.KeyValue) {
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
	fmt.Fprintf(s, "    %-40s %s\n", kv.Key, text)
}
