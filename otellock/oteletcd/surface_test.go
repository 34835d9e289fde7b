package oteletcd_test

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const (
	peerPath = "go.etcd.io/etcd/client/v3/concurrency"
	ownPath  = "github.com/otellock/otellock-go/otellock/oteletcd"
)

// Whatever compiles with etcd's package compiles with this one: every exported name
// is there, of the same kind and with the same type, methods included, where Mutex
// and Election stand for etcd's.
func TestEverythingThatEtcdExportsIsHereWithTheSameType(t *testing.T) {
	packages := load(t, peerPath, ownPath)
	peer, own := packages[0].Scope(), packages[1].Scope()
	plain := func(typ types.Type) string {
		return strings.ReplaceAll(types.TypeString(types.Unalias(typ), nil), ownPath+".", peerPath+".")
	}
	names := 0
	for _, name := range peer.Names() {
		theirs := peer.Lookup(name)
		if !theirs.Exported() {
			continue
		}
		names++
		ours := own.Lookup(name)
		if ours == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		if _, isType := theirs.(*types.TypeName); !isType {
			if got, want := plain(ours.Type()), plain(theirs.Type()); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
			continue
		}
		if types.Identical(types.Unalias(ours.Type()), types.Unalias(theirs.Type())) {
			continue // an alias
		}
		want := types.NewMethodSet(types.NewPointer(theirs.Type()))
		got := types.NewMethodSet(types.NewPointer(ours.Type()))
		for method := range want.Methods() {
			selection := got.Lookup(packages[1], method.Obj().Name())
			if !method.Obj().Exported() {
				continue
			}
			if selection == nil {
				t.Errorf("%s.%s is missing", name, method.Obj().Name())
			} else if got, want := plain(selection.Type()), plain(method.Type()); got != want {
				t.Errorf("%s.%s is %s, want %s", name, method.Obj().Name(), got, want)
			}
		}
	}
	if names < 20 {
		t.Errorf("etcd's package has %d exported names", names)
	}
}

// load returns the types of packages, from the export data that the go command has.
func load(t *testing.T, paths ...string) (packages []*types.Package) {
	t.Helper()
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}"}, paths...)
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		exports[path] = file
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	from := importer.ForCompiler(token.NewFileSet(), "gc", lookup)
	for _, path := range paths {
		p, err := from.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	return packages
}
