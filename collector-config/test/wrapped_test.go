package test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	goredis9 "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/etcdtest"
	"github.com/otellock/otellock-go/internal/otlptest"
	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/observe"
	"github.com/otellock/otellock-go/otellock/oteletcd"
	"github.com/otellock/otellock-go/otellock/otelredislock"
	"github.com/otellock/otellock-go/otellock/otelredsync"
	"github.com/otellock/otellock-go/otellock/otelrueidislock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// reference is the target of our own lock, beside which the others are held.
const reference = "otellock"

// A wrappedLock takes a key, for as long as the context allows, and tells how to give it
// back. rob makes it lose a key that it holds.
type wrappedLock struct {
	name string
	take func(ctx context.Context, id string) (release func(context.Context) error, err error)
	rob  func(ctx context.Context, id string) error
	// What the peer does not let be known, as a part of the question.
	unknown []string
}

// The dashboard and the alerts are made for our own lock. Whatever they tell of it, by
// its target, they tell of a wrapped lock that has met the same: contention, a lease
// that is lost, an outage.
func TestWrappedLocksAnswerTheQuestionsThatOurOwnAnswers(t *testing.T) {
	redis, etcd := redistest.Start(t), etcdtest.Start(t)
	backend := otlptest.Start(t)
	c := startCollector(t, []string{"base", "gateway", "output-otlp", "output-prometheus"}, map[string]string{
		"BACKEND_OTLP_ENDPOINT": backend.Endpoint(), "BACKEND_OTLP_AUTHORIZATION": "none",
	})
	prom := startPrometheus(t, c)
	exportTo(t, c)
	tel := setup(t, "wrapped", attribute.String("service.namespace", "test"))
	locks := wrappedLocks(t, tel, redis, etcd)
	settle := func() {
		t.Helper()
		due := time.Now().Add(2 * time.Second)
		eventually(t, 30*time.Second, "Prometheus has caught up", func() error {
			last, err := prom.value(`min(timestamp(up == 1))`)
			if err == nil && last < float64(due.Unix()) {
				err = context.DeadlineExceeded
			}
			return err
		})
	}
	each := func(f func(l wrappedLock)) {
		var group sync.WaitGroup
		for _, l := range locks {
			group.Go(func() { f(l) })
		}
		group.Wait()
	}
	soon := func(d time.Duration) (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), d)
	}

	take := func(l wrappedLock, id string) func(context.Context) error {
		ctx, cancel := soon(30 * time.Second)
		defer cancel()
		release, err := l.take(ctx, id)
		if err != nil {
			t.Errorf("%s: %v", l.name, err)
			return nil
		}
		return release
	}

	// A first one of each, so that what follows is an increase.
	each(func(l wrappedLock) {
		if release := take(l, "first"); release != nil {
			_ = release(t.Context())
		}
	})
	settle()
	each(func(l wrappedLock) {
		for range 2 {
			release := take(l, "busy")
			if release == nil {
				return
			}
			ctx, cancel := soon(time.Second) // below that an etcd that is slow leaves an entry in the queue
			if _, err := l.take(ctx, "busy"); err == nil {
				t.Errorf("%s: two hold the key", l.name)
			}
			<-ctx.Done() // held and waited for when Prometheus looks
			cancel()
			_ = release(t.Context())
		}
		release := take(l, "robbed")
		if release == nil {
			return
		}
		if err := l.rob(t.Context(), "robbed"); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		_ = release(t.Context())
	})
	settle()
	redis.Kill()
	etcd.Stop()
	// A series that is born with the outage has no increase before its second failure.
	// On a busy machine rueidislock has two: some of its refusals are timeouts.
	for range 5 {
		each(func(l wrappedLock) {
			var group sync.WaitGroup
			for range 5 {
				group.Go(func() {
					ctx, cancel := soon(time.Second)
					defer cancel()
					if _, err := l.take(ctx, "outage"); err == nil {
						t.Errorf("%s: a lock without a server", l.name)
					}
				})
			}
			group.Wait()
		})
		settle()
	}

	at, asked := time.Now(), 0
	ask := func(what, expr string) {
		got, err := prom.queryAt(expr, at)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		answered := map[string]bool{}
		for _, s := range got {
			answered[s.labels["lock_target"]] = answered[s.labels["lock_target"]] || !math.IsNaN(s.value)
		}
		if !answered[reference] {
			return // it is not asked by target, or nothing that has happened here answers it
		}
		asked++
		for _, l := range locks {
			unknown := slices.ContainsFunc(l.unknown, func(part string) bool { return strings.Contains(expr, part) })
			if !answered[l.name] && !unknown {
				t.Errorf("%s has no answer for %s: %s", what, l.name, expr)
			}
		}
	}
	for _, r := range rulesOf(t, filepath.Join(prometheusDir, "rules.yaml")) {
		ask(r.name(), opened(r))
	}
	for _, q := range dashboardQueries(t, "prometheus") {
		ask(q.panel, q.expr)
	}
	for what, expr := range onCall {
		ask(what, expr)
	}
	if asked < 8 {
		t.Errorf("only %d questions are answered for our own lock", asked)
	}
	for _, l := range locks {
		for what, expr := range map[string]string{
			"the outage": `sum(max_over_time(lock_attempts_total{lock_outcome="backend_error",lock_target="` + l.name + `"}[5m])) > 0`,
			"the loss":   `sum(increase(lock_attempts_total{error_type=~"lost|stolen",lock_target="` + l.name + `"}[5m])) > 0`,
		} {
			if got, err := prom.query(expr); err != nil || len(got) == 0 {
				t.Errorf("%s: %s is not there: %v", l.name, what, err)
			}
		}
	}
	t.Logf("%d questions of a real Prometheus are answered for %d locks", asked, len(locks))
}

func wrappedLocks(t *testing.T, tel *exporter.Telemetry, redis *redistest.Server, etcd *etcdtest.Server) []wrappedLock {
	t.Helper()
	options := func(target, pattern string) []observe.Option {
		return []observe.Option{observe.WithTracerProvider(tel.TracerProvider()), observe.WithMeterProvider(tel.MeterProvider()),
			observe.WithLoggerProvider(tel.LoggerProvider()), observe.WithThrottle(tel), observe.WithTarget(target, pattern)}
	}
	const ttl = time.Minute
	rdb := goredis9.NewClient(redisbackend.Options(redis.Addr))
	t.Cleanup(func() { _ = rdb.Close() })
	del := func(prefix string) func(context.Context, string) error {
		return func(ctx context.Context, id string) error { return rdb.Del(ctx, prefix+id).Err() }
	}

	own := target(t, newLocker(t, rdb, tel, otellock.WithThrottle(tel), otellock.WithFailClosed(true)), reference, "lock:otellock:*", otellock.WithTTL(ttl))
	redislock := otelredislock.New(rdb, options("redislock", "lock:redislock:*")...)
	waits := &otelredislock.Options{RetryStrategy: otelredislock.LinearBackoff(5 * time.Millisecond)}
	redsync := otelredsync.New(goredis.NewPool(rdb)).With(options("redsync", "lock:redsync:*")...)
	rueidislock, err := otelrueidislock.NewLocker(otelrueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{redis.Addr}}, KeyPrefix: "lock", KeyValidity: 2 * time.Second, KeyMajority: 2, NoLoopTracking: true,
	}, options("rueidislock", "rueidislock:*")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rueidislock.Close)
	etcdClient, err := etcd.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = etcdClient.Close() })
	etcdLocks := oteletcd.New(options("etcd", "/locks/etcd/*")...)
	sessions := make(chan *oteletcd.Session, 8)
	for range cap(sessions) {
		session, err := oteletcd.NewSession(etcdClient)
		if err != nil {
			t.Fatal(err)
		}
		sessions <- session
	}
	holders := sync.Map{} // of sessions, by id

	return []wrappedLock{
		{reference, func(ctx context.Context, id string) (func(context.Context) error, error) {
			lease, err := own.Mutex(id).Lock(ctx)
			if err != nil {
				return nil, err
			}
			return lease.Release, nil
		}, del("lock:otellock:"), nil},
		{"redislock", func(ctx context.Context, id string) (func(context.Context) error, error) {
			lock, err := redislock.Obtain(ctx, "lock:redislock:"+id, ttl, waits)
			if err != nil {
				return nil, err
			}
			return lock.Release, nil
		}, del("lock:redislock:"), nil},
		{"redsync", func(ctx context.Context, id string) (func(context.Context) error, error) {
			tries := 32
			if id == "busy" {
				tries = 1000 // until the context ends, as the others do
			}
			mutex := redsync.NewMutex("lock:redsync:"+id, otelredsync.WithExpiry(ttl),
				otelredsync.WithRetryDelay(5*time.Millisecond), otelredsync.WithTries(tries))
			if err := mutex.LockContext(ctx); err != nil {
				return nil, err
			}
			return func(ctx context.Context) error { _, err := mutex.UnlockContext(ctx); return err }, nil
		}, del("lock:redsync:"), nil},
		{"rueidislock", func(ctx context.Context, id string) (func(context.Context) error, error) {
			held, giveUp := context.WithCancel(context.WithoutCancel(ctx))
			stop := context.AfterFunc(ctx, giveUp)
			lost, release, err := rueidislock.WithContext(held, "rueidislock:"+id)
			stop()
			if err != nil {
				giveUp()
				return nil, err
			}
			return func(ctx context.Context) error {
				if id == "robbed" {
					<-lost.Done() // it is told of the loss
				}
				release()
				giveUp()
				return nil
			}, nil
		}, func(ctx context.Context, id string) error {
			return rdb.Del(ctx, "lock:0:rueidislock:"+id, "lock:1:rueidislock:"+id, "lock:2:rueidislock:"+id).Err()
		}, []string{"utilization", "contended"}},
		{"etcd", func(ctx context.Context, id string) (func(context.Context) error, error) {
			session := <-sessions
			mutex := etcdLocks.NewMutex(session, "/locks/etcd/"+id)
			if err := mutex.Lock(ctx); err != nil {
				sessions <- session
				return nil, err
			}
			holders.Store(id, session)
			return func(ctx context.Context) error {
				if id == "robbed" {
					<-session.Done() // it is told of the loss, and the session is of no more use
					return nil
				}
				defer func() { sessions <- session }()
				return mutex.Unlock(ctx)
			}, nil
		}, func(ctx context.Context, id string) error {
			session, _ := holders.Load(id)
			_, err := etcdClient.Revoke(ctx, session.(*oteletcd.Session).Lease())
			return err
		}, []string{"utilization", "contended"}},
	}
}
