// Licenses fails when a module of this repository compiles, or tests with, code that is not under a permissive license.
// It lists what each go.mod needs with `go list` and classifies the license files with licensecheck; it builds nothing.
//
//	go run . ../..
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

const own = "github.com/otellock/otellock-go"

// permissive are the licenses that ask for no more than a notice, by their SPDX ids.
var permissive = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "Unlicense", "Zlib",
}

// exception is where MPL-2.0 is allowed as well, unmodified: the Collector and its components. No application imports
// modules from there.
const exception = "collector-config/"

// minCoverage is how much of a license file must be license text that is known, in percent.
const minCoverage = 75

var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-.].*)?$`)

// notText are the extensions of files that are named like a license and are none: code, and lists of others' licenses.
var notText = []string{".go", ".csv"}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := run(root, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run checks every go.mod that git tracks under root.
func run(root string, out io.Writer) error {
	files, err := output(root, "git", "ls-files", "go.mod", "*/go.mod")
	if err != nil {
		return err
	}
	var refused []error
	for _, file := range strings.Fields(string(files)) {
		dir := filepath.Dir(file)
		found, err := check(filepath.Join(root, dir), strings.HasPrefix(dir+"/", exception))
		if err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", file, err))
		}
		fmt.Fprintf(out, "%-45s %s\n", file, found)
	}
	return errors.Join(refused...)
}

// A tally counts modules by license.
type tally map[string]int

func (t tally) String() string {
	var parts []string
	for _, id := range slices.SortedFunc(maps.Keys(t), func(a, b string) int { return cmp.Or(t[b]-t[a], cmp.Compare(a, b)) }) {
		parts = append(parts, fmt.Sprintf("%d %s", t[id], id))
	}
	return strings.Join(parts, ", ")
}

// check classifies every module of others that the packages and tests of the module in dir import, directly or not.
func check(dir string, allowMPL bool) (tally, error) {
	list, err := output(dir, "go", "list", "-deps", "-test", "-json=Dir,Module", "./...")
	if err != nil {
		return nil, err
	}
	type module struct {
		Path, Version, Dir string
		Replace            *struct{ Path string }
	}
	ids := map[module]map[string]bool{}
	var refused []error
	for dec := json.NewDecoder(strings.NewReader(string(list))); dec.More(); {
		var p struct {
			Dir    string
			Module *module
		}
		if err := dec.Decode(&p); err != nil {
			return nil, err
		}
		if p.Module == nil || p.Module.Path == own || strings.HasPrefix(p.Module.Path, own+"/") {
			continue // the standard library, and what is ours
		}
		m := *p.Module
		if ids[m] == nil {
			ids[m] = map[string]bool{}
		}
		// A folder may have a license of its own, on top of the module's.
		for folder := p.Dir; ; folder = filepath.Dir(folder) {
			if err := classify(folder, allowMPL && m.Replace == nil, ids[m]); err != nil {
				refused = append(refused, fmt.Errorf("%s@%s: %w", m.Path, m.Version, err))
			}
			if folder == m.Dir || len(folder) < len(m.Dir) {
				break
			}
		}
	}
	found := tally{}
	for m, set := range ids {
		if len(set) == 0 {
			refused = append(refused, fmt.Errorf("%s@%s: no license file", m.Path, m.Version))
		}
		found[strings.Join(slices.Sorted(maps.Keys(set)), "+")]++
	}
	slices.SortFunc(refused, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	if len(refused) == 0 {
		return found, nil
	}
	return found, errors.Join(slices.CompactFunc(refused, func(a, b error) bool { return a.Error() == b.Error() })...)
}

// classify adds the licenses of one folder's files to ids.
func classify(folder string, allowMPL bool, ids map[string]bool) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) || slices.Contains(notText, filepath.Ext(e.Name())) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		scan := licensecheck.Scan(text)
		if scan.Percent < minCoverage {
			return fmt.Errorf("%s is no license that is known (%.0f%% of its text is)", e.Name(), scan.Percent)
		}
		for _, match := range scan.Match {
			ids[match.ID] = true
			if !slices.Contains(permissive, match.ID) && !(allowMPL && match.ID == "MPL-2.0") {
				return fmt.Errorf("%s is %s, which is not permissive here: do without the module", e.Name(), match.ID)
			}
		}
	}
	return nil
}

func output(dir string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", cmd, dir, err)
	}
	return out, nil
}
