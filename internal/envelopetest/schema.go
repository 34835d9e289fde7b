package envelopetest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// CheckEvent checks an event against what Sentry documents of its event payload:
// the attributes there are, their types, and the limits of Relay. sentry-go
// writes the exceptions and breadcrumbs as bare lists, which is allowed.
func CheckEvent(t *testing.T, event map[string]any) {
	t.Helper()
	check := func(path string, v any, want string) {
		t.Helper()
		got := fmt.Sprintf("%T", v)
		if n, ok := v.(json.Number); ok {
			_, err := n.Int64()
			if got = "number"; err == nil && want == "int" {
				got = "int"
			}
		}
		if got != want {
			t.Errorf("%s is a %s, want %s", path, got, want)
		}
	}
	object := func(path string, v any, fields map[string]string) {
		t.Helper()
		m, ok := v.(map[string]any)
		if !ok {
			t.Errorf("%s is a %T, want an object", path, v)
			return
		}
		for k, v := range m {
			switch want, known := fields[k]; {
			case !known:
				t.Errorf("%s has a field %s that Sentry does not know", path, k)
			case want != "":
				check(path+"."+k, v, want)
			}
		}
	}
	texts := func(path string, v any, longest int) {
		t.Helper()
		for k, v := range v.(map[string]any) {
			check(path+"."+k, v, "string")
			if s, _ := v.(string); utf8.RuneCountInString(s) > longest {
				t.Errorf("%s.%s has %d characters", path, k, utf8.RuneCountInString(s))
			}
		}
	}
	const list, dict = "[]interface {}", "map[string]interface {}"
	object("event", event, map[string]string{
		"event_id": "string", "timestamp": "string", "platform": "string", "level": "string", "logger": "string", "transaction": "string",
		"server_name": "string", "release": "string", "environment": "string", "message": "string", "modules": "", "tags": dict, "contexts": dict,
		"fingerprint": list, "exception": list, "breadcrumbs": list, "user": dict, "request": dict, "sdk": dict,
	})
	if id, _ := event["event_id"].(string); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("event_id %q", id)
	}
	if _, err := time.Parse(time.RFC3339Nano, event["timestamp"].(string)); err != nil {
		t.Error(err)
	}
	if !slices.Contains([]any{"fatal", "error", "warning", "info", "debug"}, event["level"]) {
		t.Errorf("level %v", event["level"])
	}
	for field, limit := range map[string]int{"release": 200, "environment": 64, "logger": 64, "transaction": 200, "message": 8192, "server_name": 200} {
		if s, _ := event[field].(string); utf8.RuneCountInString(s) > limit {
			t.Errorf("%s has %d characters, Sentry takes %d", field, utf8.RuneCountInString(s), limit)
		}
	}
	if tags, ok := event["tags"]; ok {
		texts("tags", tags, 200)
		for k, v := range tags.(map[string]any) {
			if !regexp.MustCompile(`^[a-zA-Z0-9_.:-]{1,32}$`).MatchString(k) || strings.ContainsAny(v.(string), "\r\n") {
				t.Errorf("tag %q: %q", k, v)
			}
		}
	}
	for name, c := range event["contexts"].(map[string]any) {
		check("contexts."+name, c, dict)
	}
	object("contexts.trace", event["contexts"].(map[string]any)["trace"], map[string]string{"trace_id": "string", "span_id": "string", "parent_span_id": "string"})
	exceptions, _ := event["exception"].([]any)
	for _, x := range exceptions {
		object("exception", x, map[string]string{"type": "string", "value": "string", "mechanism": dict, "stacktrace": dict})
		x := x.(map[string]any)
		object("mechanism", x["mechanism"], map[string]string{"type": "string", "handled": "bool", "exception_id": "int"})
		stack, _ := x["stacktrace"].(map[string]any)
		frames, _ := stack["frames"].([]any)
		for _, f := range frames {
			object("frame", f, map[string]string{"function": "string", "module": "string", "filename": "string", "abs_path": "string", "lineno": "int", "in_app": "bool"})
		}
	}
	crumbs, _ := event["breadcrumbs"].([]any)
	for _, b := range crumbs {
		object("breadcrumb", b, map[string]string{"type": "string", "category": "string", "message": "string", "level": "string", "timestamp": "string", "data": dict})
	}
	if user, ok := event["user"]; ok {
		object("user", user, map[string]string{"id": "string", "email": "string", "ip_address": "string", "username": "string", "name": "string", "data": dict})
	}
	if request, ok := event["request"]; ok {
		object("request", request, map[string]string{
			"url": "string", "method": "string", "data": "string", "query_string": "string", "cookies": "string", "headers": dict, "env": dict,
		})
	}
	object("sdk", event["sdk"], map[string]string{"name": "string", "version": "string", "integrations": list, "packages": list})
}
