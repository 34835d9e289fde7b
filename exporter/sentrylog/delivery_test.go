package sentrylog_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/internal/envelopetest"
)

func TestTwoThousandDistinctRecordsArriveTwoThousandTimes(t *testing.T) {
	const n = 2000
	server := envelopetest.NewServer(t)
	p := newPipeline(t, newProcessor(t, server.DSN(), sentrylog.WithCap(0, 0)))
	var emitters sync.WaitGroup
	for g := range 4 {
		emitters.Go(func() {
			for i := g; i < n; i += 4 {
				p.logger.Emit(t.Context(), failure("backend_error", targetName(i), "timeout"))
			}
		})
	}
	emitters.Wait()
	if err := p.ForceFlush(within(t, 4*time.Minute)); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, e := range server.Events() {
		times[e.Tags["lock.target"]]++
	}
	for i := range n {
		if times[targetName(i)] != 1 {
			t.Fatalf("%s arrived %d times", targetName(i), times[targetName(i)])
		}
	}
	if len(times) != n || p.processor.Sent() != n {
		t.Errorf("%d targets arrived, %d counted as sent; want %d", len(times), p.processor.Sent(), n)
	}
}

// refusals closes first at the first request that was refused.
type refusals struct {
	*http.Transport
	once  sync.Once
	first chan struct{}
}

func (r *refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.Transport.RoundTrip(req)
	if err != nil {
		r.once.Do(func() { close(r.first) })
	}
	return resp, err
}

func TestEventsSurviveAServerThatComesBack(t *testing.T) {
	server := envelopetest.NewServer(t)
	rt := &refusals{Transport: &http.Transport{}, first: make(chan struct{})}
	defer rt.CloseIdleConnections()
	e := newProcessor(t, server.DSN(), sentrylog.WithHTTPTransport(rt))
	server.Refuse()
	server.Next(envelopetest.Reset(), envelopetest.Status(500))
	result := make(chan error, 1)
	ctx := within(t, 20*time.Second)
	go func() { result <- export(ctx, e, backendErrors(3)) }()
	<-rt.first
	server.Accept()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if n := len(server.Events()); n != 3 {
		t.Errorf("%d events arrived, want 3", n)
	}
}

func TestARefusedPortIsAnErrorWithinTheDeadline(t *testing.T) {
	server := envelopetest.NewServer(t)
	server.Refuse()
	e := newProcessor(t, server.DSN())
	for _, r := range backendErrors(2) {
		if err := e.OnEmit(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	err := e.Shutdown(within(t, 500*time.Millisecond))
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Shutdown took %v, its context 500ms", took)
	}
	wantError(t, err, "2 of 2 events not delivered: timeout")
}

// bounded calls f with a context of 200 ms.
func bounded(t *testing.T, name string, f func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := f(ctx)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%s took %v, its context 200ms", name, took)
	}
	spotless(t, err)
	return err
}

func TestTheProviderObeysItsContextWithAHungServer(t *testing.T) {
	server := envelopetest.NewServer(t)
	server.Always(envelopetest.Hang())
	p := newPipeline(t, newProcessor(t, server.DSN()))
	emit := func() {
		for i := range 20 {
			p.logger.Emit(t.Context(), failure("backend_error", targetName(i), "timeout"))
		}
	}
	emit()
	if err := bounded(t, "ForceFlush", p.ForceFlush); !isDeadline(err) {
		t.Errorf("ForceFlush: %v, want the deadline", err)
	}
	emit()
	if err := bounded(t, "Shutdown", p.Shutdown); !isDeadline(err) {
		t.Errorf("Shutdown: %v, want the deadline", err)
	}
}

func TestWhatAHungServerLeavesBehindIsInTheErrorOfShutdown(t *testing.T) {
	server := envelopetest.NewServer(t)
	server.Always(envelopetest.Hang())
	e := newProcessor(t, server.DSN(), sentrylog.WithCap(0, 0), sentrylog.WithQueueSize(100))
	for _, r := range backendErrors(130) {
		if err := e.OnEmit(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
	}
	server.WaitAttempts(within(t, 10*time.Second), 1)
	if err := bounded(t, "ForceFlush", e.ForceFlush); !isDeadline(err) {
		t.Errorf("ForceFlush: %v, want the deadline", err)
	} else {
		wantError(t, err, "30 of 30 events not delivered: queue full")
	}
	err := bounded(t, "Shutdown", e.Shutdown)
	if !isDeadline(err) {
		t.Errorf("Shutdown: %v, want the deadline", err)
	}
	wantError(t, err, "100 of 100 events not delivered: timeout")
	if e.Dropped() != 130 || e.Sent() != 0 {
		t.Errorf("dropped %d, sent %d; want 130, 0", e.Dropped(), e.Sent())
	}

	if err := export(t.Context(), e, backendErrors(1)); err != nil {
		t.Errorf("after Shutdown: %v", err)
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown after Shutdown: %v", err)
	}
	if e.Enabled(t.Context(), sdklog.EnabledParameters{}) {
		t.Error("enabled after Shutdown")
	}
}

func TestShutdownOfTheProviderDeliversWhatIsQueued(t *testing.T) {
	server := envelopetest.NewServer(t)
	p := newPipeline(t, newProcessor(t, server.DSN()))
	for i := range 10 {
		p.logger.Emit(t.Context(), failure("backend_error", targetName(i), "timeout"))
	}
	if err := p.Shutdown(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if n := len(server.Events()); n != 10 {
		t.Errorf("%d events arrived, want 10", n)
	}
}

func TestEveryMethodConcurrentSafe(t *testing.T) {
	server := envelopetest.NewServer(t)
	e := newProcessor(t, server.DSN(), sentrylog.WithCap(0, 0))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				if err := export(t.Context(), e, backendErrors(3)); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 20 {
				if err := e.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				_, _, _ = e.Sent(), e.Dropped(), e.Cut()
			}
		})
	}
	all.Wait()
	var ends sync.WaitGroup
	for range 3 {
		ends.Go(func() {
			if err := e.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	ends.Wait()
	if n := len(server.Events()); n != 60 {
		t.Errorf("%d events arrived, want 60", n)
	}
}

func TestARecordThatChangesAfterOnEmitChangesNoEvent(t *testing.T) {
	server := envelopetest.NewServer(t)
	server.Next(envelopetest.Status(503)) // so that the events are sent later
	e := newProcessor(t, server.DSN())
	rs := backendErrors(10)
	for i := range rs {
		if err := e.OnEmit(t.Context(), &rs[i]); err != nil {
			t.Fatal(err)
		}
		rs[i].SetAttributes(attribute.String("lock.action", "release_error"), attribute.String("lock.target", "other"))
	}
	if err := e.ForceFlush(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, event := range server.Events() {
		if event.Tags["lock.target"] == "other" {
			t.Error("an event shows what was written into the record after OnEmit")
		}
	}
}
