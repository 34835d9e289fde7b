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

	"github.com/otellock/otellock-go/internal/guard"
	"github.com/otellock/otellock-go/internal/sentryissue"
)

// A Processor is a [sdklog.Processor] that makes Sentry issues of log records.
// Create it with [New], and register it behind a throttle. It maps a record
// while it is emitted, so that a hub on the context is seen, and sends it later.
// All methods are safe for concurrent use.
type Processor struct {
	config  config
	project sentryissue.Project
	quota   *sentryissue.Quota
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
// https://KEY@HOST/PROJECT, or with [WithClient] through that client. The error
// about a malformed DSN does not show the key. New starts no connection.
func New(dsn string, opts ...Option) (*Processor, error) {
	c, err := newConfig(opts)
	if err != nil {
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

	p := &Processor{config: c, client: c.client, quota: sentryissue.NewQuota(c.events, c.lostLeases)}
	if p.account, err = newAccount(c.meterProvider, project.GetHost(), project.GetPort()); err != nil {
		return nil, fmt.Errorf("sentrylog: the metric of what was sent: %w", err)
	}
	if !c.clientSet {
		client, t, err := newClient(dsn, c)
		if err != nil {
			return nil, err
		}
		p.client, p.queue = client, newQueue(t, p.account, c.queueSize)
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
// loss is in the error of ForceFlush or Shutdown.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) (err error) {
	if p.stopped.Load() {
		return nil
	}
	who := "the filter"
	var owed unsent // the event itself, and what it tells
	defer func() {
		if v := recover(); v != nil {
			if owed != (unsent{}) {
				p.account.end(ctx, failPanic, owed)
			}
			err = fmt.Errorf("sentrylog: %s panicked with a value of type %T", who, v)
		}
	}()
	keep := p.config.filter
	if keep == nil {
		keep = lockWarningsAndSummaries
	}
	if !keep(record) {
		return nil
	}
	who = "a hook of the client"
	e := p.event(ctx, record)
	lost := p.lost(record)
	own := unsent{occurrences: e.Occurrences, since: e.Timestamp}
	if !p.quota.Admit(e.Class, time.Now()) {
		own.cut = 1
		p.account.end(ctx, failCap, own)
		lost(failCap)
		return nil
	}
	own.dropped = 1
	owed = p.account.tell(e.Event)
	owed.add(own)
	var scope *sentry.Scope
	if hub := sentry.GetHubFromContext(ctx); hub != nil {
		scope = hub.Scope()
	}
	switch id := p.client.CaptureEvent(e.Event, &sentry.EventHint{Context: ctx}, e.In(scope)); {
	case id == nil:
		p.account.end(ctx, failClientRefused, owed)
	case p.queue == nil:
		p.account.end(ctx, delivered, owed)
	default:
		p.queue.add(ctx, p.queue.transport.take(*id), owed, lost)
	}
	return nil
}

// lost returns what is told why an event of the record was not sent. It keeps a
// copy of the record where somebody asked for it.
func (p *Processor) lost(record *sdklog.Record) func(failure) {
	if len(p.config.undelivered) == 0 {
		return func(failure) {}
	}
	kept := record.Clone()
	return func(f failure) {
		for _, tell := range p.config.undelivered {
			_ = guard.Call(func() error { tell(kept, f.words()); return nil })
		}
	}
}

func (p *Processor) event(ctx context.Context, record *sdklog.Record) *sentryissue.Event {
	o := p.origin.Load()
	if res := record.Resource(); o == nil || o.of != res {
		o = &origin{res, sentryissue.NewOrigin(appendAttributes(nil, res.Attributes()), p.project, p.config.issues(p.client))}
		p.origin.Store(o)
	}
	r := read(record)
	e := o.New(&r)
	for _, key := range p.config.tags {
		e.AddTag(key, baggage.FromContext(ctx).Member(key).Value())
	}
	return e
}

// ForceFlush waits until what was emitted before it is sent or given up, and
// returns what was given up since that was last told. With [WithClient] it
// flushes that client.
func (p *Processor) ForceFlush(ctx context.Context) error {
	switch {
	case p.stopped.Load():
		return nil
	case p.queue == nil:
		return p.flushClient(ctx)
	}
	err := p.queue.flush(ctx)
	return errors.Join(p.account.err(), err)
}

// Shutdown sends what is queued as long as ctx allows, and gives up the rest:
// the error has the exact number. The application's client is flushed and stays
// open. Later calls of any method do nothing.
func (p *Processor) Shutdown(ctx context.Context) error {
	switch {
	case p.stopped.Swap(true):
		return nil
	case p.queue == nil:
		return p.flushClient(ctx)
	}
	if deadline, ok := ctx.Deadline(); ok {
		// What is given up must still be heard by a caller that waits no longer.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(100*time.Millisecond, time.Until(deadline)/4)))
		defer cancel()
	}
	err := p.queue.close(ctx)
	p.client.Close()
	return errors.Join(p.account.err(), err)
}

func (p *Processor) flushClient(ctx context.Context) error {
	var err error
	if ctx.Err() != nil || !p.client.FlushWithContext(ctx) {
		err = errors.Join(errors.New("sentrylog: the application's client did not flush in time; its events may be lost"), ctx.Err())
	}
	return errors.Join(p.account.err(), err)
}

// Sent returns how many events Sentry accepted, or with [WithClient] how many the
// client did.
func (p *Processor) Sent() uint64 { return p.account.sent.Load() }

// Dropped returns how many events could not be delivered.
func (p *Processor) Dropped() uint64 { return p.account.dropped.Load() }

// Cut returns how many events were not sent because of the cap.
func (p *Processor) Cut() uint64 { return p.account.cut.Load() }
