package sentrylog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// raygun posts records to Raygun's API, which takes no OTLP. Give it to
// otellock.WithLogger; it is then called beside the request, never within.
type raygun struct {
	url, key string
	client   *http.Client
}

func (raygun) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (h raygun) WithAttrs([]slog.Attr) slog.Handler             { return h }
func (h raygun) WithGroup(string) slog.Handler                  { return h }

func (h raygun) Handle(ctx context.Context, r slog.Record) error {
	attrs := make(map[string]any)
	r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.Any(); return true })
	// A backend that fails is one group, a lost lease one for each target.
	group := []any{attrs["lock.action"], attrs["lock.backend.name"]}
	if attrs["lock.action"] != "backend_error" {
		group = []any{attrs["lock.action"], attrs["lock.target"], attrs["error.type"]}
	}
	body, err := json.Marshal(map[string]any{
		"occurredOn": r.Time.UTC().Format(time.RFC3339),
		"details": map[string]any{
			"groupingKey": strings.TrimSpace(fmt.Sprintln(group...)),
			"client":      map[string]any{"name": "otellock example", "version": "1"},
			"error": map[string]any{
				"className": attrs["otel.event.name"],
				"message":   r.Message,
				"stackTrace": []map[string]any{{
					"methodName": attrs["code.function.name"], "fileName": attrs["code.file.path"], "lineNumber": attrs["code.line.number"],
				}},
			},
			"tags":           []any{attrs["lock.target"], attrs["error.type"], attrs["lock.failure_policy"]},
			"userCustomData": attrs,
		},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/entries", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-ApiKey", h.key)
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("raygun: %s", resp.Status)
	}
	return nil
}

func Example_raygun() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var entry struct {
			Details struct {
				GroupingKey string
				Error       struct {
					ClassName, Message string
					StackTrace         []struct{ LineNumber int }
				}
				Tags []string
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&entry)
		fmt.Println(r.URL.Path, r.Header.Get("X-ApiKey"), entry.Details.GroupingKey)
		fmt.Println(entry.Details.Error.ClassName, "|", entry.Details.Error.Message, "|", entry.Details.Error.StackTrace[0].LineNumber)
		fmt.Println(entry.Details.Tags)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()

	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	logger := slog.New(raygun{url: server.URL, key: "KEY", client: client})
	// locker.Target("projects", "lock:projects:*", otellock.WithLogger(logger))

	// What otellock logs:
	logger.Warn("lock lease expired while held: another holder of projects may have run",
		"lock.action", "release_error", "lock.target", "projects", "lock.failure_policy", "open", "error.type", "expired",
		"lock.backend.name", "redis", "code.function.name", "main.run", "code.file.path", "/src/main.go", "code.line.number", 42,
		"otel.event.name", "lock.release_error", "lock.report.suppressed_count", 0)
	// Output:
	// /entries KEY release_error projects expired
	// lock.release_error | lock lease expired while held: another holder of projects may have run | 42
	// [projects expired open]
}
