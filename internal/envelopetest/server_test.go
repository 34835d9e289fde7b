package envelopetest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const oneEvent = "{\"event_id\":\"e1\"}\n{\"type\":\"event\"}\n{\"level\":\"warning\"}\n"

// browser is a client that leaves no connection behind.
func browser(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func post(t *testing.T, c *http.Client, s *Server, path, encoding, body string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+Key)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := c.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return resp, err
}

func TestContentEncodingsAreUndone(t *testing.T) {
	s, c := NewServer(t), browser(t)
	var zipped, deflated bytes.Buffer
	g := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(g, oneEvent)
	_ = g.Close()
	z := zlib.NewWriter(&deflated)
	_, _ = io.WriteString(z, oneEvent)
	_ = z.Close()
	for encoding, body := range map[string]string{"": oneEvent, "identity": oneEvent, "gzip": zipped.String(), "deflate": deflated.String()} {
		resp, err := post(t, c, s, "/api/1/envelope/", encoding, body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%q: %v, %v", encoding, resp, err)
		}
	}
	for _, e := range s.Events() {
		if e.Level != "warning" || e.Header.EventID != "e1" {
			t.Errorf("event %+v", e)
		}
	}
	if n := len(s.Events()); n != 4 || s.Attempts() != 4 || len(s.Envelopes()) != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

func TestAnswersAreScripted(t *testing.T) {
	s, c := NewServer(t), browser(t)
	s.Always(Status(503))
	s.Next(TooMany(7), Limited(200, "60:error:key"), Reset(), OK())
	for i, want := range []struct {
		status int
		header string
		value  string
	}{{429, "Retry-After", "7"}, {200, "X-Sentry-Rate-Limits", "60:error:key"}, {}, {status: 200}, {status: 503}, {status: 503}} {
		resp, err := post(t, c, s, "/api/1/envelope/", "", oneEvent)
		if want.status == 0 {
			if err == nil {
				t.Errorf("answer %d: %d, want a broken connection", i, resp.StatusCode)
			}
			continue
		}
		if err != nil || resp.StatusCode != want.status || want.header != "" && resp.Header.Get(want.header) != want.value {
			t.Errorf("answer %d: %v, %v", i, resp, err)
		}
	}
	if n := len(s.WaitEvents(t.Context(), 2)); n != 2 || s.Attempts() != 6 {
		t.Errorf("%d events in %d attempts, want 2 in 6", n, s.Attempts())
	}
}

func TestAHungRequestEndsWithItsClientAndWithTheServer(t *testing.T) {
	s, c := NewServer(t), browser(t)
	s.Always(Hang())
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Addr()+"/api/1/envelope/", strings.NewReader(oneEvent))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Sentry-Auth", "sentry_key="+Key)
	result := make(chan error, 2)
	go func() { _, err := c.Do(req); result <- err }() //nolint:bodyclose // there is none
	s.WaitAttempts(t.Context(), 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	go func() { _, err := post(t, c, s, "/api/1/envelope/", "", oneEvent); result <- err }()
	s.WaitAttempts(t.Context(), 2)
	s.Close()
	<-result
	if n := len(s.Events()); n != 0 {
		t.Errorf("%d events were taken", n)
	}
}

func TestAPortThatRefusesCanBeOpenedAgain(t *testing.T) {
	s, c := NewServer(t), browser(t)
	before := s.DSN()
	s.Refuse()
	if _, err := post(t, c, s, "/api/1/envelope/", "", oneEvent); err == nil {
		t.Fatal("not refused")
	}
	s.Accept()
	s.Accept() // already open
	if _, err := post(t, c, s, "/api/1/envelope/", "", oneEvent); err != nil || s.DSN() != before {
		t.Errorf("after Accept: %v, DSN %s, before %s", err, s.DSN(), before)
	}
}

func TestOtherPathsAreKept(t *testing.T) {
	s, c := NewServer(t), browser(t)
	for path, want := range map[string]int{"/api/1/integration/otlp/v1/traces": 200, "/api/2/envelope/": 404} {
		if resp, err := post(t, c, s, path, "", "payload"); err != nil || resp.StatusCode != want {
			t.Errorf("%s: %v, %v; want %d", path, resp, err, want)
		}
	}
	others := s.Others()
	if len(others) != 2 || string(others[0].Body) != "payload" || others[0].Header.Get("X-Sentry-Auth") == "" || s.Attempts() != 0 {
		t.Errorf("others: %+v", others)
	}
}

// failures is a testing.TB that only counts.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Errorf(string, ...any) { f.n++ }
func (f *failures) Helper()               {}
func (f *failures) Cleanup(func())        {}

func TestMalformedRequestsFailTheTest(t *testing.T) {
	f, c := &failures{TB: t}, browser(t)
	s := NewServer(f)
	for _, r := range []struct {
		encoding, body string
		want           int
	}{{"", "no envelope", 400}, {"br", oneEvent, 400}, {"gzip", oneEvent, 400}, {"deflate", oneEvent, 400}, {"", "{}\n{\"type\":\"event\"}\nno json", 400}} {
		if resp, err := post(t, c, s, "/api/1/envelope/", r.encoding, r.body); err != nil || resp.StatusCode != r.want {
			t.Errorf("%+v: %v, %v", r, resp, err)
		}
	}
	resp, err := c.Post("http://"+s.Addr()+"/api/1/envelope/", "", strings.NewReader(oneEvent))
	if err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("without a key: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	s.Close()
	if f.n != 6 {
		t.Errorf("%d failures, want 6", f.n)
	}
}
