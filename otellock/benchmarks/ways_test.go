package benchmarks

import (
	"context"
	"slices"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// nowhere is a span exporter.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

type way struct {
	name string
	once func(context.Context) error
}

// together measures the ways in turn and reports the median of each, as a ratio to
// the first.
func together(b *testing.B, ways []way) {
	took := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i, way := range ways {
			start := time.Now()
			if err := way.once(b.Context()); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	median := func(i int) float64 {
		slices.Sort(took[i])
		return float64(took[i][len(took[i])/2])
	}
	first := median(0)
	for i := range ways[1:] {
		b.ReportMetric(median(i+1)/first, ways[i+1].name+"/"+ways[0].name)
	}
	b.ReportMetric(first, "p50-ns")
}
