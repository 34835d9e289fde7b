package sentryissue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestStacksOfTheRuntimeAndWithoutArgumentsAreReadAlike(t *testing.T) {
	o := NewOrigin(nil, Project{}, Config{InApp: []string{"github.com/acme/shop"}})
	for name, stack := range map[string]string{
		"runtime": "goroutine 17 [running]:\ngithub.com/acme/shop/cart.(*Store).Checkout(0xc000012345, {0x1, 0x2})\n\t/src/cart/store.go:42 +0x1d\n" +
			"net/http.HandlerFunc.ServeHTTP(...)\n\t/go/src/net/http/server.go:2322\ncreated by github.com/acme/shopping.Serve in goroutine 1\n\t/mod/serve.go:9 +0x5\n",
		"bare": "github.com/acme/shop/cart.(*Store).Checkout\n\t/src/cart/store.go:42\nnet/http.HandlerFunc.ServeHTTP\n\t/go/src/net/http/server.go:2322\n" +
			"github.com/acme/shopping.Serve\n\t/mod/serve.go:9",
	} {
		room := budget(maxStack)
		var got []string
		for _, f := range o.frames(stack, &room) {
			got = append(got, fmt.Sprint(f.Module, " ", f.Function, " ", f.AbsPath, ":", f.Lineno, " ", f.InApp))
		}
		want := "github.com/acme/shopping Serve /mod/serve.go:9 false, net/http HandlerFunc.ServeHTTP /go/src/net/http/server.go:2322 false, " +
			"github.com/acme/shop/cart (*Store).Checkout /src/cart/store.go:42 true"
		if strings.Join(got, ", ") != want {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, ", "), want)
		}
	}
}

// The compiler names a closure that it inlines after the function that it lands
// in: sentry-go's middleware, called in main.run, is then "main.run.func6".
func TestAFrameInTheModuleCacheIsNotTheApplications(t *testing.T) {
	o := NewOrigin(nil, Project{}, Config{InApp: []string{"github.com/acme/shop"}})
	for file, want := range map[string]bool{
		"/home/ci/go/pkg/mod/github.com/getsentry/sentry-go@v0.50.0/http/sentryhttp.go": false,
		"github.com/getsentry/sentry-go@v0.50.0/http/sentryhttp.go":                     false, // with -trimpath
		"/src/shop/main.go":          true,
		"/src/shop/@video/upload.go": true,
	} {
		room := budget(maxStack)
		frames := o.frames("main.run.(*Handler).Handle.(*Handler).handle.func6\n\t"+file+":130", &room)
		if len(frames) != 1 || frames[0].InApp != want {
			t.Errorf("%s: %+v, want in_app %t", file, frames, want)
		}
	}
}

func TestWhatIsNoGoStackStaysAnAttribute(t *testing.T) {
	for _, stack := range []string{"", "#0 /app/src/Lock.php(42): Lock->acquire()", "Traceback (most recent call last):\n\tFile \"x\"", "\tx.go:1"} {
		e := build(lockRecord("backend_error", "p", "eof", "exception.stacktrace", stack), shop)
		if e.Exception[0].Stacktrace != nil {
			t.Errorf("%q: frames %v", stack, e.Exception[0].Stacktrace.Frames)
		}
		if got := e.Contexts["otel"]["attributes"].(map[string]any)["exception.stacktrace"]; got != stack {
			t.Errorf("%q: kept %q", stack, got)
		}
	}
}

func TestFramesOfTheApplicationAreTold(t *testing.T) {
	guess, told := NewOrigin(nil, Project{}, Config{}), NewOrigin(nil, Project{}, Config{InApp: []string{"github.com/acme/shop"}})
	for pkg, want := range map[string][2]bool{
		"main": {true, true}, "github.com/acme/shop": {true, true}, "github.com/acme/shop/cart": {true, true}, "github.com/acme/shopping": {true, false},
		"net/http": {false, false}, "runtime": {false, false}, "github.com/otellock/otellock-go/otellock": {false, false},
		"github.com/otellock/otellock-go/examples/httpapi": {true, false},
	} {
		if got := [2]bool{guess.inApp(pkg), told.inApp(pkg)}; got != want {
			t.Errorf("%s: %v without and with a list, want %v", pkg, got, want)
		}
	}
}

func TestDSNsThatNoSentryHasAreRefused(t *testing.T) {
	const key = "0123456789abcdef"
	for dsn, want := range map[string]error{
		"":                                      ErrNoDSN,
		"https://" + key + "@host/1 ":           ErrBlank,
		" https://" + key + "@host/1":           ErrBlank,
		"https://" + key + "@host/1\n":          ErrBlank,
		"https://" + key + "@host/shop":         ErrID,
		"https://" + key + "@host/1a":           ErrID,
		"http://" + key + "@127.0.0.1:port/1":   ErrNotDSN,
		key:                                     ErrNotDSN,
		"ftp://" + key + "@host/1":              ErrNotDSN,
		"https://host/" + key:                   ErrNotDSN,
		"https://" + key + "@/1":                ErrNotDSN,
		"https://" + key + "@host:0/1":          ErrNotDSN,
		"https://" + key + "@host:99999/1":      ErrNotDSN,
		"https://" + key + "@host":              ErrNotDSN,
		"https://" + key + "@host/1/":           ErrNotDSN,
		"https://" + key + "@host/1?key=" + key: ErrNotDSN,
		"https://" + key + "@host/1#frag":       ErrNotDSN,
		"https://" + key + "@host:8443/deep/1":  nil,
		"http://" + key + "@[::1]:9000/1":       nil,
	} {
		_, err := ParseDSN(dsn)
		if !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", dsn, err, want)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%q: the error shows the key: %v", dsn, err)
		}
	}
}
