package throttle

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/internal/parallel"
)

// fanOut passes records on to the next processors. The SDK fans out too, but only a
// processor that wraps all others can suppress a record for all of them.
type fanOut []sdklog.Processor

// OnEmit returns an error only if no processor took the record. The throttle then
// counts it again, for the next record to carry; a processor that had taken it would
// see it twice.
func (f fanOut) OnEmit(ctx context.Context, record *sdklog.Record) error {
	var errs []error
	for _, p := range f {
		own := record
		if _, copies := p.(*sdklog.BatchProcessor); len(f) > 1 && !copies {
			clone := record.Clone()
			own = &clone
		}
		if err := guard(func() error { return p.OnEmit(ctx, own) }); err != nil {
			errs = append(errs, err)
		}
	}
	err := errors.Join(errs...)
	if len(errs) < len(f) && err != nil {
		otel.Handle(err)
		return nil
	}
	return err
}

// ForceFlush flushes all at once, so that one that hangs does not use up the time
// of the others.
func (f fanOut) ForceFlush(ctx context.Context) error {
	return errors.Join(parallel.Each(ctx, f, sdklog.Processor.ForceFlush)...)
}

func (f fanOut) Shutdown(ctx context.Context) error {
	return errors.Join(parallel.Each(ctx, f, sdklog.Processor.Shutdown)...)
}

// guard makes an error of a panic. It does not contain the value's text, which
// may hold a key.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("throttle: a next processor panicked with a %T", v)
		}
	}()
	return f()
}
