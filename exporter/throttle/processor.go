package throttle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// Processor is a [sdklog.Processor] that stands before others. It is safe for
// concurrent use, and serves one LoggerProvider. Create it with [NewProcessor].
type Processor struct {
	next     fanOut
	window   *window.Window
	keys     keys
	disabled bool
	stopped  atomic.Bool
}

var _ sdklog.Processor = (*Processor)(nil)

// NewProcessor returns a Processor with the default settings that passes records on
// to all of next. Without one it is never enabled. Give it every processor that is to
// be throttled: one that is registered with the SDK beside it gets all records.
func NewProcessor(next ...sdklog.Processor) (*Processor, error) {
	return NewProcessorWith(nil, next...)
}

// NewProcessorWith is [NewProcessor] with options. It returns an error for an option
// that is out of its range.
func NewProcessorWith(opts []Option, next ...sdklog.Processor) (*Processor, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	next = slices.DeleteFunc(slices.Clone(next), func(n sdklog.Processor) bool { return n == nil })
	p := &Processor{next: next, keys: cfg.keys, disabled: cfg.window <= 0}
	p.window, err = window.New(window.Config{
		Period: cmp.Or(max(cfg.window, 0), -1), MaxKeys: cfg.maxKeys, Parts: len(p.keys),
		Summary: func(c *window.Claim) error {
			err := p.summarize(c)
			if err != nil {
				otel.Handle(err) // nobody else would hear of it
			}
			return err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("throttle: %w", err)
	}
	if err := p.registerReports(cfg.meterProvider); err != nil {
		return nil, err
	}
	return p, nil
}

// Enabled reports whether any of the next processors is enabled.
func (p *Processor) Enabled(ctx context.Context, param sdklog.EnabledParameters) bool {
	return slices.ContainsFunc(p.next, func(n sdklog.Processor) bool { return n.Enabled(ctx, param) })
}

// OnEmit passes the record on, or suppresses and counts it. Each of several next
// processors has a copy of its own. If all of them fail or panic, the record and
// what it carried are suppressed, and the error is returned. If some do, their
// errors go to the global error handler.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if p.stopped.Load() {
		return nil
	}
	if s := record.Severity(); s < log.SeverityWarn || s > log.SeverityWarn4 {
		return p.next.OnEmit(ctx, record)
	}
	var parts [maxParts]string
	key := parts[:len(p.keys)]
	errorType, counted, ok := p.keys.read(record, &parts)
	if !ok {
		return p.next.OnEmit(ctx, record)
	}
	at := record.ObservedTimestamp()
	if !counted && p.window.Suppress(at, errorType, key...) {
		return nil
	}
	var c *window.Claim
	if up, ok := readUpstream(record); ok {
		c = p.window.AdmitUpstream(up, errorType, key...)
	} else {
		c = p.window.Admit(at, errorType, key...)
	}
	if c == nil {
		return nil
	}
	defer c.Failed() // unless it is delivered
	if !p.disabled {
		c.KeepTemplate(p.newTemplate(record, c))
		clone := p.withCount(record, c)
		record = &clone
	}
	err := p.next.OnEmit(ctx, record)
	if err == nil {
		c.Delivered()
	}
	return err
}

// ForceFlush sends a summary for every key that holds a count and has had none
// within the last window, and flushes the next processors, all within ctx.
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

// Suppress reports whether a record of this failure would be suppressed, and
// counts it if so: it need not be built. Where Suppress returns false, emit the
// record. at should be the time.Now of the failure; errorType may be empty. The
// method fits otellock.WithThrottle.
//
// With [WithKeys] it returns false unless lock.action and lock.target are all
// that the key needs.
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

// Pending returns how many occurrences no record or summary has delivered yet: those
// that are suppressed, and those that a next processor is just being given.
func (p *Processor) Pending() uint64 { return p.window.Pending() }
