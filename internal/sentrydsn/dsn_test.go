package sentrydsn

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/getsentry/sentry-go"
)

const key = "0123456789abcdef0123456789abcdef"

func TestOTLPTracesKeepsPortAndPath(t *testing.T) {
	for dsn, want := range map[string]string{
		"https://" + key + "@o1.ingest.sentry.io/42":       "https://o1.ingest.sentry.io/api/42/integration/otlp/v1/traces",
		"http://" + key + "@127.0.0.1:9000/1":              "http://127.0.0.1:9000/api/1/integration/otlp/v1/traces",
		"https://" + key + ":s3cr3t@sentry.acme.dev:443/7": "https://sentry.acme.dev/api/7/integration/otlp/v1/traces",
		"https://" + key + "@acme.dev:8443/deep/sentry/7":  "https://acme.dev:8443/deep/sentry/api/7/integration/otlp/v1/traces",
		"http://" + key + "@[::1]:9000/1":                  "http://[::1]:9000/api/1/integration/otlp/v1/traces",
		"http://" + key + "@[::1]/1":                       "http://[::1]/api/1/integration/otlp/v1/traces",
	} {
		d, err := Parse(dsn)
		if err != nil {
			t.Fatalf("%s: %v", dsn, err)
		}
		got, headers := d.OTLPTraces()
		if got != want {
			t.Errorf("endpoint of %s\n got %s\nwant %s", dsn, got, want)
		}
		if headers["x-sentry-auth"] != "sentry sentry_key="+key || len(headers) != 1 {
			t.Errorf("headers of %s: %v", dsn, headers)
		}
	}
}

func TestMalformedDSNsAreNamedWithoutTheirKey(t *testing.T) {
	for dsn, want := range map[string]error{
		"":                                      ErrEmpty,
		"http://" + key + "@127.0.0.1:port/1":   ErrNotURL,
		"https://" + key + "@host/%zz":          ErrNotURL,
		key:                                     ErrScheme,
		"ftp://" + key + "@host/1":              ErrScheme,
		"https://host/" + key:                   ErrKey,
		"https://" + key + "@/1":                ErrHost,
		"https://" + key + "@host:0/1":          ErrPort,
		"https://" + key + "@host:99999/1":      ErrPort,
		"https://" + key + "@host":              ErrProject,
		"https://" + key + "@host/":             ErrProject,
		"https://" + key + "@host/1/":           ErrProject,
		"https://" + key + "@host/1?key=" + key: ErrTrailing,
		"https://" + key + "@host/1#frag":       ErrTrailing,
	} {
		_, err := Parse(dsn)
		if !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", dsn, err, want)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%q: the error shows the key: %v", dsn, err)
		}
	}
}

func TestNoVerbShowsTheKey(t *testing.T) {
	d, err := Parse("https://" + key + "@host:8443/path/1")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %q %d %x", d, d, d, d, d, d, d), fmt.Sprint(&d), fmt.Sprintf("%+v", struct{ D DSN }{d})} {
		if strings.Contains(s, key) || strings.Contains(s, fmt.Sprintf("%x", key)) {
			t.Errorf("the key shows: %s", s)
		}
	}
	if got := d.String(); got != "https://host:8443/path/1" {
		t.Errorf("String() = %s", got)
	}
}

// Whatever this parser accepts sentry-go must accept too, and read alike;
// otherwise an exporter could be built that sends nothing.
func FuzzParseAgreesWithSentry(f *testing.F) {
	for _, s := range []string{"https://k@h/1", "http://k:s@h:9/p/1", "https://k@[::1]:9/1", "://", "https://k@h:0/1", "http://@h/1", "https://k@h//1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := Parse(raw)
		if err != nil {
			if len(raw) > 8 && strings.Contains(err.Error(), raw) {
				t.Fatalf("the error shows the input: %v", err)
			}
			return
		}
		theirs, err := sentry.NewDsn(raw)
		if err != nil {
			t.Fatalf("accepted here, refused by sentry-go: %q: %v", raw, err)
		}
		if d.key != theirs.GetPublicKey() || d.project != theirs.GetProjectID() || d.host != theirs.GetHost() || d.port != theirs.GetPort() || d.path != theirs.GetPath() {
			t.Fatalf("%q reads as %#v here and as %s there", raw, d, theirs)
		}
		if theirs.GetAPIURL().Host != d.authority() {
			t.Fatalf("%q: host %s here, %s there", raw, d.authority(), theirs.GetAPIURL().Host)
		}
	})
}
