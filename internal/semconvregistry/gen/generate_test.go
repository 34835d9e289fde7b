package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/otellock/otellock-go/internal/semconvregistry"
)

func TestGeneratedFilesAreWhatTheRegistrySays(t *testing.T) {
	r, err := semconvregistry.Default()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "semconv", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("semconv/%s is stale, first at line %d: run go generate ./semconv", name, firstDifference(got, want))
		}
	}
}

func firstDifference(a, b []byte) int {
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			line++
		}
	}
	return line
}

func TestTheSameRegistryGivesTheSameFiles(t *testing.T) {
	r, err := semconvregistry.Default()
	if err != nil {
		t.Fatal(err)
	}
	first, err := generate(r)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := generate(r)
		if err != nil {
			t.Fatal(err)
		}
		for name := range first {
			if !bytes.Equal(first[name], again[name]) {
				t.Fatalf("%s differs from one run to the next", name)
			}
		}
	}
}

func TestTheReferenceNamesEverythingInTheRegistry(t *testing.T) {
	r, err := semconvregistry.Default()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(r)
	if err != nil {
		t.Fatal(err)
	}
	text := string(files["README.md"])
	var missing []string
	expect := func(name string) {
		if !strings.Contains(text, "`"+name+"`") {
			missing = append(missing, name)
		}
	}
	for _, a := range r.Attributes {
		expect(a.ID)
		for _, m := range a.Members {
			expect(m.Value)
		}
	}
	for _, m := range r.Metrics {
		expect(m.Name)
		expect(m.Unit)
	}
	for _, e := range r.Events {
		expect(e.Name)
	}
	for _, s := range r.Spans {
		expect(s.Name + " {target}")
	}
	_, spans, _ := strings.Cut(text, "\n## Spans\n")
	spans, _, _ = strings.Cut(spans, "\n## ")
	for _, u := range r.Span("release").Attributes {
		if !strings.Contains(spans, "`"+u.ID+"`") {
			missing = append(missing, u.ID+" of a release")
		}
	}
	if missing != nil {
		t.Errorf("README.md does not mention %v", missing)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && !strings.HasSuffix(line, "|\n") {
			t.Errorf("a row of a table does not end: %q", line)
		}
	}
}

// sample has one attribute of each type and one of each signal.
var sample = fstest.MapFS{
	"manifest.yaml": {Data: []byte("schema_url: https://example.com/schemas/1.2.3\ndescription: A sample.\nstability: development\n")},
	"sample.yaml": {Data: []byte(`
groups:
  - id: registry.lock
    type: attribute_group
    brief: A sample.
    attributes:
      - {id: lock.is_fast, type: boolean, stability: development, brief: A truth.}
      - {id: lock.parts, type: "double[]", stability: development, brief: Some numbers.}
      - {id: lock.ttl_s, type: int, stability: development, brief: A | number., note: "Two.\n\nParagraphs."}
  - id: metric.lock.load
    type: metric
    metric_name: lock.load
    stability: development
    brief: A load.
    instrument: histogram
    unit: "1"
    annotations: {code_generation: {metric_value_type: double, explicit_bucket_boundaries: [0.5, 10]}}
    attributes:
      - {ref: lock.is_fast, requirement_level: required}
      - {ref: lock.ttl_s, requirement_level: {opt_in: If wanted.}}
  - id: event.lock.seen
    type: event
    name: lock.seen
    stability: development
    brief: Something.
    annotations: {severity: INFO}
  - id: span.lock.peek
    type: span
    span_kind: internal
    stability: development
    brief: A look.
    attributes:
      - {ref: lock.parts}
`)},
}

func TestEveryTypeAndSignalHasItsGoCode(t *testing.T) {
	r, err := semconvregistry.Load(sample)
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string][]string{
		"attributes.go": {
			"func LockIsFast(val bool) attribute.KeyValue {\n\treturn LockIsFastKey.Bool(val)",
			"func LockParts(val ...float64) attribute.KeyValue {\n\treturn LockPartsKey.Float64Slice(val)",
			"func LockTTLS(val int) attribute.KeyValue {\n\treturn LockTTLSKey.Int(val)",
			"// Two.\n//\n// Paragraphs.\n",
		},
		"metrics.go": {
			"\t// MetricLockLoad is the metric \"lock.load\". A load.\n\tMetricLockLoad = Metric{",
			"\t\tBoundaries:  []float64{0.5, 10},\n",
		},
		"events.go": {`EventLockSeen = "lock.seen"`},
		"schema.go": {`const SchemaURL = "https://example.com/schemas/1.2.3"`},
		"README.md": {`A \| number. Two. Paragraphs.`, "| `lock.ttl_s` | A \\| number. | on request: if wanted |", "### `peek {target}`"},
	} {
		for _, want := range wanted {
			if !strings.Contains(string(files[name]), want) {
				t.Errorf("%s does not contain %q:\n%s", name, want, files[name])
			}
		}
	}
}

func TestGoNames(t *testing.T) {
	for name, want := range map[string]string{
		"lock.key_pattern":    "LockKeyPattern",
		"lock.ttl":            "LockTTL",
		"lock.target":         "LockTarget",
		"error.type":          "ErrorType",
		"pool_exhausted":      "PoolExhausted",
		"lock.report.summary": "LockReportSummary",
	} {
		if got := goName(name); got != want {
			t.Errorf("%s makes %q, want %q", name, got, want)
		}
	}
}

func TestCommentsAreWrappedAndKeepTheirParagraphs(t *testing.T) {
	got := comment(strings.Repeat("word ", 30) + "\n\nSecond.")
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "//") || len(line) > commentWidth+1 {
			t.Errorf("line %q", line)
		}
	}
	if !strings.HasSuffix(got, "\n//\n// Second.") {
		t.Errorf("the paragraphs are gone: %q", got)
	}
}

func TestAReferenceThatWouldHideAttributesIsRefused(t *testing.T) {
	// README.md shows once what failures have in common.
	two := maps.Clone(sample)
	two["two.yaml"] = &fstest.MapFile{Data: []byte(`
groups:
  - {id: one, type: attribute_group, brief: One., attributes: [{ref: lock.parts}]}
  - {id: two, type: attribute_group, brief: Two., attributes: [{ref: lock.ttl_s}]}
  - {id: event.lock.a, name: lock.a, extends: one, type: event, stability: development, brief: A., annotations: {severity: INFO}}
  - {id: event.lock.b, name: lock.b, extends: two, type: event, stability: development, brief: B., annotations: {severity: INFO}}
`)}
	r, err := semconvregistry.Load(two)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := generate(r); err == nil || !strings.Contains(err.Error(), "event.lock.b extends two") {
		t.Errorf("error is %v", err)
	}
}
