package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otellock/otellock-go/internal/envelopetest"
	"github.com/otellock/otellock-go/internal/otlptest"
)

// TestFailuresOfAnyLanguageBecomeThreeIssuesAndExactCounts sends what has neither a
// throttle nor a DSN: 10,000 leases of three targets that expired. (An outage of the
// backend is one issue, whatever its targets.)
func TestFailuresOfAnyLanguageBecomeThreeIssuesAndExactCounts(t *testing.T) {
	const failures = 10_000
	for name, send := range map[string]func(t *testing.T, url string){
		"JavaScript, JSON":     func(t *testing.T, url string) { javascript(t, "http", url, failures) },
		"JavaScript, protobuf": func(t *testing.T, url string) { javascript(t, "proto", url, failures) },
		"PHP, JSON":            func(t *testing.T, url string) { php(t, url, failures) },
	} {
		t.Run(name, func(t *testing.T) {
			sentry, raw := envelopetest.NewServer(t), otlptest.Start(t)
			c := startCollector(t, []string{"base", "gateway", "paging", "output-sentry", "output-grafana", "output-prometheus"}, map[string]string{
				"COLLECTOR_PAGING_INTERVAL": "1h", // longer than this takes, however busy the machine is
				"SENTRY_DSN":                sentry.DSN(),
				"TEMPO_OTLP_ENDPOINT":       raw.Endpoint(), "LOKI_OTLP_ENDPOINT": raw.Endpoint() + "/otlp",
			})
			start := time.Now()
			send(t, "http://"+c.http+"/v1/logs")
			eventually(t, 60*time.Second, "the raw stream has every record", func() error {
				if n := len(raw.Logs()); n != failures {
					return fmt.Errorf("%d of %d", n, failures)
				}
				return nil
			})
			took := time.Since(start)
			within, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			first := sentry.WaitEvents(within, 3)
			c.flush()
			events := sentry.WaitEvents(within, 6)
			if len(first) != 3 || len(events) != 6 {
				t.Fatalf("%d events, then %d; want one for each target, and its summary", len(first), len(events))
			}
			issues, occurrences := map[string]int64{}, int64(0)
			for i, e := range events {
				n, err := strconv.ParseInt(fmt.Sprint(e.Contexts["lock"]["report.suppressed_count"]), 10, 64)
				if err != nil {
					t.Fatalf("event without a count: %v", e.Raw)
				}
				if i < 3 {
					n++
				} else if e.Level != "info" {
					t.Errorf("a summary at level %s", e.Level)
				}
				issues[strings.Join(e.Fingerprint, " ")] += n
				occurrences += n
			}
			if len(issues) != 3 || occurrences != failures {
				t.Errorf("issues %v of %d occurrences, want 3 of %d", issues, occurrences, failures)
			}
			t.Logf("%d failures within %v: %d events of %d issues, %d occurrences: %v", failures, took.Round(time.Millisecond), len(events), len(issues), occurrences, issues)
		})
	}
}

func javascript(t *testing.T, exporter, url string, failures int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "warn.mjs", exporter, url, fmt.Sprint(failures))
	cmd.Dir = "javascript"
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: is it installed? make -C .. javascript\n%s", err, out)
	}
}

// php sends what OpenTelemetry's exporter for PHP sends as http/json: protobuf's JSON
// of its PHP library, with numbers of 64 bits as text, ids in hexadecimal digits,
// enums as numbers, no field that is zero, and no event name, in batches of 512.
func php(t *testing.T, url string, failures int) {
	t.Helper()
	type object = map[string]any
	text := func(name, value string) object {
		return object{"key": name, "value": object{"stringValue": value}}
	}
	resource := []object{
		text("service.name", "appwrite"), text("deployment.environment.name", "production"), text("service.instance.id", "1f3b"),
		text("telemetry.sdk.language", "php"), text("telemetry.sdk.name", "opentelemetry"),
		{"key": "process.pid", "value": object{"intValue": "42"}},
		{"key": "process.command_args", "value": object{"arrayValue": object{"values": []object{{"stringValue": "worker.php"}}}}},
	}
	for sent := 0; sent < failures; {
		var records []object
		for ; len(records) < 512 && sent < failures; sent++ {
			now := fmt.Sprint(time.Now().UnixNano())
			r := object{
				"timeUnixNano": now, "observedTimeUnixNano": now,
				"body":    object{"stringValue": "Lock expired"},
				"traceId": fmt.Sprintf("%032x", sent+1), "spanId": fmt.Sprintf("%016x", sent+1), "flags": 1,
				"attributes": []object{
					text("lock.action", "release_error"), text("lock.target", []string{"projects", "functions", "builds"}[sent%3]), text("error.type", "expired"),
					{"key": "attempt", "value": object{"intValue": fmt.Sprint(sent)}}, {"key": "retry", "value": object{"boolValue": false}},
				},
			}
			switch sent % 3 {
			case 0:
				r["severityNumber"], r["severityText"] = 13, "warning"
			case 1:
				r["severityNumber"], r["severityText"] = 17, "error"
			}
			records = append(records, r)
		}
		body, err := json.Marshal(object{"resourceLogs": []object{{
			"resource":  object{"attributes": resource},
			"scopeLogs": []object{{"scope": object{"name": "locks"}, "logRecords": records}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
}
