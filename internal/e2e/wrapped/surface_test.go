package wrapped

import (
	"encoding/json"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/redis/rueidis/rueidislock"

	"github.com/otellock/otellock-go/otellock/otelredislock"
	"github.com/otellock/otellock-go/otellock/otelredsync"
	"github.com/otellock/otellock-go/otellock/otelrueidislock"
)

// Who uses a peer can import the wrapper in its place: every exported name is there,
// with the type that it has in the peer. Types are aliases of the peer's but for the
// few that are wrapped, whose methods and fields are compared in turn.
func TestAWrapperHasAllOfItsPeersSurface(t *testing.T) {
	for _, test := range []struct {
		peer, wrapper string
		wraps         []string // types that are no aliases
		more          []string // what the wrapper has besides
	}{
		{"github.com/bsm/redislock", "otelredislock", []string{"Client", "Lock"}, []string{"Client.Unwrap", "Lock.Unwrap"}},
		{"github.com/go-redsync/redsync/v4", "otelredsync", []string{"Mutex", "Redsync"}, []string{"Mutex.Unwrap", "Redsync.Unwrap", "Redsync.With"}},
		{"github.com/redis/rueidis/rueidislock", "otelrueidislock", nil, nil},
	} {
		t.Run(test.wrapper, func(t *testing.T) {
			const ours = "github.com/otellock/otellock-go/otellock/"
			load := loader(t, test.peer, ours+test.wrapper)
			peer, wrapper := load(test.peer), load(ours+test.wrapper)
			c := surface{peer: peer, wrapper: wrapper, wraps: test.wraps}
			for _, name := range peer.Scope().Names() {
				if token.IsExported(name) {
					c.compare(t, name)
				}
			}
			for _, name := range wrapper.Scope().Names() {
				if token.IsExported(name) && peer.Scope().Lookup(name) == nil {
					c.more = append(c.more, name)
				}
			}
			slices.Sort(c.more)
			if !slices.Equal(c.more, test.more) {
				t.Errorf("the wrapper has %v besides, want %v", c.more, test.more)
			}
		})
	}
}

func TestAWrapperHasItsPeersErrors(t *testing.T) {
	for _, test := range []struct{ got, want error }{
		{otelredislock.ErrNotObtained, redislock.ErrNotObtained},
		{otelredislock.ErrLockNotHeld, redislock.ErrLockNotHeld},
		{otelredsync.ErrFailed, redsync.ErrFailed},
		{otelredsync.ErrExtendFailed, redsync.ErrExtendFailed},
		{otelredsync.ErrLockAlreadyExpired, redsync.ErrLockAlreadyExpired},
		{otelrueidislock.ErrNotLocked, rueidislock.ErrNotLocked},
		{otelrueidislock.ErrLockerClosed, rueidislock.ErrLockerClosed},
	} {
		if test.got != test.want {
			t.Errorf("%v is not the peer's", test.got)
		}
	}
}

type surface struct {
	peer, wrapper *types.Package
	wraps, more   []string
}

func (c *surface) compare(t *testing.T, name string) {
	want, got := c.peer.Scope().Lookup(name), c.wrapper.Scope().Lookup(name)
	_, isType := want.(*types.TypeName)
	switch {
	case got == nil:
		t.Errorf("%s is not there", name)
	case isType && slices.Contains(c.wraps, name):
		c.compareMethods(t, name, want.Type(), got.Type())
		c.compareFields(t, name, want.Type(), got.Type())
	case isType:
		if !types.Identical(types.Unalias(got.Type()), want.Type()) {
			t.Errorf("%s is %v, not an alias of the peer's", name, got.Type())
		}
	default:
		c.compareTypes(t, name, want.Type(), got.Type())
	}
}

func (c *surface) compareMethods(t *testing.T, name string, want, got types.Type) {
	wanted, has := types.NewMethodSet(types.NewPointer(want)), types.NewMethodSet(types.NewPointer(got))
	for m := range wanted.Methods() {
		if !m.Obj().Exported() {
			continue
		}
		own := has.Lookup(m.Obj().Pkg(), m.Obj().Name())
		if own == nil {
			t.Errorf("%s has no method %s", name, m.Obj().Name())
			continue
		}
		c.compareTypes(t, name+"."+m.Obj().Name(), m.Type(), own.Type())
	}
	for m := range has.Methods() {
		if m.Obj().Exported() && wanted.Lookup(m.Obj().Pkg(), m.Obj().Name()) == nil {
			c.more = append(c.more, name+"."+m.Obj().Name())
		}
	}
}

func (c *surface) compareFields(t *testing.T, name string, want, got types.Type) {
	fields := func(typ types.Type) map[string]types.Type {
		all := map[string]types.Type{}
		for f := range typ.Underlying().(*types.Struct).Fields() {
			if f.Exported() {
				all[f.Name()] = f.Type()
			}
		}
		return all
	}
	has := fields(got)
	for field, typ := range fields(want) {
		if has[field] == nil {
			t.Errorf("%s has no field %s", name, field)
			continue
		}
		c.compareTypes(t, name+"."+field, typ, has[field])
	}
}

// compareTypes compares two types, in which the wrapped types stand for the peer's. A
// function of the wrapper may take options of package observe after the peer's
// parameters.
func (c *surface) compareTypes(t *testing.T, name string, want, got types.Type) {
	wanted, has := c.text(want, c.peer), c.text(got, c.wrapper)
	if has != wanted && strings.Replace(has, ", ...observe.Option)", ")", 1) != wanted {
		t.Errorf("%s is %s, want %s", name, has, wanted)
	}
}

// text returns the type without the names of parameters, and of the package itself.
func (c *surface) text(typ types.Type, own *types.Package) string {
	qualifier := func(p *types.Package) string {
		if p == own {
			return ""
		}
		return p.Name()
	}
	sig, ok := types.Unalias(typ).(*types.Signature)
	if !ok {
		return types.TypeString(typ, qualifier)
	}
	list := func(tuple *types.Tuple, variadic bool) string {
		var all []string
		for v := range tuple.Variables() {
			all = append(all, types.TypeString(v.Type(), qualifier))
		}
		if variadic {
			last := len(all) - 1
			all[last] = "..." + strings.TrimPrefix(all[last], "[]")
		}
		return "(" + strings.Join(all, ", ") + ")"
	}
	return "func" + list(sig.Params(), sig.Variadic()) + " " + list(sig.Results(), false)
}

// loader returns a function that loads packages from what the compiler has exported.
func loader(t *testing.T, packages ...string) func(path string) *types.Package {
	t.Helper()
	exported := map[string]string{}
	decoder := json.NewDecoder(strings.NewReader(command(t, "go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, packages...)...)))
	for {
		var p struct{ ImportPath, Export string }
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exported[p.ImportPath] = p.Export
	}
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exported[path]) })
	return func(path string) *types.Package {
		p, err := imports.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}
