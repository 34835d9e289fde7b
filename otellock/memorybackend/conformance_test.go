package memorybackend_test

import (
	"testing"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/backendtest"
	"github.com/otellock/otellock-go/otellock/memorybackend"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(testing.TB) otellock.Backend { return memorybackend.New() })
}
