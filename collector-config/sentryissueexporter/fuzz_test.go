package sentryissueexporter

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/envelopetest"
)

// valid holds every event that it gets against Sentry's schema and size.
type valid struct{ t *testing.T }

func (v valid) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	envelope, err := envelopetest.Parse(body)
	if err == nil {
		_, err = envelope.Events()
	}
	if err != nil || len(envelope.Items) != 1 || len(envelope.Items[0].Payload) > 200_000 {
		v.t.Errorf("%v in an envelope of %d bytes: %.2000s", err, len(body), body)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}

// Whatever a sender makes of OTLP becomes an event that Sentry takes.
func FuzzRecords(f *testing.F) {
	marshal := func(ld plog.Logs) []byte {
		b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	r := failure("projects", "timeout", 0)
	f.Add(marshal(batch("shop", r)))
	if err := r.Attributes().FromRaw(map[string]any{
		"lock.action": "backend_error", "lock.target": "\xff\x00", "exception.stacktrace": "main.main\n\t/main.go:17", "exception.type": "x",
		"lock.report.suppressed_count": -1, "lock.report.suppressed_error_types": []any{1, nil, "a"}, "nested": map[string]any{"lock.action": "a", "m": []any{map[string]any{}}},
		"bytes": []byte{0xff}, "nan": 0.0, "user.id": "\n", "": "no key",
	}); err != nil {
		f.Fatal(err)
	}
	f.Add(marshal(batch("\xff", r, plog.NewLogRecord())))
	f.Fuzz(func(t *testing.T, data []byte) {
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(data)
		if err != nil {
			return
		}
		cfg := createDefaultConfig().(*Config)
		cfg.DSN, cfg.Cap, cfg.QueueConfig, cfg.RetryConfig.Enabled, cfg.ClientConfig.Compression = anyDSN, 0, noQueue, false, ""
		cfg.Tags = []string{"user.id", ""}
		exporter, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(typ), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := exporter.Start(t.Context(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
		exporter.(*admission).exporter.client.Transport = valid{t}
		if err := exporter.ConsumeLogs(t.Context(), ld); err != nil {
			t.Error(err)
		}
		if err := exporter.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
