package exporter_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/otlptest"
)

// slack is what a busy machine may add to a deadline.
const slack = 2 * time.Second

func TestForceFlushSendsEverythingAndKeepsRunning(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	tel := setup(t, exporter.WithoutGlobals())
	for range 2 {
		r.Reset()
		emit(context.Background(), t, tel)
		if err := tel.ForceFlush(within(t, 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		if len(r.Spans()) != 1 || len(r.Logs()) != 1 || r.Total("lock.attempts", nil) == 0 {
			t.Errorf("after ForceFlush %d spans, %d records, lock.attempts %v", len(r.Spans()), len(r.Logs()), r.Total("lock.attempts", nil))
		}
	}
	mustShutdown(t, tel)
	if err := tel.ForceFlush(within(t, time.Second)); err != nil {
		t.Errorf("ForceFlush after Shutdown: %v", err)
	}
}

func TestOneHangingSignalCostsTheOthersNothing(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		for _, hung := range []otlptest.Signal{otlptest.Logs, otlptest.Traces, otlptest.Metrics} {
			t.Run(protocol+" "+string(hung), func(t *testing.T) {
				const patient = 2 * time.Second // the others must get through on a busy machine
				isolate(t)
				r := otlptest.Start(t)
				r.Setenv(t, protocol)
				r.Hang(hung)
				tel := setup(t, exporter.WithoutGlobals())
				emit(context.Background(), t, tel)

				start := time.Now()
				err := tel.Shutdown(within(t, patient))
				if took := time.Since(start); took > patient+slack {
					t.Errorf("Shutdown took %v", took)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), string(hung)+": ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("Shutdown returned %q, want one error about %s", err, hung)
				}
				got := map[otlptest.Signal]bool{
					otlptest.Traces:  len(r.Spans()) == 1,
					otlptest.Logs:    len(r.Logs()) == 1,
					otlptest.Metrics: r.Total("lock.attempts", nil) == 3,
				}
				for signal, arrived := range got {
					if arrived == (signal == hung) {
						t.Errorf("%s arrived: %v", signal, arrived)
					}
				}
			})
		}
	}
}

func TestShutdownCutsExportsThatWereAlreadyHanging(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			isolate(t) // fails when the batch processors' goroutines stay
			r := otlptest.Start(t)
			r.Setenv(t, protocol)
			r.Hang()
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
			t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "1")
			t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
			tel := setup(t, exporter.WithoutGlobals())
			emit(context.Background(), t, tel)
			r.Wait(t, "an export of every signal to hang", func() bool {
				seen := map[otlptest.Signal]bool{}
				for _, req := range r.Requests() {
					seen[req.Signal] = true
				}
				return len(seen) == 3
			})

			start := time.Now()
			err := tel.Shutdown(within(t, 200*time.Millisecond))
			if took := time.Since(start); took > 200*time.Millisecond+slack {
				t.Errorf("Shutdown took %v", took)
			}
			for _, signal := range []string{"logs: ", "traces: ", "metrics: "} {
				if err == nil || !strings.Contains(err.Error(), signal) {
					t.Errorf("the error does not tell about %s%v", signal, err)
				}
			}
		})
	}
}

func TestShutdownWithAnEndedContextStopsEverything(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "grpc")
	tel := setup(t, exporter.WithoutGlobals())
	emit(context.Background(), t, tel)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tel.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returned %v", err)
	}
	eventually(t, "the logger is disabled", func() bool { return !enabled(tel.LoggerProvider()) })
}

func TestShutdownJoinsWhatEachReceiverAnswered(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			isolate(t)
			r := otlptest.Start(t)
			r.Setenv(t, protocol)
			r.Fail(http.StatusBadRequest)
			tel := setup(t, exporter.WithoutGlobals())
			emit(context.Background(), t, tel)
			err := tel.Shutdown(within(t, 10*time.Second))
			for _, signal := range []string{"logs: ", "traces: ", "metrics: "} {
				if err == nil || !strings.Contains(err.Error(), signal) {
					t.Errorf("the error does not tell about %s%v", signal, err)
				}
			}
		})
	}
}

func TestShutdownOfARefusedConnectionKeepsItsDeadline(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			isolate(t)
			r := otlptest.Start(t)
			r.Setenv(t, protocol)
			r.Refuse()
			tel := setup(t, exporter.WithoutGlobals())
			emit(context.Background(), t, tel)
			start := time.Now()
			if err := tel.Shutdown(within(t, 300*time.Millisecond)); err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took > 300*time.Millisecond+slack {
				t.Errorf("Shutdown took %v", took)
			}
		})
	}
}

func TestShutdownConcurrentSafe(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	r.Fail(http.StatusBadRequest, otlptest.Metrics)
	tel := setup(t, exporter.WithoutGlobals())
	emit(context.Background(), t, tel)

	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			if i%4 == 3 {
				_ = tel.ForceFlush(within(t, 10*time.Second))
			}
			emit(context.Background(), t, tel)
			errs[i] = tel.Shutdown(within(t, 10*time.Second))
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err == nil || err.Error() != errs[0].Error() {
			t.Errorf("call %d returned %v, call 0 %v", i, err, errs[0])
		}
	}
	if got := tel.Shutdown(within(t, time.Second)); got == nil || got.Error() != errs[0].Error() {
		t.Errorf("a later call returned %v", got)
	}
}

func TestASecondShutdownWaitsNoLongerThanItsOwnContext(t *testing.T) {
	isolate(t)
	r := otlptest.Start(t)
	r.Setenv(t, "http/protobuf")
	r.Hang(otlptest.Traces)
	tel := setup(t, exporter.WithoutGlobals())
	emit(context.Background(), t, tel)

	first := make(chan error, 1)
	firstCtx, endFirst := context.WithCancel(context.Background())
	go func() { first <- tel.Shutdown(firstCtx) }()
	r.Wait(t, "the first call to be under way", func() bool { return len(r.Requests()) == 3 })

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tel.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the second call returned %v", err)
	}
	endFirst()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first call returned %v", err)
	}
}
