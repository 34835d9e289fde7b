package otellock_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

// A call hands over the logger of its request: the warning carries what that
// logger knows.
func ExampleWithLogger() {
	shown := []string{slog.LevelKey, slog.MessageKey, "request.id", "lock.target", "error.type"}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if !slices.Contains(shown, a.Key) { // for a short output
				return slog.Attr{}
			}
			return a
		},
	}))
	backend := memorybackend.New()
	locker, err := otellock.New(backend)
	if err != nil {
		panic(err)
	}
	orders, err := locker.Target("orders", "lock:orders:*")
	if err != nil {
		panic(err)
	}
	backend.Fail(errors.New("away"))

	ofRequest := logger.With("request.id", "r-17")
	for range 100 { // one warning a minute
		err = orders.Mutex("7").With(otellock.WithLogger(ofRequest)).Do(context.Background(),
			func(context.Context) error { return nil })
		if err != nil {
			panic(err)
		}
	}
	// Output:
	// level=WARN msg="lock backend failed: orders runs unprotected" request.id=r-17 lock.target=orders error.type=_OTHER
}
