package sentrylog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"
)

// logOwl posts records to LogOwl, which has no OTLP intake. Give it to
// otellock.WithLogger; it is then called beside the request, never within.
type logOwl struct {
	url, ticket string
	client      *http.Client
	attrs       map[string]string
}

func (h *logOwl) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (h *logOwl) Handle(ctx context.Context, r slog.Record) error {
	badges := make(map[string]string)
	for k, v := range h.attrs {
		badges[k] = v
	}
	r.Attrs(func(a slog.Attr) bool {
		badges[a.Key] = a.Value.String()
		return true
	})
	path, line := badges["code.file.path"], badges["code.line.number"]
	delete(badges, "exception.stacktrace") // long, and already in the traces
	body, err := json.Marshal(map[string]any{
		"ticket": h.ticket,
		// LogOwl groups by message and stack trace: nothing here changes from
		// one event of an outage to the next.
		"message":    badges["lock.target"] + ": " + badges["error.type"],
		"stacktrace": badges["code.function.name"],
		"type":       badges["otel.event.name"],
		"path":       path,
		"line":       line,
		"badges":     badges,
		"timestamp":  r.Time.Unix(),
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/logging/error", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (h *logOwl) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := &logOwl{h.url, h.ticket, h.client, make(map[string]string)}
	for k, v := range h.attrs {
		with.attrs[k] = v
	}
	for _, a := range attrs {
		with.attrs[a.Key] = a.Value.String()
	}
	return with
}

func (h *logOwl) WithGroup(string) slog.Handler { return h }

func Example_logOwl() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e struct {
			Type, Message, Path, Line, Ticket string
			Badges                            map[string]string
		}
		_ = json.NewDecoder(r.Body).Decode(&e)
		fmt.Println(r.URL.Path, e.Ticket)
		fmt.Println(e.Type, "|", e.Message, "|", e.Path+":"+e.Line)
		fmt.Println(e.Badges["lock.failure_policy"], e.Badges["lock.report.suppressed_count"])
	}))
	defer server.Close()

	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	logger := slog.New(&logOwl{url: server.URL, ticket: "TICKET", client: client})
	// locker.Target("projects", "lock:project:*", otellock.WithLogger(logger))

	// What otellock logs:
	logger.Warn("lock backend failed: projects runs unprotected",
		"lock.action", "backend_error", "lock.target", "projects", "lock.failure_policy", "open", "error.type", "timeout",
		"code.function.name", "main.run", "code.file.path", "/src/main.go", "code.line.number", 42,
		"otel.event.name", "lock.backend_error", "lock.report.suppressed_count", 1843)
	// Output:
	// /logging/error TICKET
	// lock.backend_error | projects: timeout | /src/main.go:42
	// open 1843
}
