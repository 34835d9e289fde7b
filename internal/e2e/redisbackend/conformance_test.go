package redisbackend

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/backendtest"
)

func TestConformanceOnAnEmbeddedServer(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	backendtest.Run(t, func(t testing.TB) otellock.Backend { return newBackend(t, client(t, server.Addr())) },
		backendtest.WithFastForward(server.FastForward))
}
