package lockz_test

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/png"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/lockz"
)

var picture = flag.String("picture", "", "where TestTheRenderedPage writes what the browser shows, a PNG")

// TestTheRenderedPage opens the page of a process in which all is going on in a
// real browser.
func TestTheRenderedPage(t *testing.T) {
	everything(t)
	server := httptest.NewServer(lockz.Handler())
	defer server.Close()

	dom := string(browse(t, server.URL+"/debug/locks/", "--dump-dom"))
	for _, want := range []string{`<table id="held">`, `<table id="waiting">`, `<table id="failures">`, `<table id="contention">`,
		"orders", "stock", "customers", "must not be public", "since"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the rendered page lacks %q", want)
		}
	}
	if strings.Contains(dom, "secret") || strings.Contains(dom, "<script") {
		t.Error("the rendered page has a key or a script")
	}
	for _, row := range []string{"held", "waiting", "failures", "contention"} {
		_, table, _ := strings.Cut(dom, `<table id="`+row+`">`)
		table, _, _ = strings.Cut(table, "</table>")
		head := strings.Count(table, "<th")
		lines := strings.Split(table, "<tr>")
		if len(lines) < 3 {
			t.Fatalf("%s has no row:\n%s", row, dom)
		}
		for _, line := range lines[2:] {
			if cells := strings.Count(line, "<td"); cells != head {
				t.Errorf("%s: a row of %d cells under %d headings: %s", row, cells, head, line)
			}
		}
	}

	file := filepath.Join(t.TempDir(), "page.png")
	browse(t, server.URL+"/debug/locks/", "--screenshot="+file, "--window-size=1180,860", "--hide-scrollbars", "--force-device-scale-factor=1.5")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if n := colours(shown); n < 10 {
		t.Errorf("the picture has %d colours: nothing is on it", n)
	}
	if *picture != "" {
		if err := os.WriteFile(*picture, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func colours(i image.Image) int {
	seen := map[[3]uint32]bool{}
	for y := i.Bounds().Min.Y; y < i.Bounds().Max.Y; y++ {
		for x := i.Bounds().Min.X; x < i.Bounds().Max.X; x++ {
			r, g, b, _ := i.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}] = true
		}
	}
	return len(seen)
}

// everything makes a process that holds, waits and fails until the test ends.
func everything(t *testing.T) {
	orders := newService(t, "orders", otellock.WithTTL(30*time.Second), otellock.WithFencing())
	stock := newService(t, "stock", otellock.WithThrottle(&everySecond{}))
	customers := newService(t, "customers", otellock.WithTTL(10*time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	waiters := make(chan error)
	waiting := 0
	for _, id := range []string{"secret-1", "secret-2"} {
		spanned, span := orders.tracer.Start(ctx, "POST /orders")
		lease, err := orders.target.Mutex(id).Lock(spanned)
		if err != nil {
			t.Fatal(err)
		}
		span.End()
		t.Cleanup(func() { _ = lease.Release(context.Background()) })
	}
	for range 3 {
		waiting++
		go func() {
			spanned, span := orders.tracer.Start(ctx, "POST /orders")
			defer span.End()
			waiters <- orders.target.Mutex("secret-1").With(otellock.WithWait(time.Hour)).Do(spanned, func(context.Context) error { return nil })
		}()
	}
	for range 4 {
		contend(t, customers)
	}
	stock.backend.Fail(io.EOF)
	for range 41 {
		_ = stock.target.Mutex("secret-3").Do(ctx, func(context.Context) error { return nil })
	}
	lease, err := customers.target.Mutex("secret-4").Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		waiters <- customers.target.Mutex("secret-4").Do(ctx, func(context.Context) error { return nil })
	}()
	waiting++
	until(t, "all wait", func(v view) bool {
		n := 0
		for _, w := range v.Waiting {
			if w.Target == "orders" || w.Target == "customers" {
				n++
			}
		}
		return n == waiting
	})
	if err := lease.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-waiters; err != nil {
		t.Fatal(err)
	}
	waiting--
	until(t, "the others wait behind a trace", func(v view) bool {
		n := 0
		for _, w := range v.Waiting {
			if w.Behind != "" {
				n++
			}
		}
		return n == waiting
	})
	t.Cleanup(func() {
		cancel()
		for range waiting {
			<-waiters
		}
	})
}

// browse runs a headless browser and returns what it prints.
func browse(t *testing.T, url string, args ...string) []byte {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("no chromium is installed: Debian: sudo apt-get install chromium, macOS: brew install chromium")
	}
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir=" + t.TempDir()}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, append(args, url)...).Output()
	if err != nil {
		t.Fatalf("the browser: %v", err)
	}
	return out
}
