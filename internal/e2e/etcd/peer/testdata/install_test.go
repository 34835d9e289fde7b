// This file stands beside etcd's own tests where they are run: it installs the
// pipeline that they run with, before etcd's TestMain.
package peer_test

import (
	"os"

	"go.opentelemetry.io/otel"

	"github.com/otellock/otellock-go/internal/locktest/pipeline"
)

func init() {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	p, ok := pipeline.All[os.Getenv("OTELLOCK_TEST_PIPELINE")]
	if !ok {
		panic("OTELLOCK_TEST_PIPELINE names no pipeline")
	}
	p.Install()
}
