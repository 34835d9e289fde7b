package redisbackend_test

import (
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/locktest"
)

// What these tests share with those of other modules, under short names.
const (
	attempt = locktest.AttemptTimeout
	late    = time.Second // what a loaded machine may add to it
)

var (
	claim      = locktest.Marked
	operations = locktest.Operations
	again      = locktest.Again
	warm       = locktest.Warm
	patient    = locktest.Patient
)

func checkClass(t *testing.T, operation string, err error, class string) {
	t.Helper()
	locktest.CheckClass(t, "redisbackend", operation, err, class)
}
