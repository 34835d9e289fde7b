package throttle

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/window"
)

// Processor is a [sdklog.Processor] that stands before another and holds back
// what would repeat itself. Create it with [NewProcessor]. It is safe for
// concurrent use, and serves one LoggerProvider.
type Processor struct {
	next     sdklog.Processor
	window   *window.Window
	disabled bool
	stopped  atomic.Bool
	metrics  reports
	slots    chan struct{} // one for each summary under way
}

var _ sdklog.Processor = (*Processor)(nil)

// NewProcessor returns a Processor that passes on to next what it lets through.
// With a nil next it is a no-op that is never enabled. An option that makes no
// sense is an error.
//
// Put one Processor before everything that exports, and let next fan out:
// processors that are registered side by side do not filter for each other.
func NewProcessor(next sdklog.Processor, opts ...Option) (*Processor, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if next == nil {
		next = noop{}
	}
	p := &Processor{next: next, disabled: cfg.window <= 0, slots: make(chan struct{}, summarySlots)}
	period := cfg.window
	if p.disabled {
		period = -1
	}
	p.window, err = window.New(window.Config{Period: period, MaxKeys: cfg.maxKeys, Summary: p.summarizeInTime})
	if err != nil {
		return nil, fmt.Errorf("throttle: %w", err)
	}
	if err := p.metrics.register(cfg.meterProvider, p.window); err != nil {
		return nil, err
	}
	return p, nil
}

// Enabled reports whether the next processor is enabled: whether a record would
// be held back depends on attributes that are not known yet.
func (p *Processor) Enabled(ctx context.Context, param sdklog.EnabledParameters) bool {
	return p.next.Enabled(ctx, param)
}

// OnEmit passes the record on, or holds it back and counts it.
//
// A record that is let through is cloned before the count is written on it. If
// the next processor fails or panics, the record and what it carried are counted
// as held back, and the error is returned; a panic becomes an error. Records
// that are none of the throttle's business are passed on as they are, and what
// the next processor does with them is between it and the caller.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if p.stopped.Load() {
		return nil
	}
	if s := record.Severity(); s < log.SeverityWarn || s > log.SeverityWarn4 {
		return p.next.OnEmit(ctx, record)
	}
	action, target, errorType, f := read(record)
	if f&foundKey != foundKey {
		return p.next.OnEmit(ctx, record)
	}
	if f&foundCount != 0 {
		if up, ok := readUpstream(record); ok {
			if c := p.window.AdmitUpstream(action, target, errorType, up); c != nil {
				return p.pass(ctx, c, record)
			}
			return nil
		}
	}
	c := p.window.Admit(action, target, errorType, record.ObservedTimestamp())
	if c == nil {
		return nil
	}
	if up, ok := readUpstream(record); ok { // further down the record
		c.Join(up)
	}
	return p.pass(ctx, c, record)
}

// pass sends a record with what its claim carries.
func (p *Processor) pass(ctx context.Context, c *window.Claim, record *sdklog.Record) error {
	if p.disabled {
		return p.send(ctx, c, record)
	}
	c.KeepTemplate(newTemplate(record, c))
	clone := withCount(record, c)
	return p.send(ctx, c, &clone)
}

// send settles the claim by what the next processor does.
func (p *Processor) send(ctx context.Context, c *window.Claim, record *sdklog.Record) (err error) {
	defer c.Failed() // unless it is settled
	defer func() {
		if v := recover(); v != nil {
			err = panicError(v)
		}
	}()
	if err = p.next.OnEmit(ctx, record); err == nil {
		c.Delivered()
	}
	return err
}

// panicError says what can be said without a text that may hold a key. Even that
// of a runtime.Error may: any type can be one.
func panicError(v any) error {
	return fmt.Errorf("throttle: the next processor panicked with a %T", v)
}

// ForceFlush sends a summary for every key that holds a count and has had none
// within the last window, and flushes the next processor. It returns when ctx is
// done, even if the next processor's OnEmit is stuck. [Processor.Pending] tells
// what stays behind.
func (p *Processor) ForceFlush(ctx context.Context) error {
	if p.stopped.Load() {
		return nil
	}
	return errors.Join(
		p.window.Flush(ctx, p.summarizeWithin(ctx)),
		p.next.ForceFlush(ctx),
	)
}

// Shutdown sends a summary for every key that holds a count, and shuts the next
// processor down, all within ctx. Later calls of OnEmit, ForceFlush and Shutdown
// do nothing, and gates hold nothing back.
func (p *Processor) Shutdown(ctx context.Context) error {
	if p.stopped.Swap(true) {
		return nil
	}
	return errors.Join(
		p.window.Close(ctx, p.summarizeWithin(ctx)),
		p.next.Shutdown(ctx),
	)
}

// ReportGate returns a function that reports whether a record of the action and
// target would be held back now, and if so counts it. A caller that asks it
// first need not build a record only for it to be held back. It never lets a
// record through by itself: where it says false, emit the record.
//
// now should be the time.Now of the failure, with its monotonic reading;
// errorType may be empty. Resolve the gate once per target: ReportGate allocates,
// the gate does not.
//
// The method fits otellock.WithReportGate.
func (p *Processor) ReportGate(action, target string) func(now time.Time, errorType string) bool {
	return p.window.Gate(action, target)
}

// Pending returns how many occurrences are held back and not yet carried by any
// record or summary, including those in the hands of a next processor that has
// not returned yet.
func (p *Processor) Pending() uint64 { return p.window.Pending() }

type noop struct{}

func (noop) Enabled(context.Context, sdklog.EnabledParameters) bool { return false }
func (noop) OnEmit(context.Context, *sdklog.Record) error           { return nil }
func (noop) Shutdown(context.Context) error                         { return nil }
func (noop) ForceFlush(context.Context) error                       { return nil }
