package campaign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otellock/otellock-go/otellock"
)

// A tally counts operations by what they are, "acquire contended" for example.
type tally struct {
	mu sync.Mutex
	of map[string]int64
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int64{}
	}
	c.of[what]++
}

func (c *tally) get(what string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[what]
}

// Names of what a worker tallies beside "operation outcome".
const (
	released  = "release"            // releases that were asked for, whatever came of them
	mayBeLost = "loss that may be"   // releases and extends that may find the lease gone
	knownLoss = "loss known already" // releases whose loss an extend had reported
	closed    = "lease closed"       // leases that Close took over
	renewed   = "renewed lease"      // leases that the library extends on its own
	overtaken = "extend overtaken"   // extends that the clock's end of the lease may have overtaken
)

// seen is what one Locker emits.
type seen struct {
	reader *sdkmetric.ManualReader
	logger *slog.Logger
	memory *memory
}

func newSeen(r *run) *seen {
	m := &memory{r: r}
	return &seen{reader: sdkmetric.NewManualReader(), logger: slog.New(m), memory: m}
}

func (s *seen) options() []otellock.Option {
	return []otellock.Option{
		otellock.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))),
		otellock.WithLogger(s.logger),
	}
}

// points are the series of a metric that counts.
func (s *seen) points(metric string) (points []metricdata.DataPoint[int64]) {
	var rm metricdata.ResourceMetrics
	_ = s.reader.Collect(context.Background(), &rm) // fails after a shutdown only
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == metric {
				points = append(points, sum.DataPoints...)
			}
		}
	}
	return points
}

// sum adds up the series whose attributes have these values, as in
// sum("lock.attempts", "lock.outcome", "acquired").
func (s *seen) sum(metric string, attributes ...string) (total int64) {
	for _, point := range s.points(metric) {
		matches := true
		for i := 0; i < len(attributes); i += 2 {
			v, _ := point.Attributes.Value(attribute.Key(attributes[i]))
			matches = matches && v.AsString() == attributes[i+1]
		}
		if matches {
			total += point.Value
		}
	}
	return total
}

// attempts is what was counted, for whoever reads a violation.
func (s *seen) attempts() string {
	var counted []string
	for _, point := range s.points("lock.attempts") {
		if point.Value != 0 {
			var words []string
			for _, key := range []attribute.Key{"lock.operation.name", "lock.outcome", "error.type"} {
				v, _ := point.Attributes.Value(key)
				words = append(words, v.AsString())
			}
			counted = append(counted, fmt.Sprintf("%s: %d", strings.TrimSpace(strings.Join(words, " ")), point.Value))
		}
	}
	slices.Sort(counted)
	return strings.Join(counted, ", ")
}

// memory is a handler that counts records, and what they say was held back.
type memory struct {
	r          *run
	mu         sync.Mutex
	warnings   int64
	suppressed int64
}

func (*memory) Enabled(context.Context, slog.Level) bool { return true }
func (m *memory) WithAttrs([]slog.Attr) slog.Handler     { return m }
func (m *memory) WithGroup(string) slog.Handler          { return m }

func (m *memory) Handle(_ context.Context, r slog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Level == slog.LevelWarn {
		m.warnings++
	}
	m.r.note("record: %s", r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "lock.report.suppressed_count" {
			m.suppressed += a.Value.Int64()
		}
		return true
	})
	return nil
}

// account holds what the Locker has emitted, after its Close, against what its
// workers saw.
func (p *process) account() error {
	var wrong []error
	equal := func(what string, want int64, metric string, attributes ...string) {
		if got := p.seen.sum(metric, attributes...); got != want {
			wrong = append(wrong, fmt.Errorf("%s: %s: %s%q is %d, want %d", p.name, what, metric, attributes, got, want))
		}
	}
	count := p.seen.sum
	const attempts, operation, outcome = "lock.attempts", "lock.operation.name", "lock.outcome"
	for _, o := range []string{"acquired", "contended", "skipped", "canceled", "backend_error"} {
		equal("one count for each operation", p.tally.get("acquire "+o), attempts, operation, "acquire", outcome, o)
	}
	for _, o := range []string{"extended", "extend_error"} {
		got, least := count(attempts, operation, "extend", outcome, o), p.tally.get("extend "+o)
		most := least
		if o == "extend_error" {
			most += p.tally.get(overtaken)
		}
		if got < least || got > most && p.tally.get(renewed) == 0 {
			wrong = append(wrong, fmt.Errorf("%s: one count for each operation: %d %s, want %d to %d", p.name, got, o, least, most))
		}
	}
	equal("one count for each operation", p.tally.get(released), attempts, operation, "release")
	equal("nothing was forgotten", 0, attempts, outcome, "abandoned")
	equal("nothing is held any more", 0, "lock.held")
	equal("nobody waits any more", 0, "lock.waiting")

	cleanups := count(attempts, operation, "cleanup")
	least := p.tally.get(closed)
	most := least + p.tally.get("acquire backend_error") + p.tally.get("acquire canceled") + p.tally.get("acquire contended") +
		p.tally.get("acquire skipped") + p.tally.get("acquire acquired") + count(attempts, outcome, "release_error")
	if cleanups < least || cleanups > most {
		wrong = append(wrong, fmt.Errorf("%s: %d cleanups, want %d to %d", p.name, cleanups, least, most))
	}

	losses := func(class string) int64 {
		return count(attempts, outcome, "release_error", "error.type", class) + count(attempts, outcome, "extend_error", "error.type", class)
	}
	expired, lost, stolen := losses("expired"), losses("lost"), losses("stolen")
	if may := p.tally.get(mayBeLost); expired+lost+stolen > may {
		wrong = append(wrong, fmt.Errorf("%s: a false page: %d leases were called expired, %d lost, %d stolen, and only %d can have been",
			p.name, expired, lost, stolen, may))
	}

	occurrences := count(attempts, outcome, "backend_error") + count(attempts, outcome, "release_error") + count(attempts, outcome, "extend_error")
	equal("every failure is a report", occurrences, "lock.reports")
	dropped := count("lock.reports", "lock.report.result", "dropped")
	p.seen.memory.mu.Lock()
	records, suppressed := p.seen.memory.warnings, p.seen.memory.suppressed
	p.seen.memory.mu.Unlock()
	// What the clock overtook is not said again.
	known := p.tally.get(knownLoss)
	if silent := occurrences - records - suppressed - dropped; silent < known || silent > known+p.tally.get(overtaken)+p.tally.get(renewed) {
		wrong = append(wrong, fmt.Errorf("%s: %d records + %d suppressed + %d dropped + %d known before = %d occurrences?",
			p.name, records, suppressed, dropped, known, occurrences))
	}
	return errors.Join(wrong...)
}
