package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// Markers that are planted where a secret may be. They hold capitals and digits,
// for a plain lower-case word of a derived key is shown by design; the last
// segment is hidden whatever it is.
const (
	markID     = "Zk1IDmark"
	markKey    = "Zk2KEYmark"
	markLast   = "zklastmark"
	markServer = "Zk3SERVERmark"
	markFn     = "Zk4FNmark"
	markCause  = "Zk5CAUSEmark"
	markValue  = "Zk6VALUEmark"
)

var marks = []string{markID, markKey, markLast, markServer, markFn, markCause, markValue}

// A spy is a scripted backend that learns the tokens, and prints what it is
// given as a careless backend would.
type spy struct {
	*scriptedBackend
	mu      sync.Mutex
	tokens  map[string]bool
	last    otellock.Claim
	printed *printed
}

func (s *spy) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	s.look(ctx, c)
	return s.scriptedBackend.Acquire(ctx, c)
}

func (s *spy) Extend(ctx context.Context, c otellock.Claim) error {
	s.look(ctx, c)
	return s.scriptedBackend.Extend(ctx, c)
}

func (s *spy) Release(ctx context.Context, c otellock.Claim) error {
	s.look(ctx, c)
	return s.scriptedBackend.Release(ctx, c)
}

func (s *spy) look(ctx context.Context, c otellock.Claim) {
	s.mu.Lock()
	s.tokens[c.Token] = true
	s.last = c
	s.mu.Unlock()
	s.printed.all(c, &c)
	s.printed.attempt(ctx)
}

// serverError is the text of a server that repeats all it knows.
func (s *spy) serverError(more string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("ERR %s %s key %s token %s", markServer, more, s.last.Key, s.last.Token)
}

// printed is every value that a program might print, in all ways to print it.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) all(values ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range values {
		fmt.Fprintf(&p.text, "%v\n%+v\n%#v\n%s\n%q\n", v, v, v, v, v)
		slog.New(slog.NewJSONHandler(&p.text, nil)).Info("printed", "value", v)
		if err, ok := v.(error); ok {
			wrapped := fmt.Errorf("wrapped: %w", err)
			fmt.Fprintf(&p.text, "%s\n%v\n%+v\n%#v\n", err.Error(), wrapped, wrapped, errors.Join(err, err))
		}
	}
}

// attempt prints the context of an attempt in the ways that ask for its String:
// %#v would walk through the timer of a standard context.
func (p *printed) attempt(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(&p.text, "%v\n%+v\n%s\n", ctx, ctx, ctx)
}

// context prints one and what is derived from it.
func (p *printed) context(ctx context.Context) {
	type key struct{}
	value := context.WithValue(ctx, key{}, 1)
	timed, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	p.all(ctx, value, timed, context.WithoutCancel(ctx), otellock.LeaseFromContext(ctx))
}

// A ring is what a leak is looked for in: everything that one Locker emits and
// everything printed.
type ring struct {
	spy     *spy
	locker  *otellock.Locker
	printed *printed
	console *syncBuffer
	loggers []*slog.Logger
}

type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func newRing(t *testing.T, opts ...otellock.Option) *ring {
	r := &ring{printed: &printed{}, console: &syncBuffer{}}
	r.spy = &spy{scriptedBackend: newScripted(), tokens: map[string]bool{}, printed: r.printed}
	everything := &slog.HandlerOptions{AddSource: true, Level: slog.LevelDebug}
	r.loggers = []*slog.Logger{
		nil, // the OpenTelemetry pipeline
		slog.New(slog.NewTextHandler(r.console, everything)),
		slog.New(slog.NewJSONHandler(r.console, everything)),
	}
	var err error
	r.locker, err = otellock.New(r.spy, append(opts,
		otellock.WithAttemptTimeout(2*time.Millisecond), otellock.WithWait(time.Millisecond),
		otellock.WithBackoff(100*time.Microsecond, time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mutexes are the same lock, made in every way; broken ones too.
func (r *ring) mutexes(t *testing.T, id1, id2 string) []otellock.Mutex {
	target := newTarget(t, r.locker, "projects", "lock:{*}:projects:*")
	single := newTarget(t, r.locker, "cron", "lock:cron:nightly")
	first, second := id1+markID+id2, id2+markID+id1
	key := id1 + markKey + id2
	r.printed.all(target, single)
	return []otellock.Mutex{
		target.Mutex(first, second),
		target.KeyMutex("lock:{" + key + "}:projects:" + key),
		r.locker.UndeclaredMutex("lock:" + key + ":" + markLast),
		r.locker.UndeclaredMutex(key + ":projects:" + markLast),
		r.locker.UndeclaredMutex(markLast),
		target.Mutex(first),
		target.Mutex(first, ""),
		single.Mutex(second),
		single.KeyMutex(key),
		target.KeyMutex(key),
	}
}

// An act is one use of a lock. text is the fuzzer's.
type act func(r *ring, m otellock.Mutex, text string) error

func (r *ring) script(queue *[]fault, faults ...fault) {
	r.spy.scriptedBackend.Mu.Lock()
	defer r.spy.scriptedBackend.Mu.Unlock()
	*queue = append((*queue)[:0], faults...)
}

func (r *ring) fails(text string) fault {
	return func(context.Context, func() error) error { return r.spy.serverError(text) }
}

// steal gives the key that was asked for last to somebody else.
func (r *ring) steal() {
	r.spy.mu.Lock()
	c := r.spy.last
	r.spy.mu.Unlock()
	r.spy.Clear()
	_, _ = r.spy.Backend.Acquire(context.Background(), otellock.Claim{Key: c.Key, Token: "another", TTL: time.Minute})
}

// A tattler is an error of a backend that hides text in its class.
type tattler struct{ error }

func (t tattler) ErrorType() string { return t.Error() }

var acts = []act{
	func(r *ring, m otellock.Mutex, text string) error {
		return m.Do(context.Background(), func(ctx context.Context) error {
			r.printed.context(ctx)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			r.printed.all(m.Do(ctx, nothing)) // held by this context
			return m.With(otellock.WithWait(0)).Do(context.Background(), nothing)
		})
	},
	func(r *ring, m otellock.Mutex, text string) error { // fails open
		r.script(&r.spy.OnAcquire, r.fails(text))
		return m.Do(context.Background(), nothing)
	},
	func(r *ring, m otellock.Mutex, text string) error { // fails closed
		r.script(&r.spy.OnAcquire, r.fails(text))
		_, err := m.With(otellock.WithFailClosed(true)).TryDo(context.Background(), nothing)
		return err
	},
	func(r *ring, m otellock.Mutex, text string) error { // a class that is text
		r.script(&r.spy.OnAcquire, func(context.Context, func() error) error { return tattler{r.spy.serverError(text)} })
		return m.With(otellock.WithFailClosed(true)).Do(context.Background(), nothing)
	},
	func(r *ring, m otellock.Mutex, text string) error { // nobody answers
		r.script(&r.spy.OnAcquire, func(ctx context.Context, call func() error) error {
			return fmt.Errorf("%w: %w", r.spy.serverError(text), losesReply(ctx, call))
		})
		return m.With(otellock.WithFailClosed(true)).Do(context.Background(), nothing)
	},
	func(r *ring, m otellock.Mutex, text string) error { // lost
		return m.With(otellock.WithFailClosed(true)).Do(context.Background(), func(ctx context.Context) error {
			r.spy.Clear()
			return nil
		})
	},
	func(r *ring, m otellock.Mutex, text string) error { // stolen
		return m.With(otellock.WithFailClosed(true)).Do(context.Background(), func(ctx context.Context) error {
			r.steal()
			r.printed.all(otellock.LeaseFromContext(ctx).Extend(ctx, time.Minute))
			return nil
		})
	},
	func(r *ring, m otellock.Mutex, text string) error { // released by hand, and the backend fails
		lease, err := m.Lock(context.Background())
		if err != nil {
			return err
		}
		r.printed.all(lease)
		r.script(&r.spy.OnExtend, works, r.fails(text), r.fails(text))
		r.script(&r.spy.OnRelease, r.fails(text), r.fails(text))
		for range 2 {
			r.printed.all(lease.Extend(context.Background(), time.Minute))
		}
		err = lease.Release(context.Background())
		r.printed.all(lease, lease.Extend(context.Background(), time.Minute))
		return err
	},
	func(r *ring, m otellock.Mutex, text string) error { // left to Close
		lease, ok, err := m.TryLock(context.Background())
		r.printed.all(lease, ok)
		return err
	},
	func(r *ring, m otellock.Mutex, text string) error { // fn's own error is its own, but no telemetry's
		_ = m.Do(context.Background(), func(context.Context) error {
			r.spy.Clear()
			return errors.New(markFn + text)
		})
		return nil
	},
	func(r *ring, m otellock.Mutex, text string) error { // fn panics
		defer func() { _ = recover() }()
		return m.Do(context.Background(), func(context.Context) error {
			r.spy.Clear()
			panic(markFn + text)
		})
	},
	func(r *ring, m otellock.Mutex, text string) error { // cancelled, and the cause talks
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New(markCause + text))
		return m.Do(ctx, nothing)
	},
	func(r *ring, m otellock.Mutex, text string) error { // the caller's values are its own
		type key struct{}
		ctx := context.WithValue(context.Background(), key{}, fmt.Errorf("%s%s", markValue, text))
		r.script(&r.spy.OnAcquire, r.fails(text))
		return m.With(otellock.WithFailClosed(true)).Do(ctx, nothing)
	},
	func(r *ring, m otellock.Mutex, text string) error { // disabled
		return m.With(otellock.WithEnabled(func(context.Context) bool { return false })).Do(context.Background(), func(ctx context.Context) error {
			r.printed.context(ctx)
			return nil
		})
	},
	func(r *ring, m otellock.Mutex, text string) error { // refused
		return errors.Join(m.Do(context.Background(), nil), m.With(otellock.WithTTL(0)).Do(context.Background(), nothing))
	},
}

// expectClean fails if a marker or a token is in the text.
func (r *ring) expectClean(t *testing.T, where, text string) {
	t.Helper()
	r.spy.mu.Lock()
	defer r.spy.mu.Unlock()
	expectNoMark(t, where, text)
	for token := range r.spy.tokens {
		if token != "" && strings.Contains(text, token) {
			t.Errorf("%s: the token %s: %s", where, token, around(text, token))
		}
	}
}

func expectNoMark(t *testing.T, where, text string) {
	t.Helper()
	for _, mark := range marks {
		if strings.Contains(text, mark) {
			t.Errorf("%s: %s: %s", where, mark, around(text, mark))
		}
	}
}

func around(text, secret string) string {
	i := strings.Index(text, secret)
	return fmt.Sprintf("%q", text[max(0, i-120):min(len(text), i+len(secret)+120)])
}

// A wire is providers whose telemetry goes to an OTLP receiver in this process.
type otlpWire struct {
	receiver *otlptest.Receiver
	tracers  *sdktrace.TracerProvider
	loggers  *sdklog.LoggerProvider
}

func newOTLPWire(tb testing.TB) *otlpWire {
	ctx := context.Background()
	w := &otlpWire{receiver: otlptest.Start(tb)}
	w.receiver.Setenv(tb, "http/protobuf")
	spans, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	logs, err := autoexport.NewLogExporter(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	w.tracers = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	w.loggers = sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)))
	tb.Cleanup(func() {
		if err := errors.Join(w.tracers.Shutdown(ctx), w.loggers.Shutdown(ctx)); err != nil {
			tb.Error(err)
		}
	})
	return w
}

// meters is a provider of its own for each Locker: series of many of them would
// add up.
func (w *otlpWire) meters(t *testing.T) *sdkmetric.MeterProvider {
	reader, err := autoexport.NewMetricReader(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
}

// take flushes, and returns all bytes that arrived since the last time, per
// signal.
func (w *otlpWire) take(t *testing.T, meters *sdkmetric.MeterProvider) map[otlptest.Signal]string {
	t.Helper()
	ctx := context.Background()
	if err := errors.Join(w.tracers.ForceFlush(ctx), w.loggers.ForceFlush(ctx), meters.Shutdown(ctx)); err != nil {
		t.Fatal(err)
	}
	bytes := map[otlptest.Signal]string{}
	for _, request := range w.receiver.Requests() {
		bytes[request.Signal] += string(request.Body)
	}
	w.receiver.Reset()
	return bytes
}

// FuzzNothingLeaks plants markers in ids, keys, tokens, the server's error texts,
// fn's errors and causes of cancellation, uses a lock in the given ways, and
// looks for them in the bytes that leave the process over OTLP, on the console,
// and in everything that a program may print.
func FuzzNothingLeaks(f *testing.F) {
	every := make([]byte, len(acts))
	for i := range every {
		every[i] = byte(i)
	}
	f.Add("1", "2", "text", every)
	f.Add("a:b", "{c}", "%s %v\n", every)
	f.Add("a-b", "\x00\xff", "\xff", every)
	f.Add("", "x:y:z:a:b:c:d:e", "*otellock.Error", []byte{1, 2, 3, 7, 12})
	f.Add("words:of:a:key:", ":more", "timeout", []byte{5, 6, 9, 10, 8})
	f.Add("lock:projects", "*", "", []byte{4, 11, 13, 14})

	wire := newOTLPWire(f)
	var refused atomic.Value // a fuzzed text that got out may show by what protobuf refuses
	old := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { refused.Store(err.Error()) }))
	f.Cleanup(func() { otel.SetErrorHandler(old) })
	f.Fuzz(func(t *testing.T, id1, id2, text string, script []byte) {
		if len(script) > 2*len(acts) {
			return
		}
		meters := wire.meters(t)
		r := newRing(t, otellock.WithTracerProvider(wire.tracers), otellock.WithMeterProvider(meters), otellock.WithLoggerProvider(wire.loggers))
		mutexes := r.mutexes(t, id1, id2)
		for i, b := range script {
			for j, m := range mutexes {
				r.spy.Clear()
				m = m.With(otellock.WithLogger(r.loggers[(i+j)%len(r.loggers)]))
				err := acts[int(b)%len(acts)](r, m, text)
				r.script(&r.spy.OnAcquire)
				r.script(&r.spy.OnExtend)
				r.script(&r.spy.OnRelease)
				r.printed.all(m, err)
			}
		}
		r.printed.all(r.locker, r.locker.Close(context.Background()))
		r.expectClean(t, "printed", r.printed.text.String())
		r.expectClean(t, "console", r.console.String())
		for signal, bytes := range wire.take(t, meters) {
			r.expectClean(t, "OTLP "+string(signal), bytes)
		}
		if err := refused.Swap(""); err != nil && err != "" {
			t.Errorf("OpenTelemetry: %v", err)
		}
	})
}

// The search of FuzzNothingLeaks is no good if nothing arrives where it looks.
func TestTheLeakSearchSeesEverySignal(t *testing.T) {
	wire := newOTLPWire(t)
	meters := wire.meters(t)
	r := newRing(t, otellock.WithTracerProvider(wire.tracers), otellock.WithMeterProvider(meters), otellock.WithLoggerProvider(wire.loggers))
	m := newTarget(t, r.locker, "visiblename", "lock:visiblepattern:*").Mutex("1")
	for _, logger := range r.loggers {
		r.printed.all(acts[2](r, m.With(otellock.WithLogger(logger)), ""))
	}
	if err := r.locker.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	bytes := wire.take(t, meters)
	for where, text := range map[string]string{
		"printed": r.printed.text.String(), "console": r.console.String(),
		"traces": bytes[otlptest.Traces], "metrics": bytes[otlptest.Metrics], "logs": bytes[otlptest.Logs],
	} {
		if !strings.Contains(text, "visiblename") {
			t.Errorf("%s: the target's name is not in %d bytes", where, len(text))
		}
	}
	if len(r.spy.tokens) == 0 {
		t.Error("the spy learned no token")
	}
}

// A real client of a server whose errors repeat the key, behind the whole set-up
// of a program.
func TestNothingLeaksFromRedis(t *testing.T) {
	receiver := otlptest.Start(t)
	receiver.Setenv(t, "http/protobuf")
	ctx := context.Background()
	tel, err := exporter.Setup(ctx, exporter.WithoutGlobals())
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.RunT(t)
	rdb := redis.NewClient(redisbackend.Options(server.Addr()))
	t.Cleanup(func() { _ = rdb.Close() })
	backend, err := redisbackend.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	var p printed
	console := &syncBuffer{}
	l := newLocker(t, backend, otellock.WithTracerProvider(tel.TracerProvider()),
		otellock.WithMeterProvider(tel.MeterProvider()), otellock.WithLoggerProvider(tel.LoggerProvider()),
		otellock.WithThrottle(tel), otellock.WithAttemptTimeout(5*time.Second))
	loggers := []*slog.Logger{nil, slog.New(slog.NewJSONHandler(console, nil))}
	tokens := map[string]bool{}
	for i, code := range []string{"ERR", "LOADING", "WRONGTYPE", "READONLY", "NOTACODE", markServer} {
		// Targets of their own, or the throttle would hold back all but the first.
		target := newTarget(t, l, fmt.Sprintf("projects-%d", i), fmt.Sprintf("lock:projects-%d:*", i))
		for _, m := range []otellock.Mutex{target.Mutex(markID), target.KeyMutex(fmt.Sprintf("lock:projects-%d:%s", i, markKey)), l.UndeclaredMutex("lock:" + markLast)} {
			m = m.With(otellock.WithLogger(loggers[i%2]))
			failure := code + " key lock:" + markID + " " + markKey + " " + markServer
			server.SetError(failure)
			p.all(m.Do(ctx, nothing), m.With(otellock.WithFailClosed(true)).Do(ctx, nothing))
			server.SetError("")
			p.all(m.With(otellock.WithFailClosed(true)).Do(ctx, func(context.Context) error {
				for _, key := range server.Keys() {
					token, err := server.Get(key)
					if err != nil {
						t.Error(err)
					}
					tokens[token] = true
				}
				server.SetError(failure + fmt.Sprint(tokens))
				return nil
			}))
			server.SetError("")
			server.FlushAll()
		}
	}
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := tel.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if len(tokens) < 18 || len(receiver.Spans()) == 0 || len(receiver.Logs()) == 0 || len(receiver.Metrics()) == 0 || console.String() == "" {
		t.Fatalf("%d tokens, %d spans, %d records, %d metrics, console %q", len(tokens),
			len(receiver.Spans()), len(receiver.Logs()), len(receiver.Metrics()), console)
	}
	for token := range tokens {
		if receiver.Contains(token) || strings.Contains(p.text.String()+console.String(), token) {
			t.Errorf("the token %s is shown", token)
		}
	}
	for _, request := range receiver.Requests() {
		expectNoMark(t, "OTLP "+string(request.Signal), string(request.Body))
	}
	expectNoMark(t, "console", console.String())
	expectNoMark(t, "printed", p.text.String())
}
