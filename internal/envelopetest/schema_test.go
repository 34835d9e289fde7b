package envelopetest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func event(t *testing.T, text string) map[string]any {
	t.Helper()
	var e map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhatSentryTakesIsValid(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"event_id":"0123456789abcdef0123456789abcdef","level":"info","timestamp":"2026-11-22T03:04:05Z","message":"m"}`,
		`{"timestamp":1763780645.5,"release":null,"fingerprint":["a"],"modules":{"m":"v1"},"tags":{"lock.target":"a b"}}`,
		`{"exception":[{"type":"t","value":"v","mechanism":{"type":"otel","handled":true},"stacktrace":{"frames":[{"function":"f","lineno":7,"in_app":true}]}}]}`,
		`{"exception":{"values":[{"type":"t"}]},"breadcrumbs":[{"message":"m","timestamp":"2026-11-22T03:04:05Z","data":{"any":[1]}}]}`,
		`{"contexts":{"trace":{"trace_id":"a","span_id":"b"},"lock":{"retries":2}},"request":{"headers":{"a":"b"},"query_string":"a=b"},"user":{"id":"u"}}`,
		`{"request":{"cookies":"session=[Filtered]; theme=dark"}}`,
		`{"request":{"cookies":[["a","b"]]},"sdk":{"name":"n","version":"v","packages":[{"name":"n","version":"v"}]}}`,
	} {
		if err := Valid(event(t, text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWhatSentryDropsOrCutsIsNotValid(t *testing.T) {
	for text, want := range map[string]string{
		`{"event_id":"short"}`:                           "event.event_id is short, which is no uuid",
		`{"level":"warn"}`:                               "event.level is warn, want one of",
		`{"timestamp":true}`:                             "event.timestamp is true, want number",
		`{"culprits":"x"}`:                               "event has a field culprits",
		`{"exception":[{"typ":"t"}]}`:                    "event.exception.values[0] has a field typ",
		`{"exception":{}}`:                               "event.exception has no values",
		`{"exception":[{"mechanism":{"handled":true}}]}`: "mechanism has no type",
		`{"exception":[{"stacktrace":{"frames":[{"lineno":-1}]}}]}`:                   "frames[0].lineno is -1",
		`{"exception":[{"stacktrace":{"frames":[{"lineno":1.5}]}}]}`:                  "frames[0].lineno is 1.5, which is no uint64",
		`{"exception":[{"stacktrace":{"frames":[{"lineno":18446744073709551616}]}}]}`: "which is no uint64",
		`{"breadcrumbs":[{"data":"text"}]}`:                                           "event.breadcrumbs.values[0].data is text",
		`{"fingerprint":["a",1]}`:                                                     "event.fingerprint[1] is 1, want string",
		`{"modules":{"m":1}}`:                                                         "event.modules.m is 1",
		`{"request":{"cookies":[["a","b","c"]]}}`:                                     "event.request.cookies is",
		`{"sdk":{"name":"n"}}`:                                                        "event.sdk has no version",
		`{"tags":{"a b":"c"}}`:                                                        "event.tags has",
		`{"tags":{"a":""}}`:                                                           "event.tags has",
		`{"tags":{"a":"` + strings.Repeat("x", 201) + `"}}`:                           "event.tags has",
		`{"release":"` + strings.Repeat("x", 201) + `"}`:                              "event.release has 201 characters",
	} {
		if err := Valid(event(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.99s: %v, want %q", text, err, want)
		}
	}
}

// The checker is for one schema: every keyword in it must be known.
func TestEveryKeywordOfTheSchemaIsKnown(t *testing.T) {
	s := eventSchema()
	seen := map[string]bool{}
	var walk func(rules any)
	walk = func(rules any) {
		switch rules := rules.(type) {
		case []any:
			for _, each := range rules {
				walk(each)
			}
		case object:
			for keyword, rule := range rules {
				seen[keyword] = true
				if err := (schema{rules: object{keyword: rule}, definitions: s.definitions}).keyword("v", keyword, nil); err != nil && strings.Contains(err.Error(), "keyword") {
					t.Error(err)
				}
				switch keyword {
				case "properties", "definitions":
					for _, each := range rule.(object) {
						walk(each)
					}
				case "anyOf", "items", "additionalProperties":
					walk(rule)
				}
			}
		}
	}
	walk(s.rules)
	if len(seen) < 15 {
		t.Errorf("keywords %v", seen)
	}
	if err := (schema{rules: object{"pattern": "x"}}).check("v", "x"); err == nil {
		t.Error("a keyword that is not known was ignored")
	}
}

func TestAnEventThatIsNotValidFailsTheTestThatSentIt(t *testing.T) {
	f, c := &failures{TB: t}, browser(t)
	s := NewServer(f)
	resp, err := post(t, c, s, "/api/1/envelope/", "", "{}\n{\"type\":\"event\"}\n{\"level\":\"warn\"}")
	if err != nil || resp.StatusCode != 400 || f.n != 1 || len(s.Events()) != 0 {
		t.Errorf("%v, %v, %d failures, %d events", resp, err, f.n, len(s.Events()))
	}
	s.Close()
}

func TestTheSchemaIsThePublishedOne(t *testing.T) {
	licence, err := os.ReadFile(filepath.Join("testdata", "LICENSE"))
	if err != nil || !bytes.Contains(licence, []byte("Permission is hereby granted, free of charge")) {
		t.Errorf("the schema's licence: %v", err)
	}
	if title := eventSchema().rules["title"]; title != "Event" {
		t.Errorf("title %v", title)
	}
}
