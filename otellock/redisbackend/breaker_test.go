package redisbackend_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/redistest"
	"github.com/otellock/otellock-go/otellock"
	"github.com/redis/go-redis/v9"
)

// typeOf is the error.type of an acquire that failed closed, empty if it did not fail.
func typeOf(err error) string {
	var own *otellock.Error
	if errors.As(err, &own) {
		return own.Type
	}
	return ""
}

// One master of three is silent. The acquires that need it fail at once after a few
// of them, those that do not are served all the time.
func TestAMasterThatIsSilentCostsTheOthersOfItsClusterNoCall(t *testing.T) {
	cluster := redistest.StartCluster(t)
	rdb := cluster.Client(func(o *redis.ClusterOptions) { o.PoolTimeout, o.PoolSize = time.Minute, 64 })
	locker, err := otellock.New(newBackend(t, rdb), otellock.WithFailClosed(true), otellock.WithTTL(time.Minute),
		otellock.WithAttemptTimeout(2*time.Second), otellock.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = locker.Close(expiring(t, 10*time.Second)) })
	do := func(key string) error {
		return locker.UndeclaredMutex(key).Do(context.Background(), func(context.Context) error { return nil })
	}
	for i := range 50 { // connects to all
		if err := do(fmt.Sprint("warm:", i)); err != nil {
			t.Fatal(err)
		}
	}
	silent := cluster.Servers[1].Addr
	isSilent := func(key string) bool {
		node, err := rdb.MasterForKey(t.Context(), key)
		return err == nil && node.Options().Addr == silent
	}
	run(t, cluster.Servers[1].Client(), "CLIENT", "PAUSE", time.Hour.Milliseconds(), "ALL")

	var mu sync.Mutex
	types := map[string]int{}
	for burst := range 6 {
		var group sync.WaitGroup
		for i := range 24 {
			key := fmt.Sprint("burst:", burst, ":", i)
			group.Go(func() {
				err := do(key)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case isSilent(key):
					types[typeOf(err)]++
				case err != nil:
					t.Errorf("a key of a master that is well: %v", err)
				}
			})
		}
		group.Wait()
	}
	if types["breaker_open"] == 0 || types[""] != 0 {
		t.Errorf("the acquires of the silent master ended as %v", types)
	}
	if types["timeout"] > 3*24 {
		t.Errorf("%d acquires waited for their timeout", types["timeout"])
	}
}

// A server that is silent for a while is used again as soon as it answers a probe.
func TestAServerThatAnswersAgainIsUsedAgain(t *testing.T) {
	server := redistest.Start(t)
	m := newMember(t, client(t, server.Addr), otellock.WithAttemptTimeout(100*time.Millisecond))
	do := func() error {
		return m.target.Mutex("7").Do(context.Background(), func(context.Context) error { return nil })
	}
	poll(t, "it works", func() bool { return do() == nil })
	run(t, server.Client(), "CLIENT", "PAUSE", 3000, "ALL")
	poll(t, "the breaker is open", func() bool { return typeOf(do()) == "breaker_open" })
	poll(t, "it works again", func() bool { return do() == nil })
}
