package sentryissueexporter

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

// An admission stands before the queue: what is over the cap, or has no project,
// does not get in. So a retry never counts against the cap, and what was queued is
// sent, however late.
type admission struct {
	exporter.Logs // the queue and what is behind it
	exporter      *sentryIssueExporter
	logger        *zap.Logger // says a message once a minute
}

// admitted is a record's place under its project's cap.
type admitted struct {
	project *project
	class   sentryissue.Class
}

// ConsumeLogs queues the records that are admitted.
func (a *admission) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	now := time.Now()
	var places []admitted
	var out []bool // of each record, whether it does not get in
	stamp, dropped := false, 0
	for _, rl := range ld.ResourceLogs().All() {
		p, service := a.exporter.project(rl.Resource())
		if p == nil {
			a.unrouted(ctx, service, count(rl))
		}
		cut := int64(0)
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				place, ok := p.admit(sl.Scope(), r, now)
				switch {
				case ok:
					places = append(places, place)
					stamp = stamp || moment(r).IsZero()
				case p != nil:
					cut++
				}
				if out = append(out, !ok); !ok {
					dropped++
				}
			}
		}
		if cut > 0 {
			a.cut(ctx, p, cut)
		}
	}
	if len(places) == 0 {
		return nil
	}
	if dropped > 0 || stamp {
		ld = keep(ld, out, now)
	}
	err := a.Logs.ConsumeLogs(ctx, ld)
	if err != nil && !consumererror.IsPermanent(err) { // the sender comes again
		a.refund(places, now, err)
	}
	return err
}

// refund gives back the places of the records that were not sent: all of them, unless
// there is no queue, and the error says which are left.
func (a *admission) refund(places []admitted, now time.Time, err error) {
	var left consumererror.Logs
	unsent, partly := map[admitted]int{}, errors.As(err, &left)
	if partly {
		for _, rl := range left.Data().ResourceLogs().All() {
			p, _ := a.exporter.project(rl.Resource())
			for _, sl := range rl.ScopeLogs().All() {
				for _, r := range sl.LogRecords().All() {
					unsent[placeOf(p, sl.Scope(), r)]++
				}
			}
		}
	}
	for _, p := range places {
		if unsent[p]--; !partly || unsent[p] >= 0 {
			p.project.quota.Refund(p.class, now)
		}
	}
}

func (p *project) admit(scope pcommon.InstrumentationScope, r plog.LogRecord, now time.Time) (admitted, bool) {
	if p == nil {
		return admitted{}, false
	}
	place := placeOf(p, scope, r)
	return place, p.quota.Admit(place.class, now)
}

func placeOf(p *project, scope pcommon.InstrumentationScope, r plog.LogRecord) admitted {
	record := read(scope, r)
	return admitted{p, sentryissue.ClassOf(&record)}
}

// keep returns a copy without the records that are out. One without any time gets
// the present: a second one like it must not look like the same one.
func keep(ld plog.Logs, out []bool, now time.Time) plog.Logs {
	kept := plog.NewLogs()
	ld.CopyTo(kept)
	i := 0
	kept.ResourceLogs().RemoveIf(func(rl plog.ResourceLogs) bool {
		rl.ScopeLogs().RemoveIf(func(sl plog.ScopeLogs) bool {
			sl.LogRecords().RemoveIf(func(r plog.LogRecord) bool {
				if moment(r).IsZero() {
					r.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
				}
				i++
				return out[i-1]
			})
			return sl.LogRecords().Len() == 0
		})
		return rl.ScopeLogs().Len() == 0
	})
	return kept
}

func (a *admission) cut(ctx context.Context, p *project, n int64) {
	a.exporter.telemetry.ExporterSentryissueEvents.Add(ctx, n, p.cut)
	a.logger.Warn("More events than the cap allows in a minute: those over it are dropped and counted.",
		zap.String("project", p.name), zap.Int("cap", a.exporter.config.Cap), zap.Int64("dropped", n))
}

func (a *admission) unrouted(ctx context.Context, service string, n int64) {
	a.exporter.telemetry.ExporterSentryissueEvents.Add(ctx, n, unrouted)
	a.logger.Warn("A service has no project: name it in dsns, or set dsn for all others. Its records are dropped and counted.",
		zap.String("service.name", service), zap.Int64("dropped", n))
}
