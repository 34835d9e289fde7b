package lockthrottleprocessor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
)

var errBroken = errors.New("broken")

// sink is the next component. It keeps what it takes.
type sink struct {
	mu      sync.Mutex
	batches []plog.Logs
	fail    error
	hang    bool
}

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	s.mu.Lock()
	fail, hang := s.fail, s.hang
	s.mu.Unlock()
	if hang {
		select {} // synctest ends it with its bubble
	}
	if fail != nil {
		return fail
	}
	kept := plog.NewLogs()
	logs.CopyTo(kept)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, kept)
	return nil
}

func (s *sink) broken(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// A got is a record that the sink took.
type got struct {
	plog.LogRecord
	resource map[string]any
	scope    string
}

func (g got) attr(name string) any {
	if v, ok := g.Attributes().Get(name); ok {
		return v.AsRaw()
	}
	return nil
}

// take returns the records that came since the last take.
func (s *sink) take() (records []got) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, logs := range s.batches {
		for _, rl := range logs.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, r := range sl.LogRecords().All() {
					records = append(records, got{r, rl.Resource().Attributes().AsRaw(), sl.Scope().Name()})
				}
			}
		}
	}
	s.batches = nil
	return records
}

// accounted returns how many occurrences the records that came stand for, and how
// many of them are records of their own.
func (s *sink) accounted() (occurrences, warnings int64) {
	for _, r := range s.take() {
		if r.EventName() != summaryEvent {
			warnings++
		}
		n, _ := r.attr(count).(int64)
		occurrences += n
	}
	return occurrences + warnings, warnings
}

func newProcessor(t testing.TB, next consumer.Logs, change ...func(*Config)) *throttle {
	t.Helper()
	return newProcessorWith(t, processortest.NewNopSettings(typ), next, change...)
}

func newProcessorWith(t testing.TB, set processor.Settings, next consumer.Logs, change ...func(*Config)) *throttle {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	for _, f := range change {
		f(cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := createLogsProcessor(t.Context(), set, cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return p.(*throttle)
}

func consume(t testing.TB, p *throttle, logs plog.Logs) {
	t.Helper()
	if err := p.ConsumeLogs(t.Context(), logs); err != nil {
		t.Fatal(err)
	}
}

// A record is the attributes of a record; "severity" and "event" are its fields.
type record map[string]any

func lock(target string, more ...record) record {
	r := record{"lock.action": "backend_error", "lock.target": target, "error.type": "timeout", "severity": plog.SeverityNumberWarn}
	for _, m := range more {
		maps.Copy(r, m)
	}
	return r
}

// from returns a batch of one instance.
func from(instance int, records ...record) plog.Logs {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	for name, v := range map[string]string{
		"service.namespace": "shop", "service.name": "api", "deployment.environment.name": "production",
		"service.instance.id": fmt.Sprint("instance-", instance), "service.version": "1.2.3",
	} {
		rl.Resource().Attributes().PutStr(name, v)
	}
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("lib")
	for i, attrs := range records {
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		r.SetTraceID([16]byte{1, byte(instance), byte(i)})
		for name, v := range attrs {
			switch name {
			case "severity":
				r.SetSeverityNumber(v.(plog.SeverityNumber))
			case "event":
				r.SetEventName(v.(string))
			default:
				if err := r.Attributes().PutEmpty(name).FromRaw(v); err != nil {
					panic(err)
				}
			}
		}
	}
	return logs
}
