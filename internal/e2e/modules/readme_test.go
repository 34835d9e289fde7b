package modules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// The blocks are a program in the order of the page: the lock, a handler, and the
// telemetry. The lines of a wrapped lock and of lockz, which are modules of their
// own, are no part of it.
func TestTheCodeInREADMECompiles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, b := range goBlock.FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(b[1], "import ") && !strings.Contains(b[1], "lockz.Handler") {
			blocks = append(blocks, b[1])
		}
	}
	if len(blocks) != 3 {
		t.Fatalf("README.md has %d blocks of Go, this test knows 3", len(blocks))
	}
	if lines := strings.Count(blocks[0], "\n"); lines != 12 {
		t.Errorf("the lock takes %d lines", lines)
	}
	dir := newApplication(t, []string{repository + "/otellock", repository + "/otellock/redisbackend", repository + "/exporter"})
	code := `package application

import (
	"context"
	"errors"
	"net/http"

	"github.com/redis/go-redis/v9"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

func lock() error {
` + blocks[0] + `
	_ = projects
	return nil
}

func handle(ctx context.Context, w http.ResponseWriter, projects *otellock.Target, id string, save func(context.Context, string) error) {
` + blocks[1] + `
}

func telemetry(ctx context.Context, backend otellock.Backend) error {
` + blocks[2] + `
	_, err = otellock.New(backend, otellock.WithThrottle(telemetry))
	return err
}
`
	if err := os.WriteFile(filepath.Join(dir, "application.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "go", "mod", "tidy")
	run(t, dir, "go", "vet", ".")
}
