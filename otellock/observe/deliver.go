package observe

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/internal/inflight"
	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

const (
	reportTimeout = 50 * time.Millisecond // the longest that a caller waits for a report
	reportLimit   = 32                    // reports under way; above it they are dropped
	stackDepth    = 64
)

// A reporter hands warnings to a handler in another goroutine: a handler that is
// stuck or panics costs reports, never the caller.
type reporter struct {
	observer *Observer
	inflight inflight.Counter
	slots    chan struct{}  // has one element for each report under way
	console  *window.Window // in front of handlers that have no throttle of their own
}

func newReporter(o *Observer) (*reporter, error) {
	console, err := window.New(window.Config{Summary: summarize})
	return &reporter{observer: o, inflight: inflight.New(), slots: make(chan struct{}, reportLimit), console: console}, err
}

// reporting marks the context of a handler: a lock that fails inside of it is
// counted, but not reported, or one warning would make the next.
type reporting struct{}

// deliver gives the failure to a handler, and waits for it a little, so that a
// program that exits right after a failure has reported it.
func (r *reporter) deliver(ctx context.Context, f *failure) {
	if ctx.Value(reporting{}) != nil {
		r.count(ctx, f, semconv.LockReportResultDropped)
		return
	}
	select {
	case r.slots <- struct{}{}:
	default:
		r.count(ctx, f, semconv.LockReportResultDropped)
		return
	}
	stack := f.stack
	if stack == nil {
		stack = currentStack(2)
	}
	detached := context.WithValue(context.WithoutCancel(ctx), reporting{}, true)
	done := make(chan struct{})
	r.inflight.Begin()
	go func() {
		returned, err := false, error(nil)
		defer func() {
			broke := recover() != nil || err != nil
			// A handler that called Goexit has not returned either. A throttle in the
			// pipeline has counted what it had in hand then.
			if broke || !returned && (r.observer.throttle == nil || f.target.logger != nil) {
				r.count(detached, f, semconv.LockReportResultDropped)
			}
			<-r.slots
			r.inflight.End()
			close(done)
		}()
		err = r.handle(detached, f, stack)
		returned = true
	}()
	timeout := time.NewTimer(reportTimeout)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
	case <-ctx.Done():
	}
}

// handle finds the handler of the report: the operation's logger, the
// OpenTelemetry pipeline, or the console where there is no pipeline.
func (r *reporter) handle(ctx context.Context, f *failure, stack []uintptr) error {
	if logger := f.target.logger; logger != nil {
		return r.print(ctx, logger.Handler(), f, stack)
	}
	provider := r.observer.loggers
	if provider == nil {
		provider = otel.GetLoggerProvider() // not kept: it may be replaced
	}
	pipeline := otelslog.NewHandler(ScopeName, otelslog.WithVersion(Version), otelslog.WithSchemaURL(semconv.SchemaURL),
		otelslog.WithSource(true), otelslog.WithLoggerProvider(provider))
	switch {
	case pipeline.Enabled(ctx, slog.LevelWarn):
		frames := callers(stack)
		record := f.record(frames[0].PC + 1) // +1: a return address, as runtime.Callers gives it
		record.AddAttrs(slog.String(string(otelconv.ExceptionStacktraceKey), trail(frames)))
		return pipeline.Handle(ctx, record)
	case r.observer.loggers != nil, pipeline.Enabled(ctx, fatal4): // there is a pipeline, and it filters warnings
		return nil
	}
	return r.print(ctx, slog.Default().Handler(), f, stack)
}

// fatal4 is OpenTelemetry's highest severity, as slog counts.
const fatal4 = slog.LevelDebug + slog.Level(log.SeverityFatal4-log.SeverityDebug)

// print gives the handler one record a minute for each action and target.
func (r *reporter) print(ctx context.Context, handler slog.Handler, f *failure, stack []uintptr) error {
	if !handler.Enabled(ctx, slog.LevelWarn) {
		return nil
	}
	s := f.target.series
	claim := r.console.Admit(f.at, f.errorType, f.action(), s.name)
	if claim == nil {
		r.count(ctx, f, semconv.LockReportResultSuppressed)
		return nil
	}
	settled := false
	defer func() {
		if !settled {
			claim.Failed()
		}
	}()
	claim.KeepTemplate(summaryTemplate{handler, s})
	// For a person who reads a console the caller's line says more than a stack.
	caller := callers(stack)[0]
	record := f.record(caller.PC+1, windowAttrs(claim)...)
	record.AddAttrs(
		slog.String(string(otelconv.CodeFunctionNameKey), caller.Function),
		slog.String(string(otelconv.CodeFilePathKey), caller.File),
		slog.Int(string(otelconv.CodeLineNumberKey), caller.Line),
	)
	if err := handler.Handle(ctx, record); err != nil {
		return err
	}
	settled = true
	claim.Delivered()
	r.count(ctx, f, semconv.LockReportResultEmitted)
	return nil
}

// A summaryTemplate is where the last record of a key went.
type summaryTemplate struct {
	handler slog.Handler
	series  *series
}

var errNoSummary = errors.New("the handler takes no INFO records, or broke")

// summarize says, once the failures have stopped, how many of them were
// suppressed after the last record. A handler that takes no INFO keeps them for
// its next warning.
func summarize(c *window.Claim) error {
	to, _ := c.Template.(summaryTemplate)
	ctx := context.WithValue(context.Background(), reporting{}, true)
	if to.handler == nil || !to.handler.Enabled(ctx, slog.LevelInfo) {
		return errNoSummary
	}
	record := slog.NewRecord(time.Now(), slog.LevelInfo, c.SummaryText(), 0)
	record.AddAttrs(
		slog.String(string(semconv.LockActionKey), c.Key[0]),
		slog.String(string(semconv.LockTargetKey), c.Key[1]),
		slogAttr(to.series.keyPattern),
		slogAttr(to.series.backend),
		slog.String(string(otelconv.OTelEventNameKey), semconv.EventLockReportSummary),
	)
	record.AddAttrs(windowAttrs(c)...)
	record.AddAttrs(slog.String(string(semconv.LockReportSuppressedUntilKey), window.FormatTime(c.Until)))
	return to.handler.Handle(ctx, record)
}

// close waits for the reports under way, says what the console's window still
// suppresses, and stops its timer. A handler that fails is no error of the lock.
func (r *reporter) close(ctx context.Context) error {
	err := r.inflight.Wait(ctx)
	_ = r.console.Close(ctx, summarize)
	if err == nil && r.console.Pending() > 0 {
		err = ctx.Err()
	}
	return err
}

// count counts a report that was decided here. One that goes into an
// OpenTelemetry pipeline is counted by its throttle.
func (r *reporter) count(ctx context.Context, f *failure, result attribute.KeyValue) {
	s := f.target.series
	add(ctx, r.observer.reports, 1, []metric.AddOption{metric.WithAttributes(actions[f.op].attr, s.target, s.backend, result)})
}
