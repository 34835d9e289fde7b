package lockthrottleprocessor // import "github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

const (
	keyPattern  = string(semconv.LockKeyPatternKey)
	backendName = string(semconv.LockBackendNameKey)

	maxTemplateText = 256 // bytes of a text that a template keeps
)

var errNoTemplate = errors.New("no record of the key has passed yet")

// putCarried writes what a claim carries in the place of what the record carried.
func putCarried(attrs pcommon.Map, c *window.Claim) {
	for _, v := range attrs.All() {
		if v.Type() == pcommon.ValueTypeMap {
			for _, name := range carried {
				v.Map().Remove(name)
			}
		}
	}
	attrs.PutInt(count, int64(c.Suppressed))
	attrs.PutStr(since, window.FormatTime(c.Since))
	types, counts := attrs.PutEmptySlice(errorTypes), attrs.PutEmptySlice(errorCounts)
	for i, name := range c.ErrorTypes {
		types.AppendEmpty().SetStr(name)
		counts.AppendEmpty().SetInt(int64(c.ErrorCounts[i]))
	}
}

// A template is what is true of a key, and not only of one record or instance.
type template struct {
	schemaURL, scopeName, scopeVersion string
	keyPattern, backendName            string
}

func newTemplate(r plog.LogRecord, sl plog.ScopeLogs, overflow bool) *template {
	short := func(s string) string {
		if len(s) > maxTemplateText {
			return ""
		}
		return strings.Clone(s) // not to keep the batch
	}
	t := &template{schemaURL: short(sl.SchemaUrl()), scopeName: short(sl.Scope().Name()), scopeVersion: short(sl.Scope().Version())}
	if overflow {
		return t
	}
	for name, v := range r.Attributes().All() {
		switch name {
		case keyPattern:
			t.keyPattern = short(v.Str())
		case backendName:
			t.backendName = short(v.Str())
		}
	}
	return t
}

// summarize sends what a claim carries as a record of its own, with the resource
// attributes of the key.
func (t *throttle) summarize(c *window.Claim) error {
	tmpl, ok := c.Template.(*template)
	if !ok {
		return errNoTemplate
	}
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	own := c.Key[:len(t.keys)]
	for i, name := range t.resourceKeys {
		if part := c.Key[len(own)+i]; part != "" {
			rl.Resource().Attributes().PutStr(name, part)
		}
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.SetSchemaUrl(tmpl.schemaURL)
	sl.Scope().SetName(tmpl.scopeName)
	sl.Scope().SetVersion(tmpl.scopeVersion)

	r := sl.LogRecords().AppendEmpty()
	now := pcommon.NewTimestampFromTime(time.Now())
	r.SetTimestamp(now)
	r.SetObservedTimestamp(now)
	r.SetSeverityNumber(plog.SeverityNumberInfo)
	r.SetSeverityText("INFO")
	r.SetEventName(summaryEvent)
	r.Body().SetStr(window.SummaryText(own))
	attrs := r.Attributes()
	for i, name := range t.keys {
		attrs.PutStr(name, own[i])
	}
	putCarried(attrs, c)
	attrs.PutStr(until, window.FormatTime(c.Until))
	attrs.PutStr(eventName, summaryEvent)
	for _, kv := range [][2]string{{keyPattern, tmpl.keyPattern}, {backendName, tmpl.backendName}} {
		if _, ofKey := attrs.Get(kv[0]); kv[1] != "" && !ofKey {
			attrs.PutStr(kv[0], kv[1])
		}
	}
	if err := t.next.ConsumeLogs(context.Background(), logs); err != nil {
		return err
	}
	t.telemetry.summarized()
	return nil
}
