// Package lockz shows the locks of this process as they are now, in the manner of
// net/http/pprof: who holds which lock and how long its lease still lasts, who waits
// and behind which trace, what failed last and how much of it was suppressed, and what
// waiting has cost.
//
//	locker, err := otellock.New(backend, otellock.WithLockz(true))
//	...
//	http.Handle("/debug/locks/", lockz.Handler())
//
// Only a Locker, or an observe.Observer, that was made with WithLockz is on the page.
//
// # Profiles
//
// The runtime/pprof profile "otellock.wait" has the stacks that wait for a lock
// now; net/http/pprof serves it at /debug/pprof/otellock.wait. The page serves a second
// profile at wait.pb.gz beneath it: what waiting has cost since the start, as
// contentions and nanoseconds by stack and lock.target.
//
//	go tool pprof -http=: http://localhost:6060/debug/locks/wait.pb.gz
//
// # Security
//
// The page has no key, id or token: names of targets, times, trace ids, and numbers
// that tell which rows are about the same key and mean nothing elsewhere. It tells all
// the same what a service does and how it is doing, and anybody who can open it costs
// the process some work. It must not be public: serve it where net/http/pprof is served.
package lockz

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("locks").Funcs(template.FuncMap{
	"ago":   func(now, t time.Time) string { return span(now.Sub(t)) },
	"span":  func(seconds float64) string { return span(time.Duration(seconds * float64(time.Second))) },
	"over":  func(left float64) bool { return left < 0 },
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05 UTC") },
}).Parse(pageSource))

// Handler returns a handler of the page, for the pattern "/debug/locks/". It answers
// GET and HEAD: HTML without scripts; JSON for ?format=json, or where the request
// accepts application/json and no HTML; and the profile wait.pb.gz. It is safe for
// concurrent use, and every request sees the locks as they are at that moment.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "lockz: only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	switch {
	case path.Base(r.URL.Path) == "wait.pb.gz":
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="wait.pb.gz"`)
		_ = waitProfile().Write(w)
	case wantsJSON(r):
		h.Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(look(time.Now()))
	default:
		h.Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, look(time.Now()))
	}
}

func wantsJSON(r *http.Request) bool {
	if format := r.URL.Query().Get("format"); format != "" {
		return format == "json"
	}
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

// span returns a duration rounded to what a person reads, about three digits.
func span(d time.Duration) string {
	unit := time.Nanosecond
	switch size := d.Abs(); {
	case size >= time.Minute:
		unit = time.Second
	case size >= 10*time.Second:
		unit = 100 * time.Millisecond
	case size >= time.Second:
		unit = 10 * time.Millisecond
	case size >= time.Millisecond:
		unit = 100 * time.Microsecond
	case size >= time.Microsecond:
		unit = time.Microsecond
	}
	return d.Round(unit).String()
}
