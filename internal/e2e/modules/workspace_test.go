// Package modules tests what an application gets that requires modules of this
// repository: it runs the go command on them as they are, without go.work.
package modules

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otellock/otellock-go/otellock"
)

const (
	repository = "github.com/otellock/otellock-go"
	released   = "v" + otellock.Version // that every module requires the others at
)

// A module is one of go.work.
type module struct {
	path, dir string
	requires  map[string]string // versions, by module path
	replaced  map[string]string // directories, by module path
}

// workspace returns the modules of go.work, by their paths.
func workspace(t *testing.T) map[string]module {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	var work struct{ Use []struct{ DiskPath string } }
	edit(t, &work, "work", filepath.Join(root, "go.work"))
	modules := map[string]module{}
	for _, use := range work.Use {
		var file struct {
			Module  struct{ Path string }
			Require []struct{ Path, Version string }
			Replace []struct{ Old, New struct{ Path string } }
		}
		m := module{dir: filepath.Join(root, use.DiskPath), requires: map[string]string{}, replaced: map[string]string{}}
		edit(t, &file, "mod", filepath.Join(m.dir, "go.mod"))
		m.path = file.Module.Path
		for _, r := range file.Require {
			m.requires[r.Path] = r.Version
		}
		for _, r := range file.Replace {
			m.replaced[r.Old.Path] = filepath.Join(m.dir, r.New.Path)
		}
		modules[m.path] = m
	}
	if len(modules) < 2 {
		t.Fatalf("go.work has %d modules", len(modules))
	}
	return modules
}

// edit decodes what `go mod edit` or `go work edit` says of a file.
func edit(t *testing.T, into any, kind, file string) {
	t.Helper()
	if _, err := os.ReadFile(file); err != nil { // go test sees by it that the result depends on the file
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(run(t, filepath.Dir(file), "go", kind, "edit", "-json", file)), into); err != nil {
		t.Fatal(err)
	}
}

// run returns what the command prints, and fails the test where it does.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s in %s: %v\n%s", cmd, dir, err, stderr.String())
	}
	return string(out)
}

func ours(path string) bool { return path == repository || strings.HasPrefix(path, repository+"/") }

func TestEveryModuleRequiresTheOthersAtTheReleaseWithAReplaceBeside(t *testing.T) {
	modules := workspace(t)
	for _, m := range modules {
		for path, version := range m.requires {
			if !ours(path) {
				continue
			}
			if version != released {
				t.Errorf("%s requires %s %s, want %s", m.path, path, version, released)
			}
			if got, want := m.replaced[path], modules[path].dir; got != want {
				t.Errorf("%s replaces %s by %q, want %q", m.path, path, got, want)
			}
		}
	}
}

// otelredislock requires the client that redislock requires, and no newer one: an
// application that swaps its import keeps its own.
func TestModulesOfTheWorkspaceRequireTheSameVersions(t *testing.T) {
	const keepsItsClient, client = repository + "/otellock/otelredislock", "github.com/redis/go-redis/v9"
	type requirement struct{ by, version string }
	first := map[string]requirement{}
	for _, m := range workspace(t) {
		for path, version := range m.requires {
			if m.path == keepsItsClient && path == client {
				continue
			}
			if f, ok := first[path]; ok && f.version != version {
				t.Errorf("%s requires %s %s, %s %s", m.path, path, version, f.by, f.version)
			} else if !ok {
				first[path] = requirement{m.path, version}
			}
		}
	}
}
