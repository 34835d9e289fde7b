package modules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// During an outage go-redis would print a line for each failed dial, in between
// those that a reader looks for.
func TestEveryExampleOnRedisSwitchesGoRedisDialLinesOff(t *testing.T) {
	programs, err := filepath.Glob("../../../examples/*/main.go")
	if err != nil || len(programs) == 0 {
		t.Fatalf("%d examples, %v", len(programs), err)
	}
	for _, program := range programs {
		source, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(source); strings.Contains(text, "redis.NewClient(") && !strings.Contains(text, "\tlogging.Disable()") {
			t.Errorf("%s makes a client and does not call logging.Disable", program)
		}
	}
}
