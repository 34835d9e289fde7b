package modules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var workCommand = regexp.MustCompile(`(?m)^go (work (?:init|use) [^#\n]*)`)

// Until the first release the workspace that README.md describes is how a service gets
// the modules: all packages that the page shows have to be in it.
func TestTheWorkspaceOfREADMEHasThePackagesThatREADMEShows(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(dir, "otellock-go")); err != nil {
		t.Fatal(err)
	}
	code := `package application

import (
	_ "github.com/redis/go-redis/v9"

	_ "github.com/otellock/otellock-go/exporter"
	_ "github.com/otellock/otellock-go/otellock"
	_ "github.com/otellock/otellock-go/otellock/lockz"
	_ "github.com/otellock/otellock-go/otellock/otelredislock"
	_ "github.com/otellock/otellock-go/otellock/redisbackend"
)
`
	for name, content := range map[string]string{"go.mod": "module example.com/application\n\ngo 1.26.0\n", "application.go": code} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range workCommand.FindAllStringSubmatch(string(text), -1) {
		run(t, dir, "env", append([]string{"GOWORK=", "go"}, strings.Fields(command[1])...)...)
	}
	run(t, dir, "env", "GOWORK=", "go", "build", ".")
}
