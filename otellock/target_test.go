package otellock_test

import (
	"context"
	"testing"

	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// While a service moves from another library, old and new instances have to meet
// on one key.
func TestAnIDLocksTheKeyThatOtherCodeMakesOfIt(t *testing.T) {
	locker := newLocker(t, memorybackend.New(), newTelemetry().Options()...)
	projects := newTarget(t, locker, "projects", "lock:projects:*")
	for _, id := range []string{"eu:9", "{acme}:7", "50%", "a\x00b\xff", "%3A"} {
		err := locker.UndeclaredMutex("lock:projects:"+id).Do(context.Background(), func(context.Context) error {
			ran, err := projects.Mutex(id).TryDo(context.Background(), func(context.Context) error { return nil })
			if ran || err != nil {
				t.Errorf("the id %q ran beside the holder of its key: %v", id, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
