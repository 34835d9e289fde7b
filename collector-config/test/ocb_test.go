package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What README gives to ocb, as it is, beside a clone of this repository, becomes a
// Collector that has both components.
func TestTheManifestInReadmeBuilds(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "### In your own Collector")
	section, _, _ = strings.Cut(section, "\n### ")
	_, rest, _ := strings.Cut(section, "```yaml\n")
	manifest, _, found := strings.Cut(rest, "```")
	ocb := regexp.MustCompile(`go\.opentelemetry\.io/collector/cmd/builder@v[0-9.]+`).FindString(section)
	if !found || ocb == "" {
		t.Fatal("README has no manifest, or does not say how ocb is run")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "manifest.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(dir, "otellock-go")); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	said := run("go", "run", ocb, "--config", "manifest.yaml")
	binaries, err := filepath.Glob(filepath.Join(dir, "otelcol", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, binary := range binaries {
		if filepath.Ext(binary) != "" { // sources, go.mod, go.sum
			continue
		}
		components := run(binary, "components")
		for _, name := range []string{"name: lockthrottle\n", "name: sentryissue\n"} {
			if !strings.Contains(components, name) {
				t.Errorf("it has no %s:\n%s", name, components)
			}
		}
		return
	}
	t.Errorf("ocb has left no Collector:\n%s", said)
}
