package exporter

import (
	"context"
	"errors"
)

var errShutDown = errors.New("exporter: shut down before the export had an answer")

// bounded returns a context that ends with ctx or with life, whichever is first.
// [Telemetry.Shutdown] ends life when it gives up: the SDK's batch processors export
// on a background context, and a server that hangs would keep their goroutines for
// another 10 to 30 seconds.
func bounded(ctx, life context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
