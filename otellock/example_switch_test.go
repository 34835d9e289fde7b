package otellock_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A switch for an emergency: with it off, everything runs at once, unprotected,
// and is counted as disabled.
func ExampleWithEnabled() {
	var locking atomic.Bool // a feature flag, in production
	locker, err := otellock.New(memorybackend.New(),
		otellock.WithEnabled(func(context.Context) bool { return locking.Load() }))
	if err != nil {
		panic(err)
	}
	imports, err := locker.Target("imports", "lock:imports:*")
	if err != nil {
		panic(err)
	}
	run := func() {
		err := imports.Mutex("7").Do(context.Background(), func(ctx context.Context) error {
			fmt.Println("protected:", otellock.LeaseFromContext(ctx).Protected())
			return nil
		})
		if err != nil {
			panic(err)
		}
	}
	locking.Store(true)
	run()
	locking.Store(false)
	run()
	// Output:
	// protected: true
	// protected: false
}
