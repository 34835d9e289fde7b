package sentryissueexporter

import (
	"fmt"
	"regexp"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/envelopetest"
)

// ids returns the ids of the events that the exporter makes.
func ids(t *testing.T, batches ...plog.Logs) []string {
	t.Helper()
	server := envelopetest.NewServer(t)
	h := newHarness(t, server.DSN(), nil)
	for _, ld := range batches {
		h.consume(ld)
	}
	var all []string
	for _, e := range server.Events() {
		if !regexp.MustCompile("^[0-9a-f]{12}8[0-9a-f]{3}[89ab][0-9a-f]{15}$").MatchString(e.EventID) {
			t.Errorf("%s is not the id of an event", e.EventID)
		}
		all = append(all, e.EventID)
	}
	return all
}

func TestARecordThatIsSentTwiceIsOneEventToSentry(t *testing.T) {
	ld := batch("shop", failure("a", "timeout", 0), failure("b", "timeout", 1))
	again := plog.NewLogs() // in another batch, as after a restart
	addTo(again, "billing", failure("a", "timeout", 0))
	ld.ResourceLogs().At(0).CopyTo(again.ResourceLogs().AppendEmpty())
	got := ids(t, ld, again)
	if len(got) != 5 || got[0] != got[3] || got[1] != got[4] || got[0] == got[2] {
		t.Errorf("ids %v", got)
	}
}

func TestRecordsThatDifferInAnythingAreDifferentEvents(t *testing.T) {
	ld := batch("shop")
	seen := map[string]string{}
	var names []string
	for name, change := range map[string]func(plog.ResourceLogs, plog.LogRecord){
		"nothing":  func(plog.ResourceLogs, plog.LogRecord) {},
		"time":     func(_ plog.ResourceLogs, r plog.LogRecord) { r.SetTimestamp(r.Timestamp() + 1) },
		"observed": func(_ plog.ResourceLogs, r plog.LogRecord) { r.SetObservedTimestamp(1) },
		"instance": func(rl plog.ResourceLogs, _ plog.LogRecord) {
			rl.Resource().Attributes().PutStr("service.instance.id", "2")
		},
		"scope":            func(rl plog.ResourceLogs, _ plog.LogRecord) { rl.ScopeLogs().At(0).Scope().SetName("other") },
		"severity":         func(_ plog.ResourceLogs, r plog.LogRecord) { r.SetSeverityNumber(14) },
		"event":            func(_ plog.ResourceLogs, r plog.LogRecord) { r.SetEventName("lock.other") },
		"body":             func(_ plog.ResourceLogs, r plog.LogRecord) { r.Body().SetStr("another") },
		"trace":            func(_ plog.ResourceLogs, r plog.LogRecord) { r.SetTraceID(pcommon.TraceID{1}) },
		"span":             func(_ plog.ResourceLogs, r plog.LogRecord) { r.SetSpanID(pcommon.SpanID{1}) },
		"a string":         func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutStr("x", "1") },
		"a number":         func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutInt("x", 1) },
		"a float":          func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutDouble("x", 1) },
		"a bool":           func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutBool("x", true) },
		"another bool":     func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutBool("x", false) },
		"bytes":            func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutEmptyBytes("x").FromRaw([]byte("1")) },
		"a list":           func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutEmptySlice("x").AppendEmpty().SetInt(1) },
		"a map":            func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutEmptyMap("x").PutInt("1", 1) },
		"an empty value":   func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutEmpty("x") },
		"where a key ends": func(_ plog.ResourceLogs, r plog.LogRecord) { r.Attributes().PutStr("x1", "") },
	} {
		names = append(names, name)
		addTo(ld, "shop", failure("a", "timeout", 0))
		rl := ld.ResourceLogs().At(ld.ResourceLogs().Len() - 1)
		change(rl, rl.ScopeLogs().At(0).LogRecords().At(0))
	}
	for i, id := range ids(t, ld) {
		if other, there := seen[id]; there {
			t.Errorf("%q and %q have one id", names[i], other)
		}
		seen[id] = names[i]
	}
	if len(seen) != len(names) {
		t.Errorf("%d ids of %d", len(seen), len(names))
	}
}

// Without any time two failures look like one that was sent twice. The present is
// set before the queue, so that a retry has the same id.
func TestRecordsWithoutATimeAreNotTakenForOne(t *testing.T) {
	untimed := func() plog.Logs {
		r := failure("a", "timeout", 0)
		r.SetTimestamp(0)
		ld := batch("shop", r)
		ld.MarkReadOnly()
		return ld
	}
	server := envelopetest.NewServer(t)
	server.Next(envelopetest.Status(503), envelopetest.Status(503))
	h := newHarness(t, server.DSN(), nil)
	h.consume(untimed())
	h.consume(untimed())
	events := server.Events()
	if len(events) != 2 || events[0].EventID == events[1].EventID || events[0].Timestamp == "" {
		t.Errorf("events %v", fmt.Sprint(events))
	}
}
