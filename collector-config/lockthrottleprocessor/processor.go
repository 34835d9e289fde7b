package lockthrottleprocessor // import "github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.uber.org/zap"

	"github.com/otellock/otellock-go/internal/window"
)

// shutdownTimeout bounds how long Shutdown waits for the next consumer, whatever
// its context allows.
const shutdownTimeout = 10 * time.Second

// throttle is safe for concurrent use.
type throttle struct {
	next         consumer.Logs
	window       *window.Window
	keys         keys
	resourceKeys []string
	severities   severities
	telemetry    *telemetry
	logger       *zap.Logger
}

var _ processor.Logs = (*throttle)(nil)

func newThrottle(set processor.Settings, cfg *Config, next consumer.Logs) (*throttle, error) {
	t := &throttle{
		next: next, keys: cfg.Keys, resourceKeys: cfg.ResourceKeys, severities: newSeverities(cfg.Severities),
		logger: set.Logger,
	}
	var err error
	t.window, err = window.New(window.Config{
		Period: cfg.Window, MaxKeys: cfg.MaxKeys, Parts: len(cfg.Keys) + len(cfg.ResourceKeys),
		Summary: func(c *window.Claim) error {
			err := t.summarize(c)
			if err != nil {
				t.logger.Warn("A summary was not taken: what it says is kept for the next one", zap.Error(err))
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	t.telemetry, err = newTelemetry(set.TelemetrySettings, t.window)
	return t, err
}

// Capabilities says that the processor changes what it is given.
func (*throttle) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

// Start does nothing: the first record that is suppressed starts the timer.
func (*throttle) Start(context.Context, component.Host) error { return nil }

// Shutdown sends a summary for every key that holds a count.
func (t *throttle) Shutdown(ctx context.Context) error {
	defer t.telemetry.shutdown()
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	err := t.window.Close(ctx, t.summarize)
	if n := t.window.Pending(); n > 0 {
		return cmp.Or(err, fmt.Errorf("the next component did not take summaries that stand for %d records", n))
	}
	return nil
}

// ConsumeLogs suppresses records and passes on what is left.
//
// Where the next consumer fails, the records that it was given stay counted, and
// the sender is not asked to send them again: they would be counted twice. Records
// that are none of the throttle's business go first, so that their error can be
// returned before anything is counted.
func (t *throttle) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	switch own, all := t.find(logs); own {
	case 0:
		return t.next.ConsumeLogs(ctx, logs)
	case all:
		return t.throttle(ctx, logs)
	}
	own := t.extract(logs)
	if err := t.next.ConsumeLogs(ctx, logs); err != nil {
		return err
	}
	return t.throttle(ctx, own)
}

// read takes the record's part of the key, unless the record is to pass untouched,
// as a summary that has no count to join does.
func (t *throttle) read(r plog.LogRecord, key []string) (report, bool) {
	rep, ok := t.keys.read(r, key)
	if rep.summary {
		return rep, ok && rep.counted
	}
	return rep, ok && t.severities.has(r.SeverityNumber())
}

// find counts the records that the throttle decides about, and all.
func (t *throttle) find(logs plog.Logs) (own, all int) {
	key := make([]string, len(t.keys))
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			all += sl.LogRecords().Len()
			for _, r := range sl.LogRecords().All() {
				if _, ok := t.read(r, key); ok {
					own++
				}
			}
		}
	}
	return own, all
}

// extract moves the records that the throttle decides about.
func (t *throttle) extract(logs plog.Logs) plog.Logs {
	own, key := plog.NewLogs(), make([]string, len(t.keys))
	for _, rl := range logs.ResourceLogs().All() {
		ownResource := own.ResourceLogs().AppendEmpty()
		rl.Resource().CopyTo(ownResource.Resource())
		ownResource.SetSchemaUrl(rl.SchemaUrl())
		for _, sl := range rl.ScopeLogs().All() {
			ownScope := ownResource.ScopeLogs().AppendEmpty()
			sl.Scope().CopyTo(ownScope.Scope())
			ownScope.SetSchemaUrl(sl.SchemaUrl())
			sl.LogRecords().RemoveIf(func(r plog.LogRecord) bool {
				_, ok := t.read(r, key)
				if ok {
					r.MoveTo(ownScope.LogRecords().AppendEmpty())
				}
				return ok
			})
		}
	}
	removeEmpty(logs)
	removeEmpty(own)
	return own
}

func removeEmpty(logs plog.Logs) {
	logs.ResourceLogs().RemoveIf(func(rl plog.ResourceLogs) bool {
		rl.ScopeLogs().RemoveIf(func(sl plog.ScopeLogs) bool { return sl.LogRecords().Len() == 0 })
		return rl.ScopeLogs().Len() == 0
	})
}

// throttle decides about every record.
func (t *throttle) throttle(ctx context.Context, logs plog.Logs) error {
	var claims []*window.Claim
	defer func() {
		for _, c := range claims {
			c.Failed() // unless it is delivered
		}
	}()
	now, suppressed := time.Now(), int64(0)
	key := make([]string, len(t.keys)+len(t.resourceKeys))
	for _, rl := range logs.ResourceLogs().All() {
		readResource(rl.Resource().Attributes(), t.resourceKeys, key[len(t.keys):])
		for _, sl := range rl.ScopeLogs().All() {
			sl.LogRecords().RemoveIf(func(r plog.LogRecord) bool {
				rep, _ := t.read(r, key)
				if rep.summary {
					t.join(r, sl, key)
					return true
				}
				c := t.admit(now, rep, r, key)
				if c == nil {
					suppressed++
					return true
				}
				c.KeepTemplate(newTemplate(r, sl, c.Overflow))
				putCarried(r.Attributes(), c)
				claims = append(claims, c)
				return false
			})
		}
	}
	t.telemetry.suppressed(ctx, suppressed)
	if len(claims) == 0 {
		return nil
	}
	removeEmpty(logs)
	if err := t.next.ConsumeLogs(ctx, logs); err != nil {
		t.telemetry.failed(ctx, int64(len(claims)))
		t.logger.Warn("Warnings were not taken: the next ones of their keys carry them", zap.Int("records", len(claims)), zap.Error(err))
		return nil
	}
	t.telemetry.emitted(ctx, int64(len(claims)))
	for _, c := range claims {
		c.Delivered()
	}
	return nil
}

// admit returns nil if the record is suppressed.
func (t *throttle) admit(now time.Time, rep report, r plog.LogRecord, key []string) *window.Claim {
	if rep.counted {
		if up, ok := readUpstream(r.Attributes()); ok {
			return t.window.AdmitUpstream(up, rep.errorType, key...)
		}
	}
	return t.window.Admit(now, rep.errorType, key...)
}

// join takes the count of another throttle's summary.
func (t *throttle) join(r plog.LogRecord, sl plog.ScopeLogs, key []string) {
	if up, ok := readUpstream(r.Attributes()); ok {
		t.window.Join(up, newTemplate(r, sl, false), key...)
	}
}

func readResource(attrs pcommon.Map, names, key []string) {
	for i, name := range names {
		key[i] = ""
		if v, ok := attrs.Get(name); ok {
			key[i] = v.Str()
		}
	}
}
