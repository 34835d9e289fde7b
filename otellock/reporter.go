package otellock

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

const (
	reportPatience = 50 * time.Millisecond // the longest that a caller waits for a report
	reportSlots    = 32                    // reports under way; above it they are dropped
	stackDepth     = 64
)

// A reporter hands warnings to a handler, beside the caller: a handler that is
// stuck or panics costs reports, never the request.
type reporter struct {
	activity
	locker  *Locker
	slots   chan struct{}
	console *window.Window // before handlers that have no throttle of their own
}

func newReporter(l *Locker) (*reporter, error) {
	r := &reporter{activity: newActivity(), locker: l, slots: make(chan struct{}, reportSlots)}
	console, err := window.New(window.Config{Summary: summarize})
	r.console = console
	return r, err
}

// reporting marks the context of a handler: a lock that fails inside of it is
// counted, but not reported, or one warning would make the next.
type reporting struct{}

// deliver gives the failure to a handler, and waits for it a little: a command
// that ends right after a failure should still have said so.
func (r *reporter) deliver(ctx context.Context, h *hold, f failure) {
	if ctx.Value(reporting{}) != nil {
		r.count(ctx, h.settings.family, f.op, semconv.LockReportResultDropped)
		return
	}
	select {
	case r.slots <- struct{}{}:
	default:
		r.count(ctx, h.settings.family, f.op, semconv.LockReportResultDropped)
		return
	}
	var buffer [stackDepth]uintptr
	stack := append([]uintptr(nil), buffer[:runtime.Callers(2, buffer[:])]...)
	detached := context.WithValue(context.WithoutCancel(ctx), reporting{}, true)
	done := make(chan struct{})
	r.begin()
	go func() {
		returned, err := false, error(nil)
		defer func() {
			broke := recover() != nil || err != nil
			// A handler that called Goexit has not returned either. A throttle in the
			// pipeline has counted what it had in hand then.
			if broke || !returned && (r.locker.throttle == nil || h.settings.logger != nil) {
				r.count(detached, h.settings.family, f.op, semconv.LockReportResultDropped)
			}
			<-r.slots
			r.end()
			close(done)
		}()
		err = r.handle(detached, h, f, stack)
		returned = true
	}()
	patience := time.NewTimer(reportPatience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
	case <-ctx.Done():
	}
}

// handle finds the handler of this report: the call's logger, the OpenTelemetry
// pipeline, or the console where there is no pipeline.
func (r *reporter) handle(ctx context.Context, h *hold, f failure, stack []uintptr) error {
	if logger := h.settings.logger; logger != nil {
		return r.print(ctx, logger.Handler(), h, f, stack)
	}
	provider := r.locker.logs
	if provider == nil {
		provider = otel.GetLoggerProvider() // not kept: it may be replaced
	}
	pipeline := otelslog.NewHandler(ScopeName, otelslog.WithVersion(Version), otelslog.WithSchemaURL(semconv.SchemaURL),
		otelslog.WithSource(true), otelslog.WithLoggerProvider(provider))
	switch {
	case pipeline.Enabled(ctx, slog.LevelWarn):
		frames := callers(stack)
		record := h.record(f, frames[0].PC+1) // +1: a return address, as runtime.Callers gives it
		record.AddAttrs(slog.String(string(otelconv.ExceptionStacktraceKey), trail(frames)))
		return pipeline.Handle(ctx, record)
	case r.locker.logs != nil, pipeline.Enabled(ctx, fatal4): // there is a pipeline, and it filters warnings
		return nil
	}
	return r.print(ctx, slog.Default().Handler(), h, f, stack)
}

// fatal4 is OpenTelemetry's highest severity, as slog counts.
const fatal4 = slog.LevelDebug + slog.Level(log.SeverityFatal4-log.SeverityDebug)

// print gives the handler one record a minute for each action and target.
func (r *reporter) print(ctx context.Context, handler slog.Handler, h *hold, f failure, stack []uintptr) error {
	if !handler.Enabled(ctx, slog.LevelWarn) {
		return nil
	}
	family := h.settings.family
	claim := r.console.Admit(f.at, f.class, actionOf(f.op), family.name)
	if claim == nil {
		r.count(ctx, family, f.op, semconv.LockReportResultSuppressed)
		return nil
	}
	settled := false
	defer func() {
		if !settled {
			claim.Failed()
		}
	}()
	claim.KeepTemplate(summaryTemplate{handler, family})
	// For a person who reads a console the caller's line says more than a stack.
	caller := callers(stack)[0]
	record := h.record(f, caller.PC+1, suppressedAttrs(claim)...)
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
	r.count(ctx, family, f.op, semconv.LockReportResultEmitted)
	return nil
}

func suppressedAttrs(c *window.Claim) []slog.Attr {
	counts := make([]int64, len(c.ErrorCounts))
	for i, n := range c.ErrorCounts {
		counts[i] = int64(n)
	}
	return []slog.Attr{
		slog.Int64(string(semconv.LockReportSuppressedCountKey), int64(c.Suppressed)),
		slog.String(string(semconv.LockReportSuppressedSinceKey), window.FormatTime(c.Since)),
		slog.Any(string(semconv.LockReportSuppressedErrorTypesKey), append([]string{}, c.ErrorTypes...)),
		slog.Any(string(semconv.LockReportSuppressedErrorCountsKey), counts),
	}
}

// A summaryTemplate is where the last record of a key went.
type summaryTemplate struct {
	handler slog.Handler
	family  *family
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
		slogAttr(to.family.common[1]),
		slogAttr(to.family.common[2]),
		slog.String(string(otelconv.OTelEventNameKey), semconv.EventLockReportSummary),
	)
	record.AddAttrs(suppressedAttrs(c)...)
	record.AddAttrs(slog.String(string(semconv.LockReportSuppressedUntilKey), window.FormatTime(c.Until)))
	return to.handler.Handle(ctx, record)
}

// close says what the console's window still holds back, and stops its timer.
// It returns the context's error if the context ended before that was said. A
// handler that fails is not worth an error of the lock.
func (r *reporter) close(ctx context.Context) error {
	_ = r.console.Close(ctx, summarize)
	if r.console.Pending() == 0 {
		return nil
	}
	return ctx.Err()
}

// count counts a report that was decided here. One that goes into an
// OpenTelemetry pipeline is counted by its throttle.
func (r *reporter) count(ctx context.Context, f *family, op operation, result attribute.KeyValue) {
	r.locker.reports.Add(ctx, 1, metric.WithAttributes(actions[op].attr, f.common[0], f.common[2], result))
}
