package otelredislock_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/otellock/observe"
	redislock "github.com/otellock/otellock-go/otellock/otelredislock"
)

// A program that uses redislock: the import is another, and New says what the keys
// stand for.
func Example() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()
	locker := redislock.New(client, observe.WithTarget("projects", "lock:projects:*"))

	ctx := context.Background()
	lock, err := locker.Obtain(ctx, "lock:projects:42", 10*time.Second, &redislock.Options{
		RetryStrategy: redislock.LimitRetry(redislock.LinearBackoff(100*time.Millisecond), 30),
	})
	if err == redislock.ErrNotObtained {
		fmt.Println("somebody else is saving this project")
		return
	} else if err != nil {
		fmt.Println(err)
		return
	}
	defer lock.Release(ctx)
}
