package sentrylog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/sentryissue"
)

const (
	// workers is how many events are under way at once.
	workers = 8
	// flushEvery keeps a burst within the 100 slots that sentry-go's own
	// transport has before it drops.
	flushEvery = 50
)

// batch is one Export under way.
type batch struct {
	exporter *Exporter
	ctx      context.Context
	records  int
	refused  int // by a panic of the filter
	panicked any // the value of the first one
	selected int
	captured int
	cut      int64

	unflushed bool

	parcels chan parcel
	running sync.WaitGroup
	started int

	mu    sync.Mutex
	sent  int64
	drops drops
}

// parcel is an event ready to go.
type parcel struct {
	event *sentry.Event
	scope *sentry.Scope
	owed  unsent // if it does not arrive: itself and what it tells
}

func (b *batch) exportAll(records []sdklog.Record) {
	defer b.finish() // also when the filter ends the goroutine
	for i := range records {
		if b.keeps(&records[i]) {
			b.export(&records[i])
		}
	}
}

// keeps asks the filter. One that panics refuses the record.
func (b *batch) keeps(record *sdklog.Record) (keep bool) {
	defer func() {
		if v := recover(); v != nil {
			if b.refused++; b.refused == 1 {
				b.panicked = v
			}
		}
	}()
	return b.exporter.filter(record)
}

func (b *batch) export(record *sdklog.Record) {
	e := b.exporter
	b.selected++
	read(record, &e.scratch)
	issue := sentryissue.Build(&e.scratch, e.originFor(record.Resource()))
	if !e.quota.admit(issue.Class, time.Now()) {
		b.cut++
		e.ledger.add(unsent{cut: 1, occurrences: issue.Occurrences, since: e.scratch.Time})
		return
	}
	issue.Event.EventID = newEventID()
	owed := e.ledger.tell(issue.Event)
	owed.add(unsent{dropped: 1, occurrences: issue.Occurrences, since: e.scratch.Time})
	b.dispatch(parcel{
		event: issue.Event,
		scope: e.project.Scope(&e.scratch, issue.Event),
		owed:  owed,
	})
}

// dispatch hands the parcel to a worker, of which there are as many as parcels,
// up to the limit. A client that buffers is given its events one by one.
func (b *batch) dispatch(p parcel) {
	if b.exporter.sender.buffers() {
		b.deliver(p)
		if b.captured++; b.captured%flushEvery == 0 {
			b.unflushed = !b.exporter.sender.flush(b.ctx) || b.unflushed
		}
		return
	}
	if b.parcels == nil {
		b.parcels = make(chan parcel)
	}
	select {
	case b.parcels <- p: // a worker is idle
		return
	default:
	}
	if b.started < workers {
		b.started++
		b.running.Go(func() {
			for p := range b.parcels {
				b.deliver(p)
			}
		})
	}
	b.parcels <- p
}

func (b *batch) deliver(p parcel) {
	reason := failPanic
	defer func() {
		if reason == failPanic {
			_ = recover() // a hook of the application's client
		}
		if reason == delivered {
			b.mu.Lock()
			b.sent++
			b.mu.Unlock()
			return
		}
		b.drop(reason, p.owed)
	}()
	if err := b.ctx.Err(); err != nil {
		reason = classify(err)
		return
	}
	reason = b.exporter.sender.send(b.ctx, p.event, p.scope)
}

func (b *batch) drop(reason failure, owed unsent) {
	b.mu.Lock()
	b.drops[reason]++
	b.mu.Unlock()
	b.exporter.ledger.add(owed)
}

func (b *batch) finish() {
	if b.parcels != nil {
		close(b.parcels)
	}
	b.running.Wait()
	b.count()
}

func (b *batch) count() {
	e, ctx := b.exporter, context.WithoutCancel(b.ctx)
	e.sent.Add(uint64(b.sent))
	e.meter.sent(ctx, b.sent)
	e.cut.Add(uint64(b.cut))
	e.meter.lost(ctx, b.cut, failCap)
	for reason, n := range b.drops {
		e.dropped.Add(uint64(n))
		e.meter.lost(ctx, n, reason)
	}
}

func (b *batch) err() error {
	err := b.drops.err(b.selected)
	if b.refused > 0 {
		err = errors.Join(err, fmt.Errorf("sentrylog: the filter refused %d of %d records by a panic with a value of type %T", b.refused, b.records, b.panicked))
	}
	if b.unflushed {
		err = errors.Join(err, errUnflushed)
	}
	if err != nil {
		err = errors.Join(err, b.ctx.Err())
	}
	return err
}

func newEventID() sentry.EventID {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0F | 0x40
	id[8] = id[8]&0x3F | 0x80
	return sentry.EventID(hex.EncodeToString(id[:]))
}
