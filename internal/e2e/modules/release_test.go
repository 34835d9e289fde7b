package modules

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/otellock/otellock-go/exporter/sentrylog"
	"github.com/otellock/otellock-go/exporter/throttle"
	"github.com/otellock/otellock-go/otellock"
)

// tagged returns the modules that RELEASING.md tags, in its order.
func tagged(t *testing.T) (paths []string) {
	t.Helper()
	text, err := os.ReadFile("../../../RELEASING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "```\n")
	list, _, _ = strings.Cut(list, "```")
	for tag := range strings.FieldsSeq(list) {
		dir, isOurs := strings.CutSuffix(tag, released)
		if !isOurs {
			t.Errorf("RELEASING.md has the tag %s, the version is %s", tag, released)
		}
		paths = append(paths, strings.TrimSuffix(repository+"/"+dir, "/"))
	}
	return paths
}

// For the project itself: nobody outside requires them.
var untagged = regexp.MustCompile(`/(internal|examples|collector-config/(distribution|grafana|test))(/|$)|/benchmarks$`)

func TestEveryModuleThatIsRequiredFromOutsideIsTaggedAfterWhatItRequires(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	tags, modules := tagged(t), map[string]module{}
	for _, dir := range moduleDirs(t) {
		m := read(t, filepath.Join(root, dir))
		modules[m.path] = m
	}
	for i, path := range tags {
		m, ok := modules[path]
		if !ok {
			t.Errorf("RELEASING.md tags %s, which is no module", path)
		}
		for required := range m.requires {
			if ours(required) && !slices.Contains(tags[:i], required) {
				t.Errorf("RELEASING.md tags %s, and not %s before it, which it requires", path, required)
			}
		}
	}
	for path := range modules {
		if !untagged.MatchString(path) && !slices.Contains(tags, path) {
			t.Errorf("RELEASING.md does not tag %s", path)
		}
	}
}

func TestAllInstrumentationScopesHaveTheVersionOfTheRelease(t *testing.T) {
	if throttle.Version != otellock.Version || sentrylog.Version != otellock.Version {
		t.Errorf("versions: otellock %s, throttle %s, sentrylog %s", otellock.Version, throttle.Version, sentrylog.Version)
	}
}

// moduleDirs returns the directories of all modules, by git, "." for the first.
func moduleDirs(t *testing.T) (dirs []string) {
	t.Helper()
	for file := range strings.FieldsSeq(run(t, "../../..", "git", "ls-files", "go.mod", "*/go.mod")) {
		dirs = append(dirs, filepath.ToSlash(filepath.Dir(file)))
	}
	if len(dirs) < 2 {
		t.Fatalf("git knows %d modules", len(dirs))
	}
	return dirs
}

func TestDependabotLooksAtEveryModule(t *testing.T) {
	text, err := os.ReadFile("../../../.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, gomod, _ := strings.Cut(string(text), "package-ecosystem: gomod\n")
	gomod, _, _ = strings.Cut(gomod, "package-ecosystem:")
	_, list, _ := strings.Cut(gomod, "directories:")
	_, list, _ = strings.Cut(list, "\n")
	var listed []string
	for line := range strings.Lines(list) {
		dir, isItem := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !isItem {
			break
		}
		listed = append(listed, strings.Trim(dir, `"`))
	}
	var want []string
	for _, dir := range moduleDirs(t) {
		want = append(want, "/"+strings.TrimPrefix(dir, "."))
	}
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("dependabot.yml lists\n%s\nand the modules are\n%s", strings.Join(listed, "\n"), strings.Join(want, "\n"))
	}
}
