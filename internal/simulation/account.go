package simulation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/semconv"
)

// A counted is a series of lock.attempts.
type counted struct{ operation, outcome string }

// telemetry is what one process emits.
type telemetry struct {
	reader *sdkmetric.ManualReader
	meters *sdkmetric.MeterProvider

	mu         sync.Mutex
	warnings   int64
	suppressed int64 // as the records say
}

func newTelemetry() *telemetry {
	x := &telemetry{reader: sdkmetric.NewManualReader()}
	x.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(x.reader))
	return x
}

func (x *telemetry) options(more ...otellock.Option) []otellock.Option {
	return append(more, otellock.WithMeterProvider(x.meters), otellock.WithLogger(slog.New(x)))
}

// Handle makes telemetry a [slog.Handler] that counts the records.
func (x *telemetry) Handle(_ context.Context, r slog.Record) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.Level == slog.LevelWarn {
		x.warnings++
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == string(semconv.LockReportSuppressedCountKey) {
			x.suppressed += a.Value.Int64()
		}
		return true
	})
	return nil
}

func (x *telemetry) Enabled(context.Context, slog.Level) bool { return true }
func (x *telemetry) WithAttrs([]slog.Attr) slog.Handler       { return x }
func (x *telemetry) WithGroup(string) slog.Handler            { return x }

// A point is one series of a metric.
type point struct {
	attributes attribute.Set
	value      int64
}

// sums are the points of every counter, by its name.
func (x *telemetry) sums() map[string][]point {
	var collected metricdata.ResourceMetrics
	if err := x.reader.Collect(context.Background(), &collected); err != nil {
		panic(err)
	}
	all := map[string][]point{}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
				for _, p := range sum.DataPoints {
					all[m.Name] = append(all[m.Name], point{p.Attributes, p.Value})
				}
			}
		}
	}
	return all
}

func total(points []point) (n int64) {
	for _, p := range points {
		n += p.value
	}
	return n
}

// isAccountedFor checks at the end that the telemetry of a process tells exactly
// what happened.
func (w *world) isAccountedFor(p *process) {
	sums := p.telemetry.sums()
	got := map[counted]int64{}
	for _, s := range sums["lock.attempts"] {
		operation, _ := s.attributes.Value(semconv.LockOperationNameKey)
		outcome, _ := s.attributes.Value(semconv.LockOutcomeKey)
		got[counted{operation.AsString(), outcome.AsString()}] += s.value
	}
	for _, c := range []counted{
		{"acquire", "acquired"}, {"acquire", "contended"}, {"acquire", "skipped"}, {"acquire", "canceled"}, {"acquire", "backend_error"},
	} {
		if got[c] != p.counted[c] {
			w.violate("one count for each operation", "%s: %d of %v, want %d", p.name, got[c], c, p.counted[c])
		}
	}
	// A renewal makes one call or more.
	extends := got[counted{"extend", "extended"}] + got[counted{"extend", "extend_error"}]
	asked := p.counted[counted{"extend", "extended"}] + p.counted[counted{"extend", "extend_error"}]
	if extends < asked || extends > asked+p.renewals || p.renewals > 0 && extends == asked ||
		got[counted{"extend", "extended"}] < p.counted[counted{"extend", "extended"}] {
		w.violate("one count for each operation", "%s: %d extends, want %d and %d calls of renewals", p.name, extends, asked, p.renewals)
	}
	released := got[counted{"release", "released"}] + got[counted{"release", "release_error"}]
	cleaned := got[counted{"cleanup", "cleaned"}] + got[counted{"cleanup", "cleanup_error"}]
	var releases, known, tokens, unanswered int64
	for _, u := range w.truth.uses {
		if u.process != p || !u.protected {
			continue
		}
		released, lost := !u.kept && !errors.Is(u.released, otellock.ErrClosed), u.lossBefore()
		if released || lost == "lease" { // by the clock, which counts the release
			releases++
		}
		if released && lost == "extend" {
			known++
		}
	}
	for _, t := range w.truth.inName {
		if t.use.process == p {
			tokens++
			if t.unanswered && (!t.use.granted || t.use.token != t) {
				unanswered++
			}
		}
	}
	if released != releases {
		w.violate("one count for each operation", "%s: %d releases, want %d", p.name, released, releases)
	}
	if cleaned < unanswered || cleaned > tokens {
		w.violate("one cleanup for each token that may be left", "%s: %d, of %d tokens %d may", p.name, cleaned, tokens, unanswered)
	}
	for _, gauge := range []string{"lock.held", "lock.waiting"} {
		if n := total(sums[gauge]); n != 0 {
			w.violate("gauges return to zero", "%s: %s is %d", p.name, gauge, n)
		}
	}
	failures := got[counted{"acquire", "backend_error"}] + got[counted{"release", "release_error"}] + got[counted{"extend", "extend_error"}]
	if n := total(sums["lock.reports"]); n != failures {
		w.violate("one report for each failure", "%s: %d reports, %d failures", p.name, n, failures)
	}
	// After a Close that could not wait nobody says what was suppressed.
	// A renewal that is answered after the loss is not warned of either.
	n, want := p.telemetry.warnings+p.telemetry.suppressed, failures-known-p.untold
	if (n > want || n < want-p.renewals) && !p.cutOff {
		w.violate("records and what they suppress are all failures", "%s: %d records and %d suppressed, %d failures", p.name, p.telemetry.warnings, p.telemetry.suppressed, want)
	}
}

// lossBefore says who found before the release that the lease is lost: "lease", the
// clock, or "extend", or nobody.
func (u *use) lossBefore() string {
	var lost *otellock.Error
	if err := u.lease.Extend(context.Background(), time.Minute); errors.As(err, &lost) && lost.Type != "released" {
		return lost.Op
	}
	return ""
}
