package throttle

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

const (
	summaryPatience = time.Second // the longest that other summaries wait for one of the timer
	summarySlots    = 32          // summaries under way; above it the timer puts them off
)

var (
	errNoTemplate = errors.New("throttle: no " + semconv.EventLockReportSummary + ": no record of the key has been let through yet")
	errEnded      = errors.New("throttle: the next processor ended the goroutine that sent a " + semconv.EventLockReportSummary)
	errStuck      = errors.New("throttle: the next processor is stuck with too many of " + semconv.EventLockReportSummary)
)

// summarizeInTime sends a summary for the timer, which has nobody to return an
// error to.
func (p *Processor) summarizeInTime(c *window.Claim) error {
	select {
	case p.slots <- struct{}{}:
	default:
		return errStuck
	}
	ctx, cancel := context.WithTimeout(context.Background(), summaryPatience)
	defer cancel()
	return p.summarize(ctx, c, otel.Handle)
}

// summarizeWithin sends summaries for a caller who waits until ctx is done.
func (p *Processor) summarizeWithin(ctx context.Context) func(*window.Claim) error {
	return func(c *window.Claim) error {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		return p.summarize(ctx, c, func(error) {})
	}
}

// summarize sends a summary on a goroutine of its own, which takes over the claim
// and the caller's slot: one that is stuck still counts once, whenever it ends,
// and one that calls Goexit ends nothing else.
func (p *Processor) summarize(ctx context.Context, c *window.Claim, handle func(error)) error {
	over, done := c.HandOver(), make(chan error, 1)
	go func() {
		err := errEnded
		defer func() {
			_ = recover() // of handle
			<-p.slots
			done <- err
		}()
		if err = p.sendSummary(over); err != nil {
			handle(err)
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Processor) sendSummary(c *window.Claim) error {
	defer c.Failed() // unless it is settled
	record, err := newSummary(c)
	if err != nil {
		return err
	}
	return p.send(context.Background(), c, &record)
}
