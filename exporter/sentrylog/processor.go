package sentrylog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

// A Processor is a [sdklog.Processor] that makes Sentry issues of log records.
// Create it with [New], and register it behind a throttle. It maps a record
// while it is emitted, so that a hub on the context is seen, and sends it later.
// All methods are safe for concurrent use.
type Processor struct {
	config  config
	project sentryissue.Project
	quota   quota
	account *account
	client  *sentry.Client
	queue   *queue // nil where the application's client sends

	origin  atomic.Pointer[origin]
	stopped atomic.Bool
}

var _ sdklog.Processor = (*Processor)(nil)

// origin is the resource that was seen last, mapped.
type origin struct {
	of *resource.Resource
	*sentryissue.Origin
}

// ErrNoDSN says that [New] was given neither a DSN nor a client.
var ErrNoDSN = sentryissue.ErrNoDSN

// New returns a processor that sends to the project of the DSN,
// https://KEY@HOST/PROJECT, or with [WithClient] through that client. A DSN that
// is malformed is an error, which does not show the key. New starts no
// connection.
func New(dsn string, opts ...Option) (*Processor, error) {
	c := newConfig(opts)
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.clientSet {
		dsn = c.client.Options().Dsn
	}
	project, err := sentryissue.ParseDSN(dsn)
	switch {
	case err == nil:
	case !c.clientSet:
		return nil, fmt.Errorf("sentrylog: %w", err)
	case c.client.Options().Transport == nil:
		return nil, fmt.Errorf("sentrylog: WithClient: %w", err)
	default: // a client with a transport of its own needs none
		project = &sentry.Dsn{}
	}

	p := &Processor{config: c, client: c.client, quota: newQuota(c)}
	if p.account, err = newAccount(c.meterProvider, project.GetHost(), project.GetPort()); err != nil {
		return nil, fmt.Errorf("sentrylog: the metric of what was sent: %w", err)
	}
	if !c.clientSet {
		if p.client, p.queue, err = newClient(dsn, c, p.account); err != nil {
			return nil, err
		}
	}
	p.project = sentryissue.Project{PublicKey: project.GetPublicKey(), OrgID: project.GetOrgID()}
	if id := p.client.Options().OrgID; id != 0 {
		p.project.OrgID = id
	}
	return p, nil
}

// Enabled reports whether a record may become an event. The default filter
// takes none below INFO.
func (p *Processor) Enabled(_ context.Context, param sdklog.EnabledParameters) bool {
	low := param.Severity > log.SeverityUndefined && param.Severity < log.SeverityInfo
	return !p.stopped.Load() && (p.config.filter != nil || !low)
}

// OnEmit maps a record that the filter keeps, with what the hub on the context
// has to say, and hands the event to the queue or to the application's client.
// It never waits for the network. An error means that the filter or a hook of
// the client panicked; its text does not contain the panic's value. Any other
// loss is told later, by the next event, the metric, ForceFlush and Shutdown.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) (err error) {
	if p.stopped.Load() {
		return nil
	}
	var owed unsent // if the event does not arrive: itself, and what it tells
	defer func() {
		if v := recover(); v != nil {
			who := "the filter"
			if owed != (unsent{}) {
				who = "a hook of the client"
				p.account.end(ctx, failPanic, owed)
			}
			err = fmt.Errorf("sentrylog: %s panicked with a value of type %T", who, v)
		}
	}()
	if keep := p.config.filter; keep == nil && !lockReport(record) || keep != nil && !keep(record) {
		return nil
	}
	e := p.event(ctx, record)
	own := unsent{occurrences: e.Occurrences, since: e.Timestamp}
	if !p.quota.admit(e.Class, time.Now()) {
		own.cut = 1
		p.account.end(ctx, failCap, own)
		return nil
	}
	own.dropped = 1
	owed = p.account.tell(e.Event)
	owed.add(own)
	if p.queue != nil {
		p.queue.capture(ctx, p.client, e, scopeOf(ctx), owed)
		return nil
	}
	if p.client.CaptureEvent(e.Event, &sentry.EventHint{Context: ctx}, e.In(scopeOf(ctx))) == nil {
		p.account.end(ctx, failClientRefused, owed)
	} else {
		p.account.end(ctx, delivered, unsent{})
	}
	return nil
}

func (p *Processor) event(ctx context.Context, record *sdklog.Record) *sentryissue.Event {
	o := p.origin.Load()
	if res := record.Resource(); o == nil || o.of != res {
		o = &origin{res, sentryissue.NewOrigin(readResource(res), p.project, p.config.issues(p.client))}
		p.origin.Store(o)
	}
	r := read(record)
	e := o.New(&r)
	e.EventID = newEventID()
	for _, key := range p.config.tags {
		if m := baggage.FromContext(ctx).Member(key); m.Key() != "" {
			e.AddTag(key, m.Value())
		}
	}
	return e
}

func scopeOf(ctx context.Context) *sentry.Scope {
	if hub := sentry.GetHubFromContext(ctx); hub != nil {
		return hub.Scope()
	}
	return nil
}

// ForceFlush waits until what was emitted before it is sent or given up, and
// returns what was given up since that was last told. With [WithClient] it
// flushes that client.
func (p *Processor) ForceFlush(ctx context.Context) error {
	if p.stopped.Load() {
		return nil
	}
	return p.finish(ctx, false)
}

// Shutdown sends what is queued as long as ctx allows, and gives up the rest:
// the error has the exact number. The application's client is flushed and stays
// open. Later calls of any method do nothing.
func (p *Processor) Shutdown(ctx context.Context) error {
	if p.stopped.Swap(true) {
		return nil
	}
	return p.finish(ctx, true)
}

func (p *Processor) finish(ctx context.Context, last bool) error {
	var err error
	switch {
	case p.queue == nil:
		if ctx.Err() != nil || !p.client.FlushWithContext(ctx) {
			err = errors.Join(errUnflushed, ctx.Err())
		}
	case last:
		before, cancel := earlier(ctx)
		defer cancel()
		err = p.queue.close(before)
		p.client.Close()
	default:
		err = p.queue.flush(ctx)
	}
	return errors.Join(p.account.err(), err)
}

// earlier returns a context that ends shortly before ctx does, so that what is
// given up is still heard by a caller that waits no longer than ctx.
func earlier(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(100*time.Millisecond, time.Until(deadline)/4)))
}

var errUnflushed = errors.New("sentrylog: the application's client did not flush in time; its events may be lost")

// Sent returns how many events Sentry accepted, or with [WithClient] how many the
// client did.
func (p *Processor) Sent() uint64 { return p.account.count(delivered) }

// Dropped returns how many events could not be delivered.
func (p *Processor) Dropped() uint64 { return p.account.lost() }

// Cut returns how many events were not sent because of the cap.
func (p *Processor) Cut() uint64 { return p.account.count(failCap) }
