package semconvregistry

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.opentelemetry.io/otel/attribute"
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

func project(t *testing.T) *Registry {
	t.Helper()
	r, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheProjectsRegistryIsConsistent(t *testing.T) {
	r := project(t)
	if r.SchemaURL == "" || len(r.Attributes) == 0 || len(r.Metrics) == 0 || len(r.Events) == 0 || len(r.Spans) == 0 {
		t.Errorf("a part is missing: %d attributes, %d metrics, %d events, %d spans of %q",
			len(r.Attributes), len(r.Metrics), len(r.Events), len(r.Spans), r.SchemaURL)
	}
}

func signals(r *Registry) []*Group { return slices.Concat(r.Metrics, r.Events, r.Spans) }

func TestEveryAttributeIsOnSomeSignal(t *testing.T) {
	r := project(t)
	for _, a := range r.Attributes {
		if !slices.ContainsFunc(slices.Concat(signals(r), r.Links), func(g *Group) bool { _, used := g.Attributes.Find(a.ID); return used }) {
			t.Errorf("%s is defined and on no metric, event, span or link", a.ID)
		}
	}
}

func TestEverySignalSaysWhichLockItIsOf(t *testing.T) {
	for _, g := range signals(project(t)) {
		subject := "lock.target"
		if g.ID == "metric.lock.breaker.open" { // of a server, for all its locks
			subject = "lock.backend.name"
		}
		if u, ok := g.Attributes.Find(subject); !ok || u.Level != Required {
			t.Errorf("%s does not require %s", g.ID, subject)
		}
	}
}

func TestMetricsCarryNothingUnbounded(t *testing.T) {
	// lock.target and lock.backend.name are capped by the program; everything
	// else has to be an enumeration.
	for _, m := range project(t).Metrics {
		for _, u := range m.Attributes {
			if len(u.Members) == 0 && u.ID != "lock.target" && u.ID != "lock.backend.name" {
				t.Errorf("%s carries %s, which is no enumeration", m.Name, u.ID)
			}
		}
	}
}

func TestErrorTypesKeepToTheirForm(t *testing.T) {
	a := project(t).Attribute("error.type")
	form := regexp.MustCompile(`^[A-Za-z_]{1,32}$`)
	for _, m := range a.Members {
		if !form.MatchString(m.Value) {
			t.Errorf("%q does not match %s", m.Value, form)
		}
	}
	if !a.Has("_OTHER") {
		t.Error("_OTHER, where everything else goes, is missing")
	}
}

func TestReferencedAttributesAreOpenTelemetrysOfTheNamedVersion(t *testing.T) {
	r := project(t)
	if want := otelconv.SchemaURL; r.Dependency != want {
		t.Errorf("the manifest depends on %s, this test compares with %s", r.Dependency, want)
	}
	theirs := map[string]attribute.KeyValue{}
	for _, kv := range []attribute.KeyValue{
		otelconv.ErrorTypeOther,
		otelconv.ExceptionType("x"),
		otelconv.ExceptionMessage("x"),
		otelconv.ExceptionStacktrace("x"),
		otelconv.CodeFunctionName("x"),
		otelconv.CodeFilePath("x"),
		otelconv.CodeLineNumber(1),
		otelconv.ServerAddress("x"),
		otelconv.ServerPort(1),
		otelconv.OTelEventName("x"),
	} {
		theirs[string(kv.Key)] = kv
	}
	for _, a := range r.Attributes {
		if !a.Referenced {
			continue
		}
		kv, ok := theirs[a.ID]
		if !ok {
			t.Errorf("%s is not compared with OpenTelemetry's own package", a.ID)
			continue
		}
		if kv.Value.Type() != otelTypes[a.Type] {
			t.Errorf("%s is a %s here, a %s in OpenTelemetry", a.ID, a.Type, kv.Value.Type())
		}
	}
}

func TestSpansStartWithWhatASamplerMaySee(t *testing.T) {
	for _, s := range project(t).Spans {
		for _, name := range []string{"lock.operation.name", "lock.target", "lock.key_pattern", "lock.backend.name"} {
			if u, ok := s.Attributes.Find(name); !ok || !u.AtStart {
				t.Errorf("%s is not at the start of span %s", name, s.Name)
			}
		}
		for _, name := range []string{"lock.outcome", "lock.retries", "error.type"} {
			if u, ok := s.Attributes.Find(name); !ok || u.AtStart {
				t.Errorf("%s is not at the end of span %s", name, s.Name)
			}
		}
	}
}

func TestSpanEventsBelongToTheirOperation(t *testing.T) {
	for _, s := range project(t).Spans {
		if len(s.Events) != 1 {
			t.Errorf("span %s has %d events", s.Name, len(s.Events))
			continue
		}
		op, _ := s.Events[0].Attributes.Find("lock.operation.name")
		if !op.Takes(s.Name) {
			t.Errorf("event %s of span %s is of another operation", s.Events[0].Name, s.Name)
		}
	}
}

func TestLookingUpWhatIsNotThereGivesNil(t *testing.T) {
	r := project(t)
	if r.Attribute("lock.key") != nil || r.Metric("lock.keys") != nil || r.Event("lock.event") != nil || r.Span("cleanup") != nil {
		t.Error("something was found")
	}
}

// manifestText and the groups below are a registry without fault.
const manifestText = `
schema_url: https://example.com/schemas/1.2.3
description: A sample.
stability: development
dependencies:
  - schema_url: https://opentelemetry.io/schemas/1.43.0
    registry_path: https://example.com/registry.zip[model]
`

const groupsText = `
groups:
  - id: registry.lock
    type: attribute_group
    brief: Attributes.
    attributes:
      - id: lock.target
        type: string
        stability: development
        brief: A target.
        examples: ["projects"]
      - id: lock.mode
        type:
          members:
            - {id: wait, value: "wait", brief: Waits., stability: development}
            - {id: try, value: "try", brief: Tries., stability: development}
        stability: development
        brief: A mode.
      - ref: error.type
        brief: A class.
        annotations:
          dependency: {type: string}
          members:
            - {id: other, value: "_OTHER", brief: Anything.}
  - id: lock.common
    type: attribute_group
    brief: Common.
    attributes:
      - ref: lock.target
        requirement_level: required
      - ref: lock.mode
        requirement_level: opt_in
  - id: metric.lock.wait
    type: metric
    metric_name: lock.wait
    stability: development
    brief: Waits.
    instrument: histogram
    unit: "s"
    annotations:
      code_generation:
        metric_value_type: double
        explicit_bucket_boundaries: [0.1, 1]
    attributes:
      - ref: lock.target
      - ref: error.type
        requirement_level:
          conditionally_required: If it failed.
  - id: event.lock.seen
    type: event
    name: lock.seen
    stability: development
    brief: Seen.
    extends: lock.common
    annotations: {severity: WARN}
  - id: span.lock.peek
    type: span
    span_kind: internal
    stability: development
    brief: A look.
    extends: lock.common
    events: [event.lock.seen]
    attributes:
      - ref: lock.mode
        sampling_relevant: true
        requirement_level: required
        annotations:
          values: [try]
`

func load(manifest, groups string) (*Registry, error) {
	return Load(fstest.MapFS{
		"manifest.yaml": {Data: []byte(manifest)},
		"lock.yaml":     {Data: []byte(groups)},
		"notes.md":      {Data: []byte("not read")},
	})
}

func TestReferencesAreFollowed(t *testing.T) {
	r, err := load(manifestText, groupsText)
	if err != nil {
		t.Fatal(err)
	}
	span := r.Span("peek")
	target, _ := span.Attributes.Find("lock.target")
	if target.Level != Required || !target.Shared || target.Brief != "A target." || target.Attribute != r.Attribute("lock.target") {
		t.Errorf("what the span has by extending a group is %+v", target)
	}
	mode, _ := span.Attributes.Find("lock.mode")
	if mode.Level != Required || mode.Shared || !mode.AtStart || !mode.Takes("try") || mode.Takes("wait") {
		t.Errorf("the span's own mention does not stand in the place of the group's: %+v", mode)
	}
	if span.Events[0] != r.Event("lock.seen") {
		t.Error("the span's event is not the event")
	}
	if optional, _ := r.Event("lock.seen").Attributes.Find("lock.mode"); optional.Level != OptIn || !optional.Takes("wait") {
		t.Errorf("the event's use of the mode is %+v", optional)
	}
	failed, _ := r.Metric("lock.wait").Attributes.Find("error.type")
	if failed.Level != ConditionallyRequired || failed.Condition != "If it failed." || !failed.Referenced {
		t.Errorf("the metric's use of error.type is %+v", failed)
	}
	if bare, _ := r.Metric("lock.wait").Attributes.Find("lock.target"); bare.Level != Recommended {
		t.Errorf("an attribute without a level is %s", bare.Level)
	}
	if r.Dependency != "https://opentelemetry.io/schemas/1.43.0" {
		t.Errorf("dependency is %q", r.Dependency)
	}
}

func TestAMalformedRegistryIsRefusedByFileAndName(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown field of a group":           {"brief: Common.", "brief: Common.\n    prefix: lock", "line 28: field prefix not found"},
		"unknown field of an attribute":      {"brief: A target.", "brief: A target.\n        brif: x", "line 11: field brif not found"},
		"unknown field of a member":          {"brief: Waits.,", "brief: Waits., colour: red,", "field colour not found"},
		"unknown field of an enumeration":    {"type:\n          members:", "type:\n          allow_custom_values: true\n          members:", "field allow_custom_values not found"},
		"unknown field of a level":           {"conditionally_required: If", "sometimes: If", `requirement_level "sometimes" is unknown`},
		"unknown annotation":                 {"{severity: WARN}", "{severity: WARN, page: true}", "field page not found"},
		"unknown top":                        {"groups:", "imports: {}\ngroups:", "field imports not found"},
		"missing brief of a group":           {"brief: Waits.\n", "note: Waits.\n", "lock.yaml: metric.lock.wait: brief is missing"},
		"missing brief of an attribute":      {"brief: A target.", "note: A target.", "lock.yaml: lock.target: brief is missing"},
		"missing brief of a member":          {"value: \"try\", brief: Tries.,", "value: \"try\",", `lock.yaml: lock.mode: member "try": value or brief is missing`},
		"brief without a full stop":          {"brief: Common.", "brief: Common", "lock.yaml: lock.common: brief is missing, or does not end"},
		"duplicate group":                    {"id: event.lock.seen", "id: lock.common", "lock.yaml: lock.common: group is defined twice"},
		"duplicate attribute":                {"id: lock.mode\n", "id: lock.target\n", `lock.yaml: lock.target: attribute is defined twice`},
		"duplicate member":                   {"{id: try,", "{id: wait,", `lock.yaml: lock.mode: member "wait": repeats the id or the value "try"`},
		"duplicate value":                    {`value: "try"`, `value: "wait"`, `lock.yaml: lock.mode: member "try": repeats the id or the value "wait"`},
		"member without a value":             {`value: "try", `, "", `lock.yaml: lock.mode: member "try": value or brief is missing`},
		"member without a stability":         {"Tries., stability: development}", "Tries.}", `lock.yaml: lock.mode: member "try": stability ""`},
		"member id in capitals":              {"{id: try,", "{id: Try,", `member "Try": id is not lower-case words`},
		"empty enumeration":                  {"members:\n            - {id: wait, value: \"wait\", brief: Waits., stability: development}\n            - {id: try, value: \"try\", brief: Tries., stability: development}", "members: []", `lock.yaml: lock.mode: type "enumeration without members" is none of`},
		"undefined ref":                      {"- ref: lock.mode\n        sampling", "- ref: lock.modes\n        sampling", `lock.yaml: span.lock.peek: ref "lock.modes" is not defined`},
		"undefined group":                    {"extends: lock.common\n    annotations", "extends: lock.uncommon\n    annotations", `lock.yaml: event.lock.seen: extends "lock.uncommon", which is not defined`},
		"undefined event":                    {"[event.lock.seen]", "[event.lock.unseen]", `lock.yaml: span.lock.peek: event group "event.lock.unseen" is not defined`},
		"ref that repeats a type":            {"- ref: lock.target\n      -", "- ref: lock.target\n        type: string\n      -", `lock.yaml: metric.lock.wait: ref "lock.target" must not repeat type`},
		"neither id nor ref":                 {"- ref: lock.target\n      -", "- brief: Nothing.\n      -", "lock.yaml: metric.lock.wait: an attribute needs either id or ref"},
		"definition outside attribute_group": {"- ref: lock.target\n      -", "- {id: lock.other, type: int, stability: development, brief: Other.}\n      -", `lock.yaml: metric.lock.wait: attribute "lock.other" is defined here`},
		"value that is no member":            {"values: [try]", "values: [tries]", `lock.yaml: span.lock.peek: ref "lock.mode": annotation values: "tries" is no member`},
		"unknown type":                       {"type: string\n        stability", "type: text\n        stability", `lock.yaml: lock.target: type "text" is none of`},
		"string without examples":            {"        examples: [\"projects\"]\n", "", "lock.yaml: lock.target: a string needs examples"},
		"example of another type":            {`examples: ["projects"]`, "examples: [1]", "lock.yaml: lock.target: example 1 is not a string"},
		"unknown stability":                  {"stability: development\n        brief: A target.", "stability: experimental\n        brief: A target.", `lock.yaml: lock.target: stability "experimental" is none of`},
		"unknown level":                      {"requirement_level: opt_in", "requirement_level: maybe", `lock.yaml: lock.common: ref "lock.mode": requirement_level "maybe" is unknown`},
		"condition without text":             {"conditionally_required: If it failed.", `conditionally_required: ""`, `ref "error.type": conditionally_required without its condition`},
		"several levels":                     {"\n          conditionally_required: If it failed.", " {recommended: If it failed., opt_in: If asked.}", "requirement_level: want one level"},
		"ref listed twice":                   {"- ref: lock.target\n      -", "- ref: lock.target\n      - ref: lock.target\n      -", `lock.yaml: metric.lock.wait: ref "lock.target" is listed twice`},
		"missing brief of a reference":       {"brief: A class.", "note: A class.", "lock.yaml: error.type: brief is missing"},
		"event group that is none":           {"[event.lock.seen]", "[metric.lock.wait]", `lock.yaml: span.lock.peek: event group "metric.lock.wait" is not defined`},
		"severity on a span":                 {"span_kind: internal", "span_kind: internal\n    annotations: {severity: WARN}", "lock.yaml: span.lock.peek: has fields of another type: event"},
		"group in capitals":                  {"- id: lock.common", "- id: lock.Common", "lock.yaml: lock.Common: id is not lower-case words"},
		"metric in capitals":                 {"metric_name: lock.wait", "metric_name: lock.Wait", `lock.yaml: metric.lock.wait: name "lock.Wait" is not lower-case words`},
		"span of another namespace":          {"id: span.lock.peek", "id: span.peek", "lock.yaml: span.peek: id is not span.lock.<operation>"},
		"signal without a stability":         {"    span_kind: internal\n    stability: development\n", "    span_kind: internal\n", `lock.yaml: span.lock.peek: stability "" is none of`},
		"name in capitals":                   {"id: lock.target", "id: lock.Target", "lock.yaml: lock.Target: name is not lower-case words"},
		"name without a namespace":           {"id: lock.target", "id: target", "lock.yaml: target: name is not lower-case words in a namespace"},
		"name that is a namespace":           {"id: lock.target", "id: lock.mode.kind", "lock.mode: the name is the namespace of lock.mode.kind"},
		"names that make one constant":       {"id: lock.target", "id: lock_mode.x\n        type: int\n        stability: development\n        brief: A.\n      - id: lock.mode_x", "makes the same constant as lock_mode.x"},
		"unit of words":                      {`unit: "s"`, `unit: "seconds"`, `lock.yaml: metric.lock.wait: unit "seconds" is none of`},
		"unknown instrument":                 {"instrument: histogram", "instrument: timer", `lock.yaml: metric.lock.wait: instrument "timer" is none of`},
		"histogram without buckets":          {"        explicit_bucket_boundaries: [0.1, 1]\n", "", "explicit_bucket_boundaries belongs to every histogram"},
		"buckets out of order":               {"[0.1, 1]", "[1, 0.1]", "explicit_bucket_boundaries is not ascending"},
		"metric without a value type":        {"        metric_value_type: double\n", "", `metric_value_type "" is none of int, double`},
		"metric id without its name":         {"metric_name: lock.wait", "metric_name: lock.waits", "lock.yaml: metric.lock.wait: id is not metric.lock.waits"},
		"unknown group type":                 {"type: event", "type: happening", `lock.yaml: event.lock.seen: type "happening" is none of`},
		"group without an id":                {"- id: event.lock.seen\n    type", "- type", "lock.yaml: a group: id is missing"},
		"span without a kind":                {"    span_kind: internal\n", "", `lock.yaml: span.lock.peek: span_kind "" is none of`},
		"event without a severity":           {"    annotations: {severity: WARN}\n", "", `lock.yaml: event.lock.seen: annotation severity "" is none of`},
		"events on a metric":                 {`unit: "s"`, "unit: \"s\"\n    events: [event.lock.seen]", "lock.yaml: metric.lock.wait: has fields of another type: span"},
		"unit on a span":                     {"span_kind: internal", "span_kind: internal\n    unit: \"s\"", "lock.yaml: span.lock.peek: has fields of another type: metric"},
		"group that extends itself":          {"brief: Common.", "brief: Common.\n    extends: lock.common", `lock.yaml: lock.common: extends "lock.common", which is not defined before it`},
		"no YAML":                            {"groups:", "groups: [", "lock.yaml: yaml: line"},
		"a second document":                  {"groups:", "groups: []\n---\ngroups:", "lock.yaml: more than one YAML document"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := strings.Replace(groupsText, c.old, c.new, 1)
			if broken == groupsText {
				t.Fatalf("%q is not in the sample", c.old)
			}
			r, err := load(manifestText, broken)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is\n%v\nwant it to say %q", err, c.want)
			}
			if r != nil {
				t.Error("a registry came with the error")
			}
		})
	}
}

func TestAMalformedManifestIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"no version in the URL":   {"/1.2.3", "/latest", `manifest.yaml: schema_url: "https://example.com/schemas/latest" is not`},
		"no description":          {"description: A sample.\n", "", "manifest.yaml: description: is missing"},
		"unknown stability":       {"stability: development", "stability: done", `manifest.yaml: manifest: stability "done" is none of`},
		"dependency by name only": {"schema_url: https://opentelemetry.io/schemas/1.43.0", "name: otel", "field name not found"},
		"two dependencies":        {"dependencies:", "dependencies:\n  - schema_url: https://example.com/schemas/1.2.3", "manifest.yaml: dependencies: more than one"},
		"unknown field":           {"stability:", "version: 1\nstability:", "field version not found"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := strings.Replace(manifestText, c.old, c.new, 1)
			if broken == manifestText {
				t.Fatalf("%q is not in the sample", c.old)
			}
			if _, err := load(broken, groupsText); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is\n%v\nwant it to say %q", err, c.want)
			}
		})
	}
	if _, err := Load(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "manifest.yaml") {
		t.Errorf("error without a manifest is %v", err)
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	broken := strings.NewReplacer("    brief: Waits.\n", "", `unit: "s"`, `unit: "sec"`, "ref: lock.mode\n        sampling", "ref: lock.moods\n        sampling").Replace(groupsText)
	_, err := load(manifestText, broken)
	for _, want := range []string{"brief is missing", `unit "sec"`, "lock.moods"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is\n%v\nwant it to say %q too", err, want)
		}
	}
}
