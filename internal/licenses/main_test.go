package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyPermissiveLicensesPass(t *testing.T) {
	for name, c := range map[string]struct {
		folder  string            // of the module that imports the dependency
		files   map[string]string // of the dependency, by name: the text they hold
		refused string            // part of the error, empty: none
	}{
		"MIT":                          {"lib/x", map[string]string{"LICENSE": "MIT"}, ""},
		"BSD, in a file with a suffix": {"lib/x", map[string]string{"LICENSE.txt": "BSD-3-Clause"}, ""},
		"AGPL":                         {"lib/x", map[string]string{"LICENSE": "AGPL-3.0"}, "LICENSE is AGPL-3.0"},
		"AGPL in the Collector":        {"collector-config/x", map[string]string{"LICENSE": "AGPL-3.0"}, "LICENSE is AGPL-3.0"},
		"GPL beside MIT":               {"lib/x", map[string]string{"LICENSE": "MIT", "COPYING": "GPL-2.0"}, "COPYING is GPL-2.0"},
		"SSPL in the package's folder": {"lib/x", map[string]string{"LICENSE": "MIT", "sub/LICENSE": "SSPL-1.0"}, "LICENSE is SSPL-1.0"},
		"none":                         {"lib/x", nil, "example.com/dep@v1.0.0: no license file"},
		"no known text":                {"lib/x", map[string]string{"LICENSE": ""}, "no license that is known"},
		"MPL outside of the Collector": {"lib/x", map[string]string{"LICENSE": "MPL-2.0"}, "LICENSE is MPL-2.0"},
		"MPL of a replaced module":     {"collector-config/x", map[string]string{"LICENSE": "MPL-2.0"}, "LICENSE is MPL-2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, c.folder+"/go.mod", "module "+own+"/user\n\ngo 1.26.0\n\nrequire example.com/dep v1.0.0\n\nreplace example.com/dep => ../../dep\n")
			write(t, root, c.folder+"/user_test.go", "package user\n\nimport _ \"example.com/dep/sub\"\n")
			dep := filepath.Join(root, c.folder, "../../dep")
			write(t, dep, "go.mod", "module example.com/dep\n\ngo 1.26.0\n")
			write(t, dep, "sub/sub.go", "package sub\n")
			for file, license := range c.files {
				write(t, dep, file, text(t, license))
			}
			for _, args := range [][]string{{"init", "-q"}, {"add", c.folder}} {
				if out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			err := run(root, io.Discard)
			if c.refused == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("err = %v, want one with %q", err, c.refused)
			}
		})
	}
}

func TestMPLPassesWhereItIsAllowed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "LICENSE", text(t, "MPL-2.0"))
	ids := map[string]bool{}
	if err := classify(dir, true, ids); err != nil || !ids["MPL-2.0"] {
		t.Errorf("err %v, found %v", err, ids)
	}
}

// text is a license as licensecheck's own tests have it.
func text(t *testing.T, license string) string {
	t.Helper()
	if license == "" {
		return "Ask us before you use this, and pay what we say."
	}
	dir, err := output(".", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/licensecheck")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata", license+".t1"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n\n") // above it stands what the scan must say
	return body
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
