package exporter

import (
	"context"
	"errors"
)

var errShutDown = errors.New("exporter: shut down before the export had an answer")

// bounded returns ctx, ended also when life ends, which it does when
// [Telemetry.Shutdown] gives up. The SDK's batch processors export on a
// background context: a server that hangs would keep their goroutines for
// another 10 to 30 seconds.
func bounded(ctx, life context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
