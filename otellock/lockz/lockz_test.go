package lockz_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/lockz"
	"github.com/otellock/otellock-go/otellock/memorybackend"
	"github.com/otellock/otellock-go/otellock/observe"
)

// view is what a user of the JSON form would declare.
type view struct {
	Held, Waiting []struct {
		Target  string   `json:"lock.target"`
		Key     int      `json:"key"`
		Left    *float64 `json:"ttl_left"`
		Extends int      `json:"extends"`
		Fence   uint64   `json:"fence"`
		Trace   string   `json:"trace_id"`
		Behind  string   `json:"behind_trace_id"`
		Here    bool     `json:"behind_this_process"`
	}
	Failures []struct {
		Target   string `json:"lock.target"`
		Action   string `json:"lock.action"`
		Count    int    `json:"count"`
		Type     string `json:"last_error.type"`
		HeldBack int    `json:"held_back"`
	}
	Contention []struct {
		Target string  `json:"lock.target"`
		Waits  int     `json:"waits"`
		Total  float64 `json:"total"`
		P50    float64 `json:"p50"`
		P99    float64 `json:"p99"`
	}
}

func get(t *testing.T, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if len(header) == 2 {
		r.Header.Set(header[0], header[1])
	}
	w := httptest.NewRecorder()
	lockz.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func see(t *testing.T) (v view) {
	t.Helper()
	if err := json.Unmarshal([]byte(body(t, get(t, "/debug/locks/?format=json"))), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// until waits for what other goroutines are about to do.
func until(t *testing.T, what string, holds func(view) bool) view {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		if v := see(t); holds(v) {
			return v
		}
		if time.Now().After(end) {
			t.Fatalf("not after 30 s: %s", what)
		}
	}
}

type service struct {
	backend *memorybackend.Backend
	tracer  trace.Tracer
	target  *otellock.Target
}

func newService(t *testing.T, name string, opts ...otellock.Option) *service {
	t.Helper()
	tracing := sdktrace.NewTracerProvider()
	s := &service{backend: memorybackend.New(), tracer: tracing.Tracer("test")}
	opts = append([]otellock.Option{otellock.WithLockz(true), otellock.WithTracerProvider(tracing)}, opts...)
	locker, err := otellock.New(s.backend, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if s.target, err = locker.Target(name, "lock:"+name+":*"); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestThePageShowsWhoHoldsAndWhoWaitsBehindWhichTrace(t *testing.T) {
	s := newService(t, "projects", otellock.WithFencing(), otellock.WithTTL(time.Minute))
	ctx, span := s.tracer.Start(t.Context(), "GET /projects")
	lease, err := s.target.Mutex("secret-7").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Extend(ctx, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	other, err := s.target.Mutex("secret-8").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.target.Mutex("secret-7").Do(t.Context(), func(context.Context) error { return nil }) }()

	v := until(t, "somebody waits", func(v view) bool { return len(v.Waiting) == 1 && v.Waiting[0].Behind != "" })
	if len(v.Held) != 2 {
		t.Fatalf("%d held, want 2", len(v.Held))
	}
	first, second, waiter := v.Held[0], v.Held[1], v.Waiting[0]
	id := span.SpanContext().TraceID().String()
	fence, _ := lease.Fence()
	switch {
	case first.Target != "projects", first.Trace != id, first.Extends != 1, first.Fence != fence, first.Fence == 0:
		t.Errorf("the holder is shown as %+v", first)
	case first.Left == nil || *first.Left < 60 || *first.Left > 120:
		t.Errorf("the lease that was extended to two minutes is shown with %v left", first.Left)
	case waiter.Key != first.Key, second.Key == first.Key:
		t.Errorf("keys %d and %d held, %d waited for: the waiter's is the first", first.Key, second.Key, waiter.Key)
	case waiter.Behind != id, !waiter.Here:
		t.Errorf("the waiter is shown as %+v, want it behind %s in this process", waiter, id)
	}
	page := body(t, get(t, "/debug/locks/"))
	for _, want := range []string{"projects", id, "must not be public"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "Nobody has waited") {
		t.Error("the page says that nobody has waited, and shows who waits")
	}
	if strings.Contains(page, "secret") || strings.Contains(body(t, get(t, "/debug/locks/?format=json")), "secret") {
		t.Error("the page names a key")
	}

	var waits bytes.Buffer
	if err := pprof.Lookup("otellock.wait").WriteTo(&waits, 1); err != nil || !strings.Contains(waits.String(), "lockz_test.TestThePage") {
		t.Errorf("the profile otellock.wait does not show who waits: %v\n%s", err, waits.String())
	}

	for _, l := range []*otellock.Lease{lease, other} {
		if err := l.Release(ctx); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	v = see(t)
	if len(v.Held)+len(v.Waiting) != 0 {
		t.Errorf("after all were released: %+v", v)
	}
	for _, c := range v.Contention {
		if c.Target == "projects" && c.Waits == 1 && c.P50 > 0 && c.P99 >= c.P50 && c.Total >= c.P50 {
			return
		}
	}
	t.Errorf("contention: %+v, want one wait for projects", v.Contention)
}

type everySecond struct{ asked int }

func (e *everySecond) Suppress(time.Time, string, string, string) bool {
	e.asked++
	return e.asked > 1
}

func TestThePageShowsTheLastFailuresAndWhatIsHeldBack(t *testing.T) {
	s := newService(t, "invoices", otellock.WithThrottle(&everySecond{}))
	s.backend.Fail(io.EOF)
	for range 5 {
		_ = s.target.Mutex("1").Do(t.Context(), func(context.Context) error { return nil })
	}
	for _, f := range see(t).Failures {
		if f.Target != "invoices" {
			continue
		}
		if f.Action != "backend_error" || f.Count != 5 || f.Type != "eof" || f.HeldBack != 4 {
			t.Errorf("%+v, want 5 backend errors of which 4 are held back", f)
		}
		return
	}
	t.Error("no failure of invoices is shown")
}

func TestWithoutTheOptionNothingIsKept(t *testing.T) {
	s := newService(t, "unseen", otellock.WithLockz(false))
	lease, err := s.target.Mutex("1").Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(body(t, get(t, "/debug/locks/")), "unseen") {
		t.Error("the page shows a lock of a Locker that was made without WithLockz")
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWhatWaitingHasCostIsAProfileThatPprofReads(t *testing.T) {
	s := newService(t, "reports")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { contend(t, s) })
	}
	group.Wait()
	r := get(t, "/debug/locks/wait.pb.gz")
	p, err := profile.Parse(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	var contentions, delay int64
	named := false
	for _, sample := range p.Sample {
		if sample.Label["lock.target"][0] != "reports" {
			continue
		}
		contentions += sample.Value[0]
		delay += sample.Value[1]
		for _, l := range sample.Location {
			for _, line := range l.Line {
				named = named || strings.HasSuffix(line.Function.Name, "lockz_test.contend")
			}
		}
	}
	if contentions == 0 || delay <= 0 || !named {
		t.Errorf("%d contentions, %d ns, the caller is named: %t", contentions, delay, named)
	}
}

func contend(t *testing.T, s *service) {
	for range 20 {
		err := s.target.Mutex("1").Do(t.Context(), func(context.Context) error {
			runtime.Gosched()
			return nil
		})
		if err != nil && !errors.Is(err, otellock.ErrContended) {
			t.Error(err)
		}
	}
}

func TestTheAnswerFitsWhatIsAskedFor(t *testing.T) {
	for _, test := range []struct{ path, accept, content string }{
		{"/debug/locks/", "", "text/html; charset=utf-8"},
		{"/debug/locks", "text/html,application/json", "text/html; charset=utf-8"},
		{"/debug/locks/", "application/json", "application/json"},
		{"/debug/locks/?format=json", "text/html", "application/json"},
		{"/debug/locks/wait.pb.gz", "", "application/octet-stream"},
	} {
		r := get(t, test.path, "Accept", test.accept)
		h := r.Header
		if r.StatusCode != http.StatusOK || h.Get("Content-Type") != test.content {
			t.Errorf("%s, accepting %q: %d %s, want %s", test.path, test.accept, r.StatusCode, h.Get("Content-Type"), test.content)
		}
		if h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: the header is %v", test.path, h)
		}
	}
	w := httptest.NewRecorder()
	lockz.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/debug/locks/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// BenchmarkDo is the price of the list: a Do on a backend that costs nothing.
func BenchmarkDo(b *testing.B) {
	for _, shown := range []bool{false, true} {
		name := "without"
		if shown {
			name = "WithLockz"
		}
		b.Run(name, func(b *testing.B) {
			locker, err := otellock.New(memorybackend.New(), otellock.WithLockz(shown))
			if err != nil {
				b.Fatal(err)
			}
			target, err := locker.Target("bench", "lock:bench:*")
			if err != nil {
				b.Fatal(err)
			}
			mutex := target.Mutex("1")
			b.ReportAllocs()
			for b.Loop() {
				if err := mutex.Do(b.Context(), func(context.Context) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// An observed lock need not say which key it is about. Then nobody knows who waits
// for whom.
func TestLocksThatNameNoKeyShareNoNumber(t *testing.T) {
	observer, err := observe.New(observe.WithLockz(true))
	if err != nil {
		t.Fatal(err)
	}
	target, err := observer.Target("nameless", "lock:nameless:*")
	if err != nil {
		t.Fatal(err)
	}
	ctx, holder := target.Acquire(t.Context())
	lease := holder.End(nil)
	_, waiter := target.Acquire(ctx)
	waiter.Wait()
	v, page := see(t), body(t, get(t, "/debug/locks/"))
	if len(v.Held) != 1 || len(v.Waiting) != 1 || v.Held[0].Key != 0 || v.Waiting[0].Key != 0 || v.Waiting[0].Here {
		t.Errorf("held %+v, waiting %+v: want no number, and no holder that is waited for", v.Held, v.Waiting)
	}
	if strings.Contains(page, "a holder above") || !strings.Contains(page, "<small>lock:nameless:*</small><td class=\"n\"><td") {
		t.Errorf("the page has a number or a holder:\n%s", page)
	}
	waiter.End(observe.ErrContended)
	lease.Drop(ctx)
}

func TestOneKeyOfTwoBackendsIsTwoLocks(t *testing.T) {
	for _, backend := range []string{"redis", "etcd"} {
		observer, err := observe.New(observe.WithLockz(true), observe.WithBackendName(backend))
		if err != nil {
			t.Fatal(err)
		}
		ctx, acquire := observer.KeyTarget("/jobs/nightly").TryAcquire(t.Context())
		acquire.Key("/jobs/nightly")
		lease := acquire.End(nil)
		defer lease.Drop(ctx)
	}
	if held := see(t).Held; len(held) != 2 || held[0].Key == held[1].Key {
		t.Errorf("held %+v, want two numbers", held)
	}
}

// A silent backend answers nothing until the context ends.
type silent struct{ *memorybackend.Backend }

func (silent) Acquire(ctx context.Context, _ otellock.Claim) (otellock.Grant, error) {
	<-ctx.Done()
	return otellock.Grant{}, ctx.Err()
}

func (silent) Release(ctx context.Context, _ otellock.Claim) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestThePageShowsThatABreakerIsOpen(t *testing.T) {
	locker, err := otellock.New(silent{memorybackend.New()}, otellock.WithLockz(true), otellock.WithBackendName("silent"),
		otellock.WithAttemptTimeout(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	target, err := locker.Target("silenced", "lock:silenced:*")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = locker.Close(ctx) // ends the probe
	}()
	for range 5 {
		_, _ = target.Mutex("1").TryDo(t.Context(), func(context.Context) error { return nil })
	}
	r := body(t, get(t, "/debug/locks/?format=json"))
	page := body(t, get(t, "/debug/locks/"))
	if !strings.Contains(r, `"lock.backend.name": "silent"`) || !strings.Contains(page, `<table id="breakers">`) || !strings.Contains(page, "1×") {
		t.Errorf("the page says nothing of the breaker:\n%s", page)
	}
}
