// Command gen writes what package semconv has of the registry: the Go files, the
// reference in Markdown, and what is published at the schema URL. It runs in the directory of that package.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/otellock/otellock-go/internal/semconvregistry"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	r, err := semconvregistry.Default()
	if err != nil {
		return err
	}
	files, err := generate(r)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
