package otelredsync_test

import (
	"context"
	"fmt"

	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/otellock/observe"
	redsync "github.com/otellock/otellock-go/otellock/otelredsync"
)

// A program that uses redsync: the import is another, and With says what the names of
// the mutexes stand for.
func Example() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()
	rs := redsync.New(goredis.NewPool(client)).With(observe.WithTarget("projects", "lock:projects:*"))

	ctx := context.Background()
	mutex := rs.NewMutex("lock:projects:42", redsync.WithTries(10))
	if err := mutex.LockContext(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer mutex.UnlockContext(ctx)
}
