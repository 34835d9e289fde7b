package sentrylog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	instruments "go.opentelemetry.io/otel/semconv/v1.43.0/otelconv"
)

// ScopeName is the instrumentation scope of the processor's own metric.
const ScopeName = "github.com/otellock/otellock-go/exporter/sentrylog"

// Version is the version of the instrumentation scope.
const Version = "0.1.0"

// unsent is what Sentry has not been told yet.
type unsent struct {
	cut, dropped int64 // events over the cap, events that could not be delivered
	occurrences  int64 // failures that those events stood for
	since        time.Time
}

func (u *unsent) add(v unsent) {
	u.cut += v.cut
	u.dropped += v.dropped
	u.occurrences += v.occurrences
	if u.since.IsZero() || !v.since.IsZero() && v.since.Before(u.since) {
		u.since = v.since
	}
}

// account is the one place that knows what became of every event. It counts
// them for the metric, for the errors, and for the next event.
type account struct {
	exported instruments.SDKExporterLogExported
	base     []attribute.KeyValue

	sent, dropped, cut atomic.Uint64

	mu     sync.Mutex
	untold map[failure]int64 // lost and in no error yet
	ended  int64             // since the last error
	owed   unsent            // to the next event
}

var processorID atomic.Int64

func newAccount(provider metric.MeterProvider, address string, port int) (*account, error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	const component = ScopeName + ".Processor"
	a := &account{untold: make(map[failure]int64), base: []attribute.KeyValue{
		otelconv.OTelComponentTypeKey.String(component),
		otelconv.OTelComponentName(component + "/" + strconv.FormatInt(processorID.Add(1)-1, 10)),
	}}
	if address != "" {
		a.base = append(a.base, otelconv.ServerAddress(address), otelconv.ServerPort(port))
	}
	var err error
	a.exported, err = instruments.NewSDKExporterLogExported(provider.Meter(ScopeName,
		metric.WithInstrumentationVersion(Version), metric.WithSchemaURL(otelconv.SchemaURL)))
	return a, err
}

// end records what became of an event, and what is owed to the next one unless
// this one was delivered.
func (a *account) end(ctx context.Context, f failure, owed unsent) {
	attrs := a.base
	a.mu.Lock()
	switch f {
	case failCap:
		a.cut.Add(1)
	case delivered:
		a.sent.Add(1)
	default:
		a.dropped.Add(1)
		if f != failPanic { // OnEmit returns that one
			a.untold[f]++
		}
	}
	if f != failCap {
		a.ended++
	}
	if f != delivered {
		a.owed.add(owed)
		attrs = append(attrs[:len(attrs):len(attrs)], otelconv.ErrorTypeKey.String(string(f)))
	}
	a.mu.Unlock()
	a.exported.Add(context.WithoutCancel(ctx), 1, attrs...)
}

// tell moves what is owed onto the event. The caller gives it back by end when
// the event is not delivered.
func (a *account) tell(e *sentry.Event) unsent {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.owed
	if u != (unsent{}) {
		e.Tags["sentrylog.not_sent"] = strconv.FormatInt(u.cut+u.dropped, 10)
		e.Contexts["sentrylog"] = sentry.Context{
			"cut_events":     u.cut,
			"dropped_events": u.dropped,
			"occurrences":    u.occurrences,
			"since":          u.since.UTC().Format(time.RFC3339),
		}
	}
	a.owed = unsent{}
	return u
}

// err says once what was lost, by reason.
func (a *account) err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, f := range slices.Sorted(maps.Keys(a.untold)) {
		errs = append(errs, fmt.Errorf("sentrylog: %d of %d events not delivered: %s", a.untold[f], a.ended, f.words()))
	}
	clear(a.untold)
	a.ended = 0
	return errors.Join(errs...)
}
