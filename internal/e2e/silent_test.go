package e2e

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// console is what a handler wrote.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *console) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// lines are those that contain all of the words.
func (p *console) lines(words ...string) (found []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
line:
	for line := range strings.Lines(p.text.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue line
			}
		}
		found = append(found, line)
	}
	return found
}

// A blackout is Redis and the OTLP receiver gone together, under two targets.
type blackout struct {
	console   console
	receiver  *otlptest.Receiver
	host      string
	telemetry *exporter.Telemetry
	locker    *otellock.Locker
	projects  *otellock.Target
	orders    *otellock.Target
}

func newBlackout(t *testing.T, protocol string, opts ...exporter.Option) *blackout {
	t.Helper()
	o := &blackout{receiver: otlptest.Start(t)}
	o.receiver.Setenv(t, protocol)
	endpoint := o.receiver.Endpoint()
	if protocol == "grpc" {
		endpoint = o.receiver.GRPCEndpoint()
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	o.host = u.Host
	o.telemetry, err = exporter.Setup(t.Context(), append(opts, exporter.WithoutGlobals(),
		exporter.WithConsole(slog.NewTextHandler(&o.console, nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	logging.Disable() // go-redis would print every failed dial
	server := redistest.Start(t)
	rdb := redis.NewClient(redisbackend.Options(server.Addr))
	t.Cleanup(func() { rdb.Close() })
	backend, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	o.locker, err = otellock.New(backend, otellock.WithThrottle(o.telemetry), otellock.WithTracerProvider(o.telemetry.TracerProvider()),
		otellock.WithMeterProvider(o.telemetry.MeterProvider()), otellock.WithLoggerProvider(o.telemetry.LoggerProvider()))
	if err != nil {
		t.Fatal(err)
	}
	o.projects, o.orders = declare(t, o.locker, "projects"), declare(t, o.locker, "orders")
	server.Kill()
	return o
}

func (o *blackout) run(t *testing.T, times int) {
	t.Helper()
	for range times {
		for _, target := range []*otellock.Target{o.projects, o.orders} {
			if err := target.Mutex("7").Do(t.Context(), nothing); err != nil {
				t.Errorf("Do: %v", err)
			}
		}
	}
}

func (o *blackout) shutdown(t *testing.T, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := o.locker.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	defer cancel()
	return o.telemetry.Shutdown(ctx)
}

func TestAWarningIsOnTheConsoleWhenTheCollectorIsDownTogetherWithRedis(t *testing.T) {
	down := map[string]func(*otlptest.Receiver){
		"stopped": func(r *otlptest.Receiver) { r.Refuse() },
		"hangs":   func(r *otlptest.Receiver) { r.Hang() },
		"404":     func(r *otlptest.Receiver) { r.Fail(404) },
		"busy":    func(r *otlptest.Receiver) { r.Fail(503) },
	}
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		for name, stop := range down {
			t.Run(protocol+" "+name, func(t *testing.T) {
				o := newBlackout(t, protocol)
				stop(o.receiver)
				o.run(t, 20)
				if err := o.shutdown(t, 2*time.Second); err == nil {
					t.Error("Shutdown returns no error, although nothing was delivered")
				}
				for _, target := range []string{"projects", "orders"} {
					if got := o.console.lines("not delivered: lock backend failed: " + target + " runs unprotected"); len(got) != 1 ||
						!strings.Contains(got[0], `route="OTLP to `+o.host+`"`) || !strings.Contains(got[0], "error.type=connection_refused") ||
						!strings.Contains(got[0], "trace_id=") || strings.Contains(got[0], "stacktrace") {
						t.Errorf("of %s the console has %q", target, got)
					}
				}
				t.Log(strings.Join(o.console.lines(""), "\n"))
			})
		}
	}
}

func TestTwoRoutesThatFailMakeOneLineOnTheConsole(t *testing.T) {
	t.Setenv("SENTRY_DSN", "http://0123456789abcdef0123456789abcdef@127.0.0.1:1/7")
	o := newBlackout(t, "http/protobuf")
	o.receiver.Refuse()
	o.run(t, 5)
	if err := o.shutdown(t, 2*time.Second); err == nil || !strings.Contains(err.Error(), "sentrylog: ") {
		t.Errorf("Shutdown: %v; want what Sentry did not get", err)
	}
	for _, target := range []string{"projects", "orders"} {
		if got := o.console.lines("not delivered", "lock.target="+target); len(got) != 1 {
			t.Errorf("of %s the console has %q", target, got)
		}
	}
}

func TestAWarningThatOnlySentryDidNotGetIsOnTheConsole(t *testing.T) {
	t.Setenv("SENTRY_DSN", "http://0123456789abcdef0123456789abcdef@127.0.0.1:1/7")
	o := newBlackout(t, "http/protobuf")
	o.run(t, 5)
	if err := o.shutdown(t, 2*time.Second); err == nil {
		t.Error("Shutdown returns no error")
	}
	got := o.console.lines("not delivered", "lock.target=projects", "route=Sentry", "reason=")
	if len(got) != 1 || strings.Contains(got[0], "0123456789abcdef") {
		t.Errorf("the console has %q", got)
	}
}

func TestNothingIsOnTheConsoleWhileTelemetryArrives(t *testing.T) {
	o := newBlackout(t, "http/protobuf")
	o.run(t, 5)
	if err := o.shutdown(t, 10*time.Second); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if got := o.console.lines(); len(got) != 0 || len(o.receiver.Logs()) == 0 {
		t.Errorf("%d records arrived, and the console has %q", len(o.receiver.Logs()), got)
	}
}
