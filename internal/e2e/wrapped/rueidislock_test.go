package wrapped

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/locktest"
	"github.com/otellock/otellock-go/internal/locktest/pipeline"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/otelrueidislock"
)

// A rueidislockWorld is a server, a wrapped Locker on it, and another's bare one.
type rueidislockWorld struct {
	server *redistest.Server
	rdb    *redis.Client
	locks  rueidislock.Locker
	other  rueidislock.Locker
	tel    *locktest.Telemetry
}

// patient is a Locker's option that a busy machine does not fail.
func patient(server *redistest.Server) rueidislock.LockerOption {
	return rueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{server.Addr}},
		KeyValidity:  long, TryNextAfter: wait, NoLoopTracking: true,
	}
}

// oneKey makes the commands of a lock the same each time: the last of several keys is
// set by a goroutine that the end of the lock may overtake. Who waits for a lock of
// one key may wait forever in rueidislock v1.0.79, which can forget its gate before
// it counts the failure.
func oneKey(o *rueidislock.LockerOption) { o.KeyMajority = 1 }

func newRueidislockWorld(t *testing.T, change ...func(*rueidislock.LockerOption)) *rueidislockWorld {
	t.Helper()
	w := &rueidislockWorld{server: redistest.Start(t), tel: locktest.NewTelemetry()}
	w.rdb = w.server.Client(once)
	option := patient(w.server)
	for _, f := range change {
		f(&option)
	}
	var err error
	if w.locks, err = otelrueidislock.NewLocker(option, observed(w.tel)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.locks.Close)
	if w.other, err = rueidislock.NewLocker(patient(w.server)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.other.Close)
	return w
}

func (w *rueidislockWorld) take(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel, err := w.locks.WithContext(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, cancel
}

// hold takes the lock for somebody else.
func (w *rueidislockWorld) hold(t *testing.T) context.CancelFunc {
	t.Helper()
	_, cancel, err := w.other.WithContext(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return cancel
}

// ends waits for the end of the context.
func ends(t *testing.T, ctx context.Context) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(wait):
		t.Error("the context of the lock does not end")
	}
}

func TestRueidislockTellsWhatBecomesOfALock(t *testing.T) {
	acquired, released := told{operation: "acquire", outcome: "acquired"}, told{operation: "release", outcome: "released"}
	lost := told{operation: "release", outcome: "release_error", errorType: "lost"}
	short := func(o *rueidislock.LockerOption) { o.TryNextAfter = 50 * time.Millisecond }
	for name, test := range map[string]struct {
		change func(*rueidislock.LockerOption)
		play   func(*testing.T, *rueidislockWorld)
		want   []told
	}{
		"released": {nil, func(t *testing.T, w *rueidislockWorld) {
			_, cancel := w.take(t)
			cancel()
			cancel()
		}, []told{acquired, released}},
		"released, one key": {oneKey, func(t *testing.T, w *rueidislockWorld) {
			_, cancel := w.take(t)
			cancel()
		}, []told{acquired, released}},
		"released by the end of the caller's context": {nil, func(t *testing.T, w *rueidislockWorld) {
			parent, cancel := context.WithCancel(t.Context())
			ctx, release, err := w.locks.WithContext(parent, secret)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			ends(t, ctx)
			gauge(t, w.tel, "lock.held", 0)
			release()
		}, []told{acquired, released}},
		"tried and got": {nil, func(t *testing.T, w *rueidislockWorld) {
			_, cancel, err := w.locks.TryWithContext(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
		}, []told{acquired, released}},
		"busy, tried once": {nil, func(t *testing.T, w *rueidislockWorld) {
			defer w.hold(t)()
			if _, _, err := w.locks.TryWithContext(t.Context(), secret); !errors.Is(err, rueidislock.ErrNotLocked) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "skipped"}}},
		"busy to the caller's deadline": {nil, func(t *testing.T, w *rueidislockWorld) {
			defer w.hold(t)()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, _, err := w.locks.WithContext(ctx, secret); err != context.DeadlineExceeded {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "canceled"}}},
		"cancelled before": {nil, func(t *testing.T, w *rueidislockWorld) {
			if _, _, err := w.locks.TryWithContext(canceled(t), secret); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "canceled"}}},
		"the backend is down, tried once": {func(o *rueidislock.LockerOption) {
			o.ClientOption.DisableRetry, o.TryNextAfter = true, 30*time.Second // or a busy machine makes it a timeout
		}, func(t *testing.T, w *rueidislockWorld) {
			w.server.Kill()
			client := w.locks.Client()
			locktest.Eventually(t, "refused", func() bool {
				return errors.Is(client.Do(t.Context(), client.B().Ping().Build()).Error(), syscall.ECONNREFUSED)
			})
			if _, _, err := w.locks.TryWithContext(t.Context(), secret); err == nil {
				t.Error("it was taken")
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "connection_refused"}}},
		"the backend is down, and the client repeats itself": {func(o *rueidislock.LockerOption) { o.KeyValidity = time.Second }, func(t *testing.T, w *rueidislockWorld) {
			w.server.Kill()
			if _, _, err := w.locks.TryWithContext(t.Context(), secret); err == nil {
				t.Error("it was taken")
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "timeout"}}},
		"the backend hangs to the caller's deadline": {short, func(t *testing.T, w *rueidislockWorld) {
			w.server.Suspend()
			defer w.server.Resume()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, _, err := w.locks.WithContext(ctx, secret); err != context.DeadlineExceeded {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "timeout"}}},
		"the server takes no writes": {nil, func(t *testing.T, w *rueidislockWorld) {
			w.rdb.ConfigSet(t.Context(), "min-replicas-to-write", "1")
			if _, _, err := w.locks.TryWithContext(t.Context(), secret); err == nil {
				t.Error("it was taken")
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "NOREPLICAS"}}},
		"the Locker was closed: no operation, as with otellock's": {nil, func(t *testing.T, w *rueidislockWorld) {
			w.locks.Close()
			for _, take := range []func(context.Context, string) (context.Context, context.CancelFunc, error){
				w.locks.WithContext, w.locks.TryWithContext, w.locks.ForceWithContext,
			} {
				if ctx, cancel, err := take(t.Context(), secret); err != rueidislock.ErrLockerClosed || ctx != nil || cancel != nil {
					t.Error(ctx, cancel == nil, err)
				}
			}
		}, nil},
		"the peer's own Locker was closed": {nil, func(t *testing.T, w *rueidislockWorld) {
			w.locks.(interface{ Unwrap() rueidislock.Locker }).Unwrap().Close()
			if _, _, err := w.locks.WithContext(t.Context(), secret); err != rueidislock.ErrLockerClosed {
				t.Error(err)
			}
		}, []told{{operation: "acquire", outcome: "backend_error", errorType: "closed"}}},
		"closed while it is held": {nil, func(t *testing.T, w *rueidislockWorld) {
			ctx, cancel := w.take(t)
			w.locks.Close()
			ends(t, ctx)
			cancel()
			gauge(t, w.tel, "lock.held", 0)
		}, []told{acquired, released}},
		"lost": {nil, func(t *testing.T, w *rueidislockWorld) {
			ctx, cancel := w.take(t)
			w.rdb.FlushAll(t.Context())
			ends(t, ctx)
			gauge(t, w.tel, "lock.held", 0) // told before cancel is called
			cancel()
		}, []told{acquired, lost}},
		"lost, and cancel is called at once": {nil, func(t *testing.T, w *rueidislockWorld) {
			for range 20 {
				parent, end := context.WithCancel(t.Context())
				ctx, cancel, err := w.locks.WithContext(parent, secret)
				if err != nil {
					t.Fatal(err)
				}
				w.rdb.FlushAll(t.Context())
				<-ctx.Done()
				cancel()
				end()
			}
		}, slices.Repeat([]told{acquired, lost}, 20)},
		"taken over, which it cannot tell from lost": {nil, func(t *testing.T, w *rueidislockWorld) {
			ctx, cancel := w.take(t)
			defer cancel()
			_, release, err := w.other.ForceWithContext(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			ends(t, ctx)
			gauge(t, w.tel, "lock.held", 0)
		}, []told{acquired, lost}},
		"took over": {nil, func(t *testing.T, w *rueidislockWorld) {
			defer w.hold(t)()
			_, cancel, err := w.locks.ForceWithContext(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
		}, []told{acquired, released}},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*rueidislock.LockerOption)
			if test.change != nil {
				change = append(change, test.change)
			}
			w := newRueidislockWorld(t, change...)
			test.play(t, w)
			checkTold(t, w.tel, test.want...)
			gauge(t, w.tel, "lock.waiting", 0)
			gauge(t, w.tel, "lock.held", 0)
		})
	}
}

func TestRueidislockMeasuresHowLongALockIsWaitedForAndHeld(t *testing.T) {
	t.Parallel()
	w := newRueidislockWorld(t)
	release := w.hold(t)
	second := make(chan context.CancelFunc, 1)
	go func() {
		_, cancel, err := w.locks.WithContext(context.Background(), secret)
		if err != nil {
			t.Error(err)
		}
		second <- cancel
	}()
	gauge(t, w.tel, "lock.waiting", 1)
	release()
	var cancel context.CancelFunc
	select {
	case cancel = <-second:
	case <-time.After(wait):
		t.Fatal("it is not woken")
	}
	gauge(t, w.tel, "lock.waiting", 0)
	gauge(t, w.tel, "lock.held", 1)
	cancel()
	gauge(t, w.tel, "lock.held", 0)
	for metric, want := range map[string]uint64{"lock.acquire.duration": 1, "lock.hold.duration": 1, "lock.hold.utilization": 0} {
		if n := recorded(t, w.tel, metric); n != want {
			t.Errorf("%s was recorded %d times, want %d", metric, n, want)
		}
	}
	if attrs := locktest.PlainAttributes(w.tel.Ended("acquire" + span)[0].Attributes()); attrs["lock.retries"].(int64) < 1 || attrs["lock.mode"] != "wait" {
		t.Errorf("the span of the one who waited has %v", attrs)
	}
}

// The program that closes its Locker ends the waits. Nothing has failed.
func TestAWaitThatTheCloseOfALockerOfRueidislockEndsIsContended(t *testing.T) {
	t.Parallel()
	w := newRueidislockWorld(t)
	defer w.hold(t)()
	const waiters = 3
	ended := make(chan error, waiters)
	for range waiters {
		go func() {
			_, _, err := w.locks.WithContext(context.Background(), secret)
			ended <- err
		}()
	}
	gauge(t, w.tel, "lock.waiting", waiters)
	w.locks.Close()
	for range waiters {
		select {
		case err := <-ended:
			if err != rueidislock.ErrLockerClosed {
				t.Error(err)
			}
		case <-time.After(wait):
			t.Fatal("it waits on")
		}
	}
	gauge(t, w.tel, "lock.waiting", 0)
	if got, want := w.tel.Attempts(t), (map[locktest.Attempt]int64{{"acquire", "contended", "", ""}: waiters}); !maps.Equal(got, want) {
		t.Errorf("lock.attempts is %v, want %v", got, want)
	}
	if n := len(w.tel.Warnings()); n != 0 {
		t.Errorf("there are %d warnings, want none", n)
	}
}

func TestTheContextOfALockOfRueidislockIsTheCallers(t *testing.T) {
	t.Parallel()
	w := newRueidislockWorld(t)
	type key struct{}
	reason := errors.New("the caller's reason")
	parent, parentSpan := w.tel.Tracers.Tracer("caller").Start(context.WithValue(t.Context(), key{}, "value"), "caller")
	parent, cancel := context.WithCancelCause(parent)
	ctx, release, err := w.locks.WithContext(parent, secret)
	if err != nil {
		t.Fatal(err)
	}
	if got := trace.SpanFromContext(ctx); got != parentSpan || ctx.Value(key{}) != "value" {
		t.Errorf("the context of the lock has the span %v and the value %v", got, ctx.Value(key{}))
	}
	cancel(reason)
	ends(t, ctx)
	if context.Cause(ctx) != reason {
		t.Errorf("its cause is %v", context.Cause(ctx))
	}
	release()
	parentSpan.End()
	if spans := w.tel.Ended("acquire" + span); spans[0].Parent().SpanID() != parentSpan.SpanContext().SpanID() {
		t.Error("the span of the acquire is not a child of the caller's")
	}
}

func TestAWrappedLockerGivesThePeersOwnLockerAndClient(t *testing.T) {
	t.Parallel()
	w := newRueidislockWorld(t)
	peer := w.locks.(interface{ Unwrap() rueidislock.Locker }).Unwrap()
	_, cancel, err := peer.WithContext(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	client := w.locks.Client()
	if got, err := client.Do(t.Context(), client.B().Ping().Build()).ToString(); got != "PONG" || err != nil {
		t.Error(got, err)
	}
	checkTold(t, w.tel)
	option := patient(w.server)
	var built rueidis.Client
	option.ClientBuilder = func(option rueidis.ClientOption) (client rueidis.Client, err error) {
		built, err = rueidis.NewClient(option)
		return built, err
	}
	locks, err := otelrueidislock.NewLocker(option)
	if err != nil {
		t.Fatal(err)
	}
	defer locks.Close()
	if locks.Client() != built {
		t.Error("the client is another than the builder's")
	}
	no := errors.New("no client")
	option.ClientBuilder = func(rueidis.ClientOption) (rueidis.Client, error) { return nil, no }
	if locks, err := otelrueidislock.NewLocker(option); err != no || locks != nil {
		t.Errorf("NewLocker returned %v, %v", locks, err)
	}
	if locks, err := otelrueidislock.NewLocker(patient(w.server), observe.WithTarget("", "")); err == nil || locks != nil {
		t.Errorf("with a bad target, NewLocker returned %v, %v", locks, err)
	}
}

// The same calls on a Locker of the peer and of the wrapper, on the same server, must
// return the same, and send the same.
func TestRueidislockDoesTheSameWrapped(t *testing.T) {
	for name, p := range pipeline.All {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			rdb := server.Client(once)
			for name, play := range rueidislockPlays {
				t.Run(name, func(t *testing.T) {
					counted := name != "waited for" // how often it is tried is a matter of time
					run := func(newLocker func(rueidislock.LockerOption) (rueidislock.Locker, error)) (said, sent []string) {
						renew(t, server, rdb)
						m := watchCommands(t, server)
						say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
						play(t, server, func(option rueidislock.LockerOption) (rueidislock.Locker, error) {
							if counted {
								oneKey(&option)
							}
							return newLocker(option)
						}, say)
						return said, normal(m.stop(t))
					}
					wantSaid, wantSent := run(rueidislock.NewLocker)
					said, sent := run(func(option rueidislock.LockerOption) (rueidislock.Locker, error) {
						return otelrueidislock.NewLocker(option, p.Options()...)
					})
					if got, want := strings.Join(said, "\n"), strings.Join(wantSaid, "\n"); got != want || want == "" {
						t.Errorf("wrapped, it says\n%s\nwant\n%s", got, want)
					}
					if got, want := strings.Join(sent, "\n"), strings.Join(wantSent, "\n"); counted && (got != want || want == "") && name != "no server" {
						t.Errorf("wrapped, it sends\n%s\nwant\n%s", got, want)
					}
				})
			}
		})
	}
}

// random is the values and the times that differ from run to run, in a script's
// arguments.
var random = regexp.MustCompile(`(:secret" ).*$`)

// extend is a renewal, which comes when an invalidation or the time does.
var extend = regexp.MustCompile(`PEXPIREAT|"852ba6ec6104340ced36643283c856d4698569e4"`)

// normal returns the commands in any order, without what differs.
func normal(commands []string) []string {
	commands = slices.DeleteFunc(commands, extend.MatchString)
	for i, c := range commands {
		commands[i] = random.ReplaceAllString(c, "$1 ...")
	}
	slices.Sort(commands)
	return commands
}

type newLocker = func(rueidislock.LockerOption) (rueidislock.Locker, error)

var rueidislockPlays = map[string]func(*testing.T, *redistest.Server, newLocker, func(string, ...any)){
	"take and let go": func(t *testing.T, server *redistest.Server, create newLocker, say func(string, ...any)) {
		option := patient(server)
		option.KeyPrefix = "prefix"
		locks := open(t, option, create)
		for _, take := range []func(context.Context, string) (context.Context, context.CancelFunc, error){
			locks.WithContext, locks.TryWithContext, locks.ForceWithContext,
		} {
			ctx, cancel, err := take(t.Context(), secret)
			say("taken: %v, %v", err, ctx.Err())
			cancel()
			say("let go: %v, %v", ctx.Err(), context.Cause(ctx))
			cancel()
		}
	},
	"SET PX": func(t *testing.T, server *redistest.Server, create newLocker, say func(string, ...any)) {
		option := patient(server)
		option.FallbackSETPX = true
		_, cancel, err := open(t, option, create).WithContext(t.Context(), secret)
		say("taken: %v", err)
		cancel()
	},
	"busy": func(t *testing.T, server *redistest.Server, create newLocker, say func(string, ...any)) {
		first, second := open(t, patient(server), create), open(t, patient(server), create)
		held, release, err := first.WithContext(t.Context(), secret)
		say("first: %v", err)
		ctx, cancel, err := second.TryWithContext(t.Context(), secret)
		say("tried: %v, %v, %v, %v", err, errors.Is(err, rueidislock.ErrNotLocked), ctx.Err(), cancel != nil)
		ctx, cancel, err = second.WithContext(canceled(t), secret)
		say("cancelled: %v, %v, %v", err, ctx == nil, cancel == nil)
		ctx, cancel, err = second.TryWithContext(canceled(t), secret)
		say("tried, cancelled: %v, %v, %v", err, ctx.Err(), cancel != nil)
		_, cancel, err = second.ForceWithContext(t.Context(), secret)
		say("forced: %v", err)
		ends(t, held)
		say("first: %v, %v", held.Err(), context.Cause(held))
		cancel()
		release()
	},
	"waited for": func(t *testing.T, server *redistest.Server, create newLocker, say func(string, ...any)) {
		locks := open(t, patient(server), create)
		_, release, err := locks.WithContext(t.Context(), secret)
		say("first: %v", err)
		rdb := server.Client(once)
		before := scriptsRun(t, rdb)
		second := make(chan error, 1)
		go func() {
			_, cancel, err := locks.WithContext(context.Background(), secret)
			cancel()
			second <- err
		}()
		locktest.Eventually(t, "refused", func() bool { return scriptsRun(t, rdb) > before })
		release()
		select {
		case err := <-second:
			say("second: %v", err)
		case <-time.After(wait):
			t.Fatal("the second is not woken")
		}
	},
	"closed": func(t *testing.T, server *redistest.Server, create newLocker, say func(string, ...any)) {
		locks := open(t, patient(server), create)
		ctx, cancel, err := locks.WithContext(t.Context(), secret)
		say("taken: %v", err)
		locks.Close()
		ends(t, ctx)
		cancel()
		for _, take := range []func(context.Context, string) (context.Context, context.CancelFunc, error){
			locks.WithContext, locks.TryWithContext, locks.ForceWithContext,
		} {
			ctx, cancel, err := take(t.Context(), secret)
			say("closed: %v, %v, %v", err, ctx == nil, cancel == nil)
		}
	},
	"no server": func(t *testing.T, server *redistest.Server, create newLocker, say func(string, ...any)) {
		option := patient(server)
		option.ClientOption.InitAddress = nil
		locks, err := create(option)
		say("%v, %v", locks == nil, err)
	},
}

// scriptsRun returns how many scripts the server was asked to run.
func scriptsRun(t *testing.T, rdb *redis.Client) (n int) {
	t.Helper()
	info, err := rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`cmdstat_eval(?:sha)?:calls=(\d+)`).FindAllStringSubmatch(info, -1) {
		calls, _ := strconv.Atoi(match[1])
		n += calls
	}
	return n
}

func open(t *testing.T, option rueidislock.LockerOption, create newLocker) rueidislock.Locker {
	t.Helper()
	locks, err := create(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(locks.Close)
	return locks
}
