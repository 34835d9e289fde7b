package sentryissue

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getsentry/sentry-go"
)

func TestAQuotaHoldsForAnyMinuteAndForEachClass(t *testing.T) {
	q, start := NewQuota(2, 1), time.Now()
	admit := func(class Class, after time.Duration, want bool) {
		t.Helper()
		if got := q.Admit(class, start.Add(after)); got != want {
			t.Errorf("class %d after %v: %t, want %t", class, after, got, want)
		}
	}
	admit(Other, 0, true)
	admit(Other, 30*time.Second, true)
	admit(Other, 59*time.Second, false)
	admit(LostLease, 59*time.Second, true)
	admit(LostLease, 59*time.Second, false)
	admit(Summary, 59*time.Second, true)
	admit(Other, 60*time.Second, true)
	admit(Other, 89*time.Second, false)

	q.Refund(Other, start.Add(60*time.Second))
	admit(Other, 89*time.Second, true)
	q.Refund(Other, start.Add(-time.Hour)) // is long forgotten
	admit(Other, 89*time.Second, false)

	for range 1000 {
		if !NewQuota(0, 0).Admit(Other, start) {
			t.Fatal("0 is no cap")
		}
	}
}

func TestTheClassIsKnownBeforeTheEventIsMade(t *testing.T) {
	summary := lockRecord("backend_error", "projects", "")
	summary.EventName = "lock.report.summary"
	for _, r := range []*Record{lockRecord("backend_error", "projects", "timeout"), lockRecord("release_error", "projects", "stolen"), summary, {Body: "plain"}} {
		if got, want := ClassOf(r), build(r, shop).Class; got != want {
			t.Errorf("%v: class %d, the event's is %d", r.Attributes, got, want)
		}
	}
}

func TestALimitIsNotShortenedByALaterAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limits
		note := func(status int, header ...string) {
			resp := &http.Response{StatusCode: status, Header: http.Header{}}
			for i := 0; i < len(header); i += 2 {
				resp.Header.Set(header[i], header[i+1])
			}
			l.Note(resp)
		}
		want := func(d time.Duration) {
			t.Helper()
			if got := max(0, l.Remaining()); got != d {
				t.Errorf("remaining %v, want %v", got, d)
			}
		}
		note(200)
		want(0)
		note(429, "X-Sentry-Rate-Limits", "60:error:organization")
		want(time.Minute)
		note(200, "X-Sentry-Rate-Limits", "5:error:key")
		want(time.Minute)
		time.Sleep(20 * time.Second)
		want(40 * time.Second)
		note(429, "Retry-After", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
		want(90 * time.Second)
		note(503, "Retry-After", "1000") // one server's, not the project's
		want(90 * time.Second)
		time.Sleep(90 * time.Second)
		want(0)
	})
}

func TestAnEnvelopeIsWhatAClientWouldSend(t *testing.T) {
	dsn, err := ParseDSN("https://0123456789abcdef@o7.ingest.sentry.io/2")
	if err != nil {
		t.Fatal(err)
	}
	o := NewOrigin(attrs("service.name", "shop", "service.version", "1.4", "deployment.environment.name", "staging", "telemetry.sdk.language", "nodejs"),
		Project{PublicKey: "0123456789abcdef", OrgID: 7}, Config{})
	now := time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)
	r := lockRecord("backend_error", "projects", "timeout")
	r.Time, r.TraceID, r.SpanID, r.Sampled = time.Time{}, [16]byte{1}, [8]byte{2}, true
	e := o.New(r)
	e.EventID = "ffffffffffff8fff8fffffffffffffff"
	body, err := e.Envelope(dsn, sentry.SdkInfo{Name: "test", Version: "1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	var header struct {
		EventID string            `json:"event_id"`
		SentAt  time.Time         `json:"sent_at"`
		DSN     string            `json:"dsn"`
		SDK     map[string]string `json:"sdk"`
		Trace   map[string]string `json:"trace"`
	}
	var item struct {
		Type   string
		Length int
	}
	var event struct {
		EventID   string `json:"event_id"`
		Platform  string
		Timestamp time.Time
		User      *struct{}
		Contexts  map[string]map[string]any
	}
	for i, to := range []any{&header, &item, &event} {
		if err := json.Unmarshal(lines[i], to); err != nil {
			t.Fatal(err)
		}
	}
	if header.EventID != string(e.EventID) || event.EventID != string(e.EventID) || !header.SentAt.Equal(now) || header.DSN != dsn.String() || header.SDK["name"] != "test" {
		t.Errorf("header %+v", header)
	}
	trace := map[string]string{
		"trace_id": "0100000000000000" + strings.Repeat("0", 16), "sampled": "true", "public_key": "0123456789abcdef", "org_id": "7", "release": "1.4", "environment": "staging",
	}
	for k, want := range trace {
		if header.Trace[k] != want {
			t.Errorf("trace %s: %q, want %q", k, header.Trace[k], want)
		}
	}
	if item.Type != "event" || item.Length != len(lines[2]) {
		t.Errorf("item %+v of %d bytes", item, len(lines[2]))
	}
	if event.Platform != "node" || !event.Timestamp.Equal(now) || event.User != nil || event.Contexts["trace"]["trace_id"] != trace["trace_id"] {
		t.Errorf("event %+v", event)
	}
}

func TestAPlatformIsTheLanguageOfTheSDK(t *testing.T) {
	for language, want := range map[string]string{
		"go": "go", "php": "php", "nodejs": "node", "webjs": "javascript", "dotnet": "csharp", "python": "python", "ruby": "ruby", "java": "java",
		"rust": "native", "cpp": "native", "swift": "cocoa", "": "other", "cobol": "other", "go\n": "other",
	} {
		if got := platform(language); got != want {
			t.Errorf("%q: %s, want %s", language, got, want)
		}
	}
}
