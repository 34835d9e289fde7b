// This file stands beside redislock's own tests where TestRedislocksOwnTests runs
// them: it installs the pipeline that they run with.
package redislock_test

import (
	"os"
	"testing"

	"github.com/otellock/otellock-go/internal/locktest/pipeline"
)

func TestMain(m *testing.M) {
	pipeline.All[os.Getenv("OTELLOCK_TEST_PIPELINE")].Install()
	os.Exit(m.Run())
}
