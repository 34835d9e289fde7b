package faults

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/otellock"
)

// A way is one of the four ways to run something under a lock.
type way struct {
	name   string
	mode   string // lock.mode
	handle bool   // gives out a Lease
	run    func(ctx context.Context, m otellock.Mutex, fn func(context.Context, *otellock.Lease) error) (err, released error)
}

// errWork is what the work under the lock returns, so that it can be told from
// every error of the lock.
var errWork = errors.New("the work's own error")

var ways = []way{
	{"Do", "wait", false, func(ctx context.Context, m otellock.Mutex, fn func(context.Context, *otellock.Lease) error) (error, error) {
		return m.Do(ctx, func(ctx context.Context) error { return fn(ctx, otellock.LeaseFromContext(ctx)) }), nil
	}},
	{"TryDo", "try", false, func(ctx context.Context, m otellock.Mutex, fn func(context.Context, *otellock.Lease) error) (error, error) {
		began := false
		ran, err := m.TryDo(ctx, func(ctx context.Context) error {
			began = true
			return fn(ctx, otellock.LeaseFromContext(ctx))
		})
		if ran != began {
			return errors.New("TryDo's ran is not whether fn ran"), nil
		}
		return err, nil
	}},
	{"Lock", "wait", true, func(ctx context.Context, m otellock.Mutex, fn func(context.Context, *otellock.Lease) error) (error, error) {
		lease, err := m.Lock(ctx)
		return underLease(ctx, lease, err, fn)
	}},
	{"TryLock", "try", true, func(ctx context.Context, m otellock.Mutex, fn func(context.Context, *otellock.Lease) error) (error, error) {
		lease, ok, err := m.TryLock(ctx)
		if ok != (lease != nil) {
			return errors.New("TryLock's ok is not whether there is a lease"), nil
		}
		return underLease(ctx, lease, err, fn)
	}},
}

func underLease(ctx context.Context, lease *otellock.Lease, err error, fn func(context.Context, *otellock.Lease) error) (error, error) {
	switch {
	case err != nil && lease != nil:
		return errors.New("a lease beside an error"), nil
	case lease == nil:
		return err, nil
	}
	err = fn(ctx, lease)
	released := lease.Release(ctx)
	if again := lease.Release(ctx); again != released {
		return errors.New("the second Release has another result than the first"), nil
	}
	return err, released
}

// A trial is what happened when a way was taken.
type trial struct {
	ran       int  // times that the work ran
	protected bool // what the lease said meanwhile
	err       error
	released  error // of Release
	acquiring time.Duration
	releasing time.Duration
}

// take runs the work under the wire's lock. The work returns errWork.
func (w *wire) take(way way, m otellock.Mutex, work func()) trial {
	w.t.Helper()
	return w.takeWith(w.t.Context(), way, m, func(context.Context) { work() })
}

// takeWith is take with a context, which the work gets.
func (w *wire) takeWith(ctx context.Context, way way, m otellock.Mutex, work func(context.Context)) trial {
	var r trial
	start := time.Now()
	var end time.Time
	r.err, r.released = way.run(ctx, m, func(ctx context.Context, lease *otellock.Lease) error {
		r.acquiring = time.Since(start)
		r.ran++
		r.protected = lease.Protected()
		work(ctx)
		end = time.Now()
		return errWork
	})
	if r.ran == 0 {
		r.acquiring = time.Since(start)
	} else {
		r.releasing = time.Since(end)
	}
	return r
}

// policies are both values of WithFailClosed, by the name that telemetry gives them.
var policies = map[string]bool{"open": false, "closed": true}

// everyWay runs the test for each way and each failure policy.
func everyWay(t *testing.T, test func(t *testing.T, way way, policy string)) {
	t.Helper()
	each(t, ways, test)
}

// everyWaitingWay is everyWay for those that wait for a busy lock.
func everyWaitingWay(t *testing.T, test func(t *testing.T, way way, policy string)) {
	t.Helper()
	each(t, slices.DeleteFunc(slices.Clone(ways), func(w way) bool { return w.mode != "wait" }), test)
}

func each(t *testing.T, ways []way, test func(t *testing.T, way way, policy string)) {
	t.Helper()
	for _, way := range ways {
		for _, policy := range slices.Sorted(maps.Keys(policies)) {
			t.Run(way.name+" fail-"+policy, func(t *testing.T) {
				t.Parallel()
				test(t, way, policy)
			})
		}
	}
}

// within fails the test if something took longer than it may.
func within(t testing.TB, what string, took, bound time.Duration) {
	t.Helper()
	if took > bound+slack {
		t.Errorf("%s took %v, may take %v (and %v of slack)", what, took, bound, slack)
	}
}

// wantError checks the sentinel, the fields and the text of an error of the lock.
func wantError(t testing.TB, err, sentinel error, operation, errorType string) {
	t.Helper()
	var e *otellock.Error
	switch {
	case !errors.Is(err, sentinel):
		t.Errorf("error %v, want %v", err, sentinel)
	case !errors.As(err, &e):
		t.Errorf("error is a %T, want an *otellock.Error", err)
	case e.Op != operation || e.Target != "projects" || e.Type != errorType:
		t.Errorf("error of operation %q, target %q, type %q; want %q, projects, %q", e.Op, e.Target, e.Type, operation, errorType)
	case e.Error() != "otellock: "+operation+" projects: "+errorType:
		t.Errorf("error text %q", e.Error())
	}
}

// wantAttempts checks that nothing but this was counted, each once.
func wantAttempts(t testing.TB, seen *telemetry, want ...attempt) {
	t.Helper()
	once := map[attempt]int64{}
	for _, a := range want {
		if a != (attempt{}) {
			once[a]++
		}
	}
	got := seen.Attempts(t)
	if once[someCleanup] > 0 {
		for a, n := range got {
			if a.Operation() == "cleanup" {
				delete(got, a)
				got[someCleanup] += n
			}
		}
	}
	if !maps.Equal(got, once) {
		t.Errorf("counted %v\nwant    %v", got, once)
	}
}

// someCleanup is a cleanup in a fault that lasts: how far it has come when Close
// gives up is a matter of time.
var someCleanup = attempt{"cleanup", "any"}

// wantAtRest checks that nothing is held and nobody waits any more.
func wantAtRest(t testing.TB, seen *telemetry) {
	t.Helper()
	for _, gauge := range []string{"lock.held", "lock.waiting"} {
		if n := seen.Total(t, gauge); n != 0 {
			t.Errorf("%s is %d at the end, want 0", gauge, n)
		}
	}
}

// wantSilence checks that nothing was reported: no record, no span that failed.
func wantSilence(t testing.TB, seen *telemetry) {
	t.Helper()
	if records := seen.Logs.All(); len(records) != 0 {
		t.Errorf("%d records, want none; the first: %v", len(records), recordAttributes(records[0]))
	}
	for _, span := range seen.Spans.Ended() {
		if span.Status().Code == codes.Error || len(span.Events()) != 0 {
			t.Errorf("span %q has status %v and %d events, want none", span.Name(), span.Status(), len(span.Events()))
		}
	}
}

var events = map[string]string{
	"acquire": "lock.backend_error",
	"release": "lock.release_error",
	"extend":  "lock.extend_error",
}

// wantOneWarning checks that this failure was reported, once and alone: by a
// record with every attribute that a failure has and no other, and by the span
// of the operation, to which the record is correlated.
func wantOneWarning(t testing.TB, w *wire, failed attempt, mode, body string) {
	t.Helper()
	records := w.seen.Logs.All()
	if len(records) != 1 || len(w.seen.Warnings()) != 1 {
		t.Fatalf("%d records, %d of them WARN, want one", len(records), len(w.seen.Warnings()))
	}
	event := events[failed.Operation()]
	host, port := w.address()
	common := map[string]any{
		"lock.action":         strings.TrimPrefix(event, "lock."),
		"lock.target":         "projects",
		"lock.key_pattern":    "lock:projects:*",
		"lock.operation.name": failed.Operation(),
		"lock.mode":           mode,
		"lock.outcome":        failed.Outcome(),
		"lock.failure_policy": failed.Policy(),
		"lock.backend.name":   "redis",
		"error.type":          failed.ErrorType(),
	}
	record := maps.Clone(common)
	maps.Copy(record, map[string]any{
		"otel.event.name":   event,
		"exception.type":    "*otellock.Error",
		"exception.message": "otellock: " + failed.Operation() + " projects: " + failed.ErrorType(),
		"server.address":    host,
		"server.port":       port,
	})
	measured := []string{"lock.ttl", "lock.retries"}
	if failed.Operation() != "acquire" {
		measured = append(measured, "lock.hold.duration")
	}
	where := []string{"exception.stacktrace", "code.function.name", "code.file.path", "code.line.number"}

	got := recordAttributes(records[0])
	wantAttributes(t, "the record", got, record, append(measured, where...))
	if text := records[0].Body().AsString(); text != body {
		t.Errorf("the record says %q, want %q", text, body)
	}
	if name, _ := got["code.function.name"].(string); !strings.Contains(name, "e2e/faults.") {
		t.Errorf("code.function.name is %q, not the caller", name)
	}

	spans := w.seen.Ended(failed.Operation() + " projects")
	if len(spans) != 1 {
		t.Fatalf("%d spans of the operation, want one", len(spans))
	}
	span := spans[0]
	if got := span.Status(); got.Code != codes.Error || got.Description != failed.ErrorType() {
		t.Errorf("span status %v", got)
	}
	attrs := plainAttributes(span.Attributes())
	for key, want := range map[string]any{"error.type": failed.ErrorType(), "lock.outcome": failed.Outcome(), "lock.failure_policy": failed.Policy()} {
		if attrs[key] != want {
			t.Errorf("span attribute %s is %v, want %v", key, attrs[key], want)
		}
	}
	if len(span.Events()) != 1 || span.Events()[0].Name != event {
		t.Fatalf("span events %v, want one %s", span.Events(), event)
	}
	wantAttributes(t, "the span event", plainAttributes(span.Events()[0].Attributes), common, measured)
	if failed == (attempt{"release", "release_error", "expired", "closed"}) && records[0].SpanID() != span.SpanContext().SpanID() {
		span = w.seen.Ended("acquire projects")[0] // told when it ran out, before its release
	}
	if records[0].TraceID() != span.SpanContext().TraceID() || records[0].SpanID() != span.SpanContext().SpanID() {
		t.Error("the record is not correlated to the span")
	}
	wantOneIssue(t, w, event, records[0])
}

// wantOneIssue checks that the warning is a Sentry event that says the same.
func wantOneIssue(t testing.TB, w *wire, event string, record sdklog.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.issues.ForceFlush(ctx); err != nil {
		t.Errorf("Sentry: %v", err)
	}
	issues := w.sentry.Events()
	if len(issues) != 1 {
		t.Fatalf("%d events at Sentry, want one", len(issues))
	}
	issue, attributes := issues[0], recordAttributes(record)
	if issue.Level != "warning" || issue.Exception[0].Type != event || issue.Contexts["trace"]["trace_id"] != record.TraceID().String() {
		t.Errorf("the Sentry event is %s %s of trace %v", issue.Level, issue.Exception[0].Type, issue.Contexts["trace"])
	}
	for _, key := range []string{"lock.action", "lock.target", "lock.key_pattern", "lock.operation.name", "lock.failure_policy", "lock.backend.name", "error.type"} {
		if issue.Tags[key] != attributes[key] {
			t.Errorf("the Sentry event has %s %q, the record %v", key, issue.Tags[key], attributes[key])
		}
	}
	if where, _ := attributes["code.function.name"].(string); issue.Transaction != where {
		t.Errorf("the Sentry event's culprit is %q, want %q", issue.Transaction, where)
	}
}

// wantAttributes checks these values, that the measured ones are there, and that
// there is nothing else.
func wantAttributes(t testing.TB, what string, got, want map[string]any, measured []string) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: %s is %v, want %v", what, key, got[key], value)
		}
	}
	for _, key := range measured {
		if _, ok := got[key]; !ok {
			t.Errorf("%s: no %s", what, key)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok && !slices.Contains(measured, key) {
			t.Errorf("%s: unexpected %s", what, key)
		}
	}
}
