package throttle

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// Processor is a [sdklog.Processor] that stands before others and suppresses
// what would repeat itself. Create it with [NewProcessor]. It is safe for
// concurrent use, and serves one LoggerProvider.
type Processor struct {
	next     fanOut
	window   *window.Window
	keys     keys
	disabled bool
	stopped  atomic.Bool
}

var _ sdklog.Processor = (*Processor)(nil)

// NewProcessor returns a Processor with the default settings that passes on to
// all of next what it lets through. Without one it is never enabled.
//
// Put one Processor before everything that exports. Processors that are
// registered side by side with the SDK do not filter for each other.
func NewProcessor(next ...sdklog.Processor) (*Processor, error) {
	return NewProcessorWith(nil, next...)
}

// NewProcessorWith is [NewProcessor] with settings of its own. It returns an error
// for an option that makes no sense.
func NewProcessorWith(opts []Option, next ...sdklog.Processor) (*Processor, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	p := &Processor{keys: cfg.keys, disabled: cfg.window <= 0}
	for _, n := range next {
		if n != nil {
			p.next = append(p.next, n)
		}
	}
	period := cfg.window
	if p.disabled {
		period = -1
	}
	p.window, err = window.New(window.Config{
		Period: period, MaxKeys: cfg.maxKeys, Parts: len(p.keys), Summary: p.summarizeUnasked,
	})
	if err != nil {
		return nil, fmt.Errorf("throttle: %w", err)
	}
	if err := registerReports(cfg.meterProvider, p.window, p.keys); err != nil {
		return nil, err
	}
	return p, nil
}

// Enabled reports whether any of the next processors is enabled: whether a
// record would be suppressed depends on attributes that are not known yet.
func (p *Processor) Enabled(ctx context.Context, param sdklog.EnabledParameters) bool {
	return p.next.Enabled(ctx, param)
}

// OnEmit passes the record on, or suppresses and counts it.
//
// A record that is let through is cloned before the count is written on it, and
// where there are several next processors each has a copy of its own. If all of
// them fail or panic, the record and what it carried count as suppressed, and the
// error is returned. If some do, their errors go to the global error handler: the
// others have the record. A panic becomes an error that names its type only.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if p.stopped.Load() {
		return nil
	}
	if s := record.Severity(); s < log.SeverityWarn || s > log.SeverityWarn4 {
		return p.next.OnEmit(ctx, record)
	}
	var parts [maxParts]string
	key := parts[:len(p.keys)]
	errorType, f := p.keys.read(record, &parts)
	if all := p.keys.all(); f&all != all {
		return p.next.OnEmit(ctx, record)
	}
	at := record.ObservedTimestamp()
	if f&foundCount == 0 && p.window.Suppress(at, errorType, key...) {
		return nil
	}
	var c *window.Claim
	if up, ok := readUpstream(record); ok {
		c = p.window.AdmitUpstream(up, errorType, key...)
	} else {
		c = p.window.Admit(at, errorType, key...)
	}
	switch {
	case c == nil:
		return nil
	case p.disabled:
		return p.send(ctx, c, record)
	}
	c.KeepTemplate(p.newTemplate(record, c))
	clone := p.withCount(record, c)
	return p.send(ctx, c, &clone)
}

// send settles the claim by what the next processors do.
func (p *Processor) send(ctx context.Context, c *window.Claim, record *sdklog.Record) error {
	defer c.Failed() // unless it is settled
	err := p.next.OnEmit(ctx, record)
	if err == nil {
		c.Delivered()
	}
	return err
}

// ForceFlush sends a summary for every key that holds a count and has had none
// within the last window, and flushes the next processors. It returns when ctx is
// done, even if the OnEmit of one is stuck. [Processor.Pending] tells what stays
// behind.
func (p *Processor) ForceFlush(ctx context.Context) error {
	if p.stopped.Load() {
		return nil
	}
	return errors.Join(p.window.Flush(ctx, p.summarize), p.next.ForceFlush(ctx))
}

// Shutdown sends a summary for every key that holds a count, and shuts the next
// processors down, all within ctx. Later calls of OnEmit, ForceFlush and Shutdown
// do nothing, and Suppress returns false.
func (p *Processor) Shutdown(ctx context.Context) error {
	if p.stopped.Swap(true) {
		return nil
	}
	return errors.Join(p.window.Close(ctx, p.summarize), p.next.Shutdown(ctx))
}

// Suppress reports whether a record of this failure at that time would be
// suppressed, and counts it if so. A caller that asks first need not build a
// record in vain. Where it returns false, emit the record: Suppress lets nothing
// through by itself. at should be the time.Now of the failure, with its monotonic
// reading; errorType may be empty.
//
// With [WithKeys] it returns false unless lock.action and lock.target are all
// that the key needs. The method fits otellock.WithThrottle.
func (p *Processor) Suppress(at time.Time, action, target, errorType string) bool {
	var key [2]string
	if len(p.keys) > len(key) {
		return false
	}
	for i, name := range p.keys {
		switch name {
		case semconv.LockActionKey:
			key[i] = action
		case semconv.LockTargetKey:
			key[i] = target
		default:
			return false
		}
	}
	return p.window.Suppress(at, errorType, key[:len(p.keys)]...)
}

// Pending returns how many occurrences are suppressed and not yet carried by any
// record or summary, including those in the hands of a next processor that has
// not returned yet.
func (p *Processor) Pending() uint64 { return p.window.Pending() }

// summarize sends a summary.
func (p *Processor) summarize(c *window.Claim) error {
	record, err := p.newSummary(c)
	if err != nil {
		return err
	}
	return p.send(context.Background(), c, &record)
}

// summarizeUnasked is summarize for the timer, which has nobody to return an
// error to.
func (p *Processor) summarizeUnasked(c *window.Claim) error {
	err := p.summarize(c)
	if err != nil {
		otel.Handle(err)
	}
	return err
}
