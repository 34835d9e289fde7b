package redisbackend_test

import (
	"context"
	"fmt"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

func ExampleNew() {
	rdb := redis.NewClient(redisbackend.Options("localhost:6379"))
	defer rdb.Close()
	backend, err := redisbackend.New(rdb)
	if err != nil {
		fmt.Println(err)
		return
	}
	locker, err := otellock.New(backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer locker.Close(context.Background())
	projects, err := locker.Target("projects", "lock:projects:*")
	if err != nil {
		fmt.Println(err)
		return
	}
	err = projects.Mutex("42").Do(context.Background(), func(context.Context) error {
		fmt.Println("the only one on project 42")
		return nil
	})
	fmt.Println(err)
}

// A client that serves other purposes too needs two options. Its retries may
// stay on: the backend's commands are sent once all the same.
func ExampleNew_sharedClient() {
	rdb := redis.NewClient(&redis.Options{
		Addr:                     "localhost:6379",
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	defer rdb.Close()
	_, err := redisbackend.New(rdb)
	fmt.Println(err)

	withDefaults := redis.NewClient(&redis.Options{Addr: "localhost:6379"})
	defer withDefaults.Close()
	_, err = redisbackend.New(withDefaults)
	fmt.Println(err)
	// Output:
	// <nil>
	// redisbackend: set redis.Options.ContextTimeoutEnabled to true: without it a hung server holds every call for the client's ReadTimeout, whatever the lock's own timeouts
}
