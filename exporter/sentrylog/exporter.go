package sentrylog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/getsentry/sentry-go"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

// exportTimeout ends an Export whose context has no deadline.
const exportTimeout = 30 * time.Second

// An Exporter sends log records to Sentry as issues. It is made to be used
// under an [sdklog.BatchProcessor]: an Export returns when every event has been
// delivered or given up. All methods are safe for concurrent use.
type Exporter struct {
	filter   func(*sdklog.Record) bool
	defaults sentryissue.Defaults
	project  sentryissue.Project
	sender   sender
	quota    *quota
	ledger   ledger
	meter    meter

	stopped atomic.Bool
	abort   context.Context // ends when Shutdown has no more time
	aborted context.CancelFunc
	turn    chan struct{} // held by the one Export that runs

	// Of the Export that holds the turn.
	scratch  sentryissue.Record
	origin   *sentryissue.Origin
	originOf *resource.Resource

	sent, dropped, cut atomic.Uint64
}

var _ sdklog.Exporter = (*Exporter)(nil)

// New returns an exporter that sends to the project of the DSN,
// https://KEY@HOST/PROJECT. A DSN that is malformed is an error, which does not
// print the key. It starts no connection.
func New(dsn string, opts ...Option) (*Exporter, error) {
	c := newConfig(opts)
	if err := c.validate(); err != nil {
		return nil, err
	}
	sender, project, err := connect(dsn, c)
	if err != nil {
		return nil, err
	}
	e := &Exporter{
		filter:   c.filter,
		defaults: defaults(c),
		project:  sentryissue.Project{PublicKey: project.PublicKey(), OrgID: organization(sender.client().Options())},
		sender:   sender,
		quota:    newQuota(c.events, c.lostLeases),
		turn:     make(chan struct{}, 1),
	}
	address, port := project.Server()
	if e.meter, err = newMeter(c.meterProvider, address, port); err != nil {
		sender.close(context.Background())
		return nil, fmt.Errorf("sentrylog: the metric of the exporter: %w", err)
	}
	e.abort, e.aborted = context.WithCancel(context.Background())
	return e, nil
}

// Client returns the client that the exporter sends with. What an application
// captures with it links to the OpenTelemetry span in the context of the hint
// or of the scope's request. On a client that [New] made, a capture returns when
// the event was delivered, tried once, for 2 s at most; Shutdown closes that
// client.
func (e *Exporter) Client() *sentry.Client { return e.sender.client() }

// Sent returns how many events Sentry took, or with [WithClient] how many the
// client took.
func (e *Exporter) Sent() uint64 { return e.sent.Load() }

// Dropped returns how many events could not be delivered. Export returned an
// error for each.
func (e *Exporter) Dropped() uint64 { return e.dropped.Load() }

// Cut returns how many events were not sent because of the cap.
func (e *Exporter) Cut() uint64 { return e.cut.Load() }

// Export sends the records that the filter keeps. Refused connections, broken
// ones and answers of 5xx are tried again, and rate limits are waited for, as
// long as the context's deadline allows, or 30 s where there is none; what would
// take longer is given up at once. The error counts what was given up, by
// reason; it contains neither text of the server's nor the DSN. A record that
// the filter panics on is refused, and an error as well.
func (e *Exporter) Export(ctx context.Context, records []sdklog.Record) error {
	if e.stopped.Load() {
		return sdklog.ErrExporterShutdown
	}
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	defer context.AfterFunc(e.abort, cancel)()
	if !e.acquire(ctx) {
		return e.giveUp(ctx, records)
	}
	defer e.release()
	if e.stopped.Load() {
		return sdklog.ErrExporterShutdown
	}
	defer func() { clear(e.scratch.Attributes[:cap(e.scratch.Attributes)]) }()

	b := batch{exporter: e, ctx: ctx, records: len(records), drops: make(drops)}
	b.exportAll(records)
	return b.err()
}

// ForceFlush waits for the Export that is under way, and with [WithClient] for
// the client's buffer.
func (e *Exporter) ForceFlush(ctx context.Context) error {
	if e.stopped.Load() {
		return nil
	}
	if !e.acquire(ctx) {
		return ctx.Err()
	}
	defer e.release()
	if !e.sender.flush(ctx) {
		return flushError(ctx)
	}
	return nil
}

// Shutdown waits for the Export that is under way and closes the client that
// [New] made; the application's own client is flushed. When the context ends
// first, that Export is cut short: what it had not delivered is in its error.
func (e *Exporter) Shutdown(ctx context.Context) error {
	if e.stopped.Swap(true) {
		return nil
	}
	var err error
	if !e.acquire(ctx) {
		err = ctx.Err()
	}
	e.aborted()
	if !e.sender.close(ctx) {
		err = errors.Join(err, flushError(ctx))
	}
	return err
}

var errUnflushed = errors.New("sentrylog: the application's client did not flush in time; its events may be lost")

func flushError(ctx context.Context) error { return errors.Join(errUnflushed, ctx.Err()) }

func (e *Exporter) acquire(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case e.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *Exporter) release() { <-e.turn }

// giveUp accounts for records whose Export never got its turn.
func (e *Exporter) giveUp(ctx context.Context, records []sdklog.Record) error {
	reason, b := classify(ctx.Err()), batch{exporter: e, ctx: ctx, records: len(records), drops: make(drops)}
	var r sentryissue.Record // the scratch is that of the Export that runs
	for i := range records {
		if b.keeps(&records[i]) {
			b.selected++
			read(&records[i], &r)
			b.drop(reason, unsent{dropped: 1, occurrences: r.Occurrences(), since: r.Time})
		}
	}
	b.count()
	return b.err()
}

func (e *Exporter) originFor(res *resource.Resource) *sentryissue.Origin {
	if e.origin == nil || e.originOf != res {
		e.origin, e.originOf = sentryissue.NewOrigin(readResource(res), e.defaults), res
	}
	return e.origin
}
