package otelrueidislock_test

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/otellock/otellock-go/otellock/observe"
	rueidislock "github.com/otellock/otellock-go/otellock/otelrueidislock"
)

// A program that uses rueidislock: the import is another, and NewLocker is told what
// the names of the locks stand for.
func Example() {
	locker, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}},
	}, observe.WithTarget("projects", "projects:*"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer locker.Close()

	ctx, cancel, err := locker.WithContext(context.Background(), "projects:42")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cancel()
	<-ctx.Done() // the work: the lock is lost where this ends by itself
}
