package exporter

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/semconv"
)

// maxPending is how many warnings are watched. The throttle lets few through: more
// than that wait only if many thousand targets fail at once.
const maxPending = 4096

// reordering is how much later than another a record may enter the queue that was
// observed before it.
const reordering = 5 * time.Second

// pending are the warnings that wait in the queue of a batch processor. The queue
// drops its oldest records without a word, as where an application logs a lot
// while its receiver hangs.
type pending struct {
	mu       sync.Mutex
	warnings []sdklog.Record // the oldest first
}

// warningOf returns the action and the target of a lock's warning. One of them is
// empty for every other record.
func warningOf(record *sdklog.Record) (action, target string) {
	if s := record.Severity(); s < log.SeverityWarn || s > log.SeverityWarn4 {
		return "", ""
	}
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		switch kv.Key {
		case semconv.LockActionKey:
			action = kv.Value.String()
		case semconv.LockTargetKey:
			target = kv.Value.String()
		}
		return action == "" || target == ""
	})
	return action, target
}

func (p *pending) add(record *sdklog.Record) {
	if action, target := warningOf(record); action == "" || target == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.warnings) < maxPending {
		p.warnings = append(p.warnings, record.Clone())
	}
}

// overtaken removes and returns the warnings that the queue has dropped: those that
// were observed well before the first record that the queue exports now.
func (p *pending) overtaken(by []sdklog.Record) (dropped []sdklog.Record) {
	if len(by) == 0 {
		return nil
	}
	limit := by[0].ObservedTimestamp().Add(-reordering)
	return p.take(func(w *sdklog.Record) bool {
		return w.ObservedTimestamp().Before(limit) && !slices.ContainsFunc(by, func(r sdklog.Record) bool { return same(w, &r) })
	})
}

// exported removes the records of an export that has ended.
func (p *pending) exported(records []sdklog.Record) {
	p.take(func(w *sdklog.Record) bool {
		return slices.ContainsFunc(records, func(r sdklog.Record) bool { return same(w, &r) })
	})
}

// all removes and returns what is left.
func (p *pending) all() []sdklog.Record {
	return p.take(func(*sdklog.Record) bool { return true })
}

func (p *pending) take(which func(*sdklog.Record) bool) (taken []sdklog.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warnings = slices.DeleteFunc(p.warnings, func(w sdklog.Record) bool {
		if !which(&w) {
			return false
		}
		taken = append(taken, w)
		return true
	})
	return taken
}

// same reports whether two records are copies of one. The throttle lets one record
// of a key through in a window.
func same(a, b *sdklog.Record) bool {
	if !a.ObservedTimestamp().Equal(b.ObservedTimestamp()) {
		return false
	}
	action, target := warningOf(a)
	otherAction, otherTarget := warningOf(b)
	return action == otherAction && target == otherTarget
}

// A pendingProcessor notes the warnings that it passes on to a queue.
type pendingProcessor struct {
	sdklog.Processor
	*pending
}

func (p pendingProcessor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	p.add(record)
	return p.Processor.OnEmit(ctx, record)
}
