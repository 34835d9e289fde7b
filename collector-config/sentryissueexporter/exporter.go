package sentryissueexporter

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otellock/otellock-go/collector-config/sentryissueexporter/internal/metadata"
	"github.com/otellock/otellock-go/internal/sentryissue"
)

const sdkName = "otellock.sentryissueexporter"

// unrouted is the outcome of records of a service that has no project.
var unrouted = metric.WithAttributeSet(attribute.NewSet(attribute.String("outcome", "unrouted"), attribute.String("project", "")))

// sentryIssueExporter is what stands behind the queue: it maps records and sends
// their events.
type sentryIssueExporter struct {
	config    *Config
	set       component.TelemetrySettings
	telemetry *metadata.TelemetryBuilder
	sdk       sentry.SdkInfo
	issues    sentryissue.Config
	client    *http.Client

	projects map[string]*project // by service.name
	fallback *project            // of all other services, nil where they have none
}

func newSentryIssueExporter(c *Config, set exporter.Settings) (*sentryIssueExporter, error) {
	e := &sentryIssueExporter{
		config:   c,
		set:      set.TelemetrySettings,
		sdk:      sentry.SdkInfo{Name: sdkName, Version: set.BuildInfo.Version},
		issues:   sentryissue.Config{Tags: c.Tags, InApp: c.InApp},
		projects: make(map[string]*project, len(c.DSNs)),
	}
	var err error
	if e.telemetry, err = metadata.NewTelemetryBuilder(set.TelemetrySettings); err != nil {
		return nil, err
	}
	byDSN := map[string]*project{} // services with one DSN share its caps and limits
	project := func(dsn string) (*project, error) {
		if byDSN[dsn] == nil {
			if byDSN[dsn], err = newProject(dsn, c.Cap, e.sdk); err != nil {
				return nil, err
			}
		}
		return byDSN[dsn], nil
	}
	if c.DSN != "" {
		if e.fallback, err = project(string(c.DSN)); err != nil {
			return nil, err
		}
	}
	for service, dsn := range c.DSNs {
		if e.projects[service], err = project(string(dsn)); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *sentryIssueExporter) start(ctx context.Context, host component.Host) error {
	client, err := e.config.ClientConfig.ToClient(ctx, host.GetExtensions(), e.set)
	if err != nil {
		return err
	}
	// A redirect would take the key along.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	e.client = client
	return nil
}

func (e *sentryIssueExporter) shutdown(context.Context) error {
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	return nil
}

// project returns where the records of a resource go, or nil.
func (e *sentryIssueExporter) project(r pcommon.Resource) (p *project, service string) {
	if v, ok := r.Attributes().Get("service.name"); ok {
		service = v.AsString()
	}
	if p := e.projects[service]; p != nil {
		return p, service
	}
	return e.fallback, service
}

// pushLogs sends an event for each record, one after the other: Sentry takes one
// in a request. What may be sent again is in the error, and nothing else is: where
// a project could not be reached, the rest of its records.
func (e *sentryIssueExporter) pushLogs(ctx context.Context, ld plog.Logs) error {
	var id identity
	var refusals []error
	again := newRemainder()
	for _, rl := range ld.ResourceLogs().All() {
		p, _ := e.project(rl.Resource())
		if p == nil { // was queued under another configuration
			e.telemetry.ExporterSentryissueEvents.Add(ctx, count(rl), unrouted)
			continue
		}
		origin := sentryissue.NewOrigin(attributes(nil, rl.Resource().Attributes()), p.header, e.issues)
		id.setResource(rl.Resource())
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				if again.failed[p] {
					again.add(rl, sl, r)
					continue
				}
				err := e.send(ctx, p, mapped(origin, &id, sl, r))
				if refused := (*refusal)(nil); errors.As(err, &refused) {
					refusals = append(refusals, err)
				} else if err != nil {
					again.fail(p, err)
					again.add(rl, sl, r)
				}
			}
		}
	}
	if err := again.err(); err != nil {
		return consumererror.NewLogs(err, again.logs)
	}
	if len(refusals) > 0 {
		return consumererror.NewPermanent(refusals[0])
	}
	return nil
}

// mapped returns the event of a record.
func mapped(origin *sentryissue.Origin, id *identity, sl plog.ScopeLogs, r plog.LogRecord) *sentryissue.Event {
	record := read(sl.Scope(), r)
	event := origin.New(&record)
	event.EventID = id.of(sl.Scope(), r)
	return event
}

// send makes one attempt, and counts what will not be tried again.
func (e *sentryIssueExporter) send(ctx context.Context, p *project, event *sentryissue.Event) error {
	envelope, err := event.Envelope(p.dsn, e.sdk, time.Now().UTC())
	limited := p.limits.Remaining() > 0
	if err != nil {
		err = &refusal{p.name, 0}
	} else {
		err = p.send(ctx, e.client, envelope)
	}
	if !limited && p.limits.Remaining() > 0 {
		e.telemetry.ExporterSentryissueRateLimits.Add(ctx, 1, p.limited)
	}
	var refused *refusal
	switch {
	case err == nil:
		p.refused.Store(0)
		e.telemetry.ExporterSentryissueEvents.Add(ctx, 1, p.sent)
	case errors.As(err, &refused):
		e.telemetry.ExporterSentryissueEvents.Add(ctx, 1, p.refusals)
		if p.refused.Swap(int64(refused.status)) != int64(refused.status) {
			e.set.Logger.Error("Sentry refuses an event for good. More of these are only counted, until it accepts one.",
				zap.String("project", p.name), zap.Error(refused), zap.String("event_id", string(event.EventID)))
		}
	}
	return err
}

func count(rl plog.ResourceLogs) (n int64) {
	for _, sl := range rl.ScopeLogs().All() {
		n += int64(sl.LogRecords().Len())
	}
	return n
}
