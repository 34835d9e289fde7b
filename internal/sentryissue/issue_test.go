package sentryissue

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/getsentry/sentry-go"
)

func attrs(kvs ...any) []Attribute {
	var out []Attribute
	for i := 0; i < len(kvs); i += 2 {
		out = append(out, Attribute{kvs[i].(string), kvs[i+1]})
	}
	return out
}

func lockRecord(action, target, errorType string, more ...any) *Record {
	return &Record{
		Time: time.Unix(1, 0), EventName: "lock." + action, Severity: 13, Body: "body",
		Attributes: append(attrs("lock.action", action, "lock.target", target, "lock.backend.name", "redis", "error.type", errorType), attrs(more...)...),
	}
}

// build maps a record of the origin.
func build(r *Record, o *Origin) *Event { return o.New(r) }

var shop = NewOrigin(attrs("service.name", "shop"), Project{}, Config{})

func TestLostLeasesAreGroupedByTargetAndBackendFaultsByBackend(t *testing.T) {
	for _, c := range []struct {
		record *Record
		want   []string
		class  Class
	}{
		{lockRecord("backend_error", "projects", "timeout"), []string{"backend_error", "shop", "redis"}, Other},
		{lockRecord("backend_error", "invoices", "connection_refused"), []string{"backend_error", "shop", "redis"}, Other},
		{lockRecord("release_error", "projects", "timeout"), []string{"release_error", "shop", "redis"}, Other},
		{lockRecord("release_error", "projects", "expired"), []string{"release_error", "projects", "expired"}, LostLease},
		{lockRecord("release_error", "projects", "lost"), []string{"release_error", "projects", "lost"}, LostLease},
		{lockRecord("extend_error", "invoices", "stolen"), []string{"extend_error", "invoices", "stolen"}, LostLease},
		{&Record{EventName: "checkout.failed", Attributes: attrs("error.type", "declined")}, []string{"checkout.failed", "shop", "declined"}, Other},
		{&Record{EventName: "checkout.failed", Attributes: attrs("error.type", "expired")}, []string{"checkout.failed", "shop", "expired"}, Other},
		{&Record{Body: "a plain message"}, nil, Other},
	} {
		issue := build(c.record, shop)
		if !slices.Equal(issue.Fingerprint, c.want) || issue.Class != c.class {
			t.Errorf("%v: fingerprint %q, class %d; want %q, %d", c.record.Attributes, issue.Fingerprint, issue.Class, c.want, c.class)
		}
	}
	nowhere := build(&Record{Attributes: attrs("lock.action", "backend_error", "lock.target", "x")}, NewOrigin(nil, Project{}, Config{}))
	if want := []string{"backend_error", "unknown", "unknown"}; !slices.Equal(nowhere.Event.Fingerprint, want) {
		t.Errorf("without service and backend: %q, want %q", nowhere.Event.Fingerprint, want)
	}
}

func TestTitlesSayTheErrorTypeInWords(t *testing.T) {
	for errorType, want := range map[string]string{
		"timeout": "projects: timeout", "connection_refused": "projects: connection refused", "eof": "projects: connection broken",
		"pool_exhausted": "projects: connection pool exhausted", "closed": "projects: client closed", "stolen": "projects: lease stolen",
		"expired": "projects: lease expired", "lost": "projects: lease lost", "READONLY": "projects: READONLY", "_OTHER": "projects: other error",
		"": "projects",
	} {
		x := build(lockRecord("release_error", "projects", errorType), shop).Event.Exception[0]
		if x.Type != "lock.release_error" || x.Value != want {
			t.Errorf("%s: titled %q %q, want %q", errorType, x.Type, x.Value, want)
		}
	}
}

func TestTitlesCountTheSuppressedErrorTypes(t *testing.T) {
	const types, counts = "lock.report.suppressed_error_types", "lock.report.suppressed_error_counts"
	for _, c := range []struct {
		name string
		more []any
		want [2]string // of a warning and of a summary
	}{
		{"counted", []any{types, []string{"timeout", "NOAUTH"}, counts, []int64{9412, 3}},
			[2]string{"projects: timeout (before it: NOAUTH 3)", "projects: 9415 more: NOAUTH 3, timeout 9412"}},
		{"as a Collector reads it", []any{types, []any{"timeout", "NOAUTH"}, counts, []any{int64(9412), int64(3)}},
			[2]string{"projects: timeout (before it: NOAUTH 3)", "projects: 9415 more: NOAUTH 3, timeout 9412"}},
		{"one unknown to the throttle", []any{types, []string{"pool_exhausted", "READONLY"}, counts, []int64{7, 0}},
			[2]string{"projects: timeout (before it: READONLY)", "projects: 9415 more: READONLY, connection pool exhausted 7"}},
		{"not counted", []any{types, []string{"eof", "stolen"}},
			[2]string{"projects: timeout (before it: lease stolen)", "projects: 9415 more: lease stolen, connection broken"}},
		{"a list that is too short", []any{types, []string{"eof", "NOPERM"}, counts, []int64{2}},
			[2]string{"projects: timeout (before it: NOPERM)", "projects: 9415 more: NOPERM, connection broken 2"}},
	} {
		warning := lockRecord("backend_error", "projects", "timeout", c.more...)
		summary := lockRecord("backend_error", "projects", "", append(c.more, "lock.report.suppressed_count", int64(9415))...)
		summary.EventName = "lock.report.summary"
		got := [2]string{build(warning, shop).Exception[0].Value, build(summary, shop).Exception[0].Value}
		if got != c.want {
			t.Errorf("%s: titled %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheEventNameHasThreeSources(t *testing.T) {
	r := lockRecord("release_error", "projects", "lost", "otel.event.name", "from.attribute")
	for _, want := range []string{"lock.release_error", "from.attribute", "lock.release_error"} {
		if got := build(r, shop).Event.Exception[0].Type; got != want {
			t.Errorf("type %q, want %q", got, want)
		}
		if r.EventName == "" { // what is left is the action
			r.Attributes = r.Attributes[:len(r.Attributes)-1]
		}
		r.EventName = ""
	}
}

func TestLevelsFollowTheSeverityRanges(t *testing.T) {
	want := map[int]sentry.Level{
		0: "info", 1: "debug", 4: "debug", 5: "debug", 8: "debug", 9: "info", 12: "info", 13: "warning", 16: "warning",
		17: "error", 20: "error", 21: "fatal", 24: "fatal", 99: "fatal", -1: "info",
	}
	for severity, level := range want {
		if got := build(&Record{Severity: severity}, shop).Event.Level; got != level {
			t.Errorf("severity %d: level %s, want %s", severity, got, level)
		}
	}
}

func TestTheFrameIsTheCallersAndAlwaysInApp(t *testing.T) {
	e := build(lockRecord("backend_error", "projects", "timeout",
		"code.function.name", "github.com/acme/vendor-portal/third_party/x.(*T).Run.func1", "code.file.path", "x/run.go", "code.line.number", int64(7)), shop).Event
	f := e.Exception[0].Stacktrace.Frames[0]
	if f.Module != "github.com/acme/vendor-portal/third_party/x" || f.Function != "(*T).Run.func1" || f.Filename != "x/run.go" || f.Lineno != 7 || !f.InApp {
		t.Errorf("frame %+v", f)
	}
	if e.Transaction != "github.com/acme/vendor-portal/third_party/x.(*T).Run.func1" {
		t.Errorf("transaction %q", e.Transaction)
	}
	if bare := build(lockRecord("backend_error", "projects", "timeout"), shop).Event; bare.Exception[0].Stacktrace != nil || bare.Transaction != "" {
		t.Error("a record without code.* has a frame or a transaction")
	}
}

func TestTheResourceNamesWhereItHappened(t *testing.T) {
	all := attrs("service.name", "shop", "service.version", "1/2 beta\n", "service.instance.id", "i-1", "host.name", "node",
		"deployment.environment.name", "eu west/1", "deployment.environment", "old",
		"process.command_args", []string{"shop", "--password=hunter2"}, "process.command_line", "shop --password=hunter2")
	e := build(lockRecord("backend_error", "p", "eof"), NewOrigin(all, Project{}, Config{})).Event
	if e.Release != "1-2-beta" || e.Environment != "eu-west-1" || e.ServerName != "i-1" || e.Tags["service.name"] != "shop" {
		t.Errorf("release %q, environment %q, server %q, tags %v", e.Release, e.Environment, e.ServerName, e.Tags)
	}
	if b, _ := json.Marshal(e); strings.Contains(string(b), "hunter2") {
		t.Error("the command line was sent")
	}
	e = build(lockRecord("backend_error", "p", "eof"), NewOrigin(attrs("host.name", "node", "deployment.environment", "old"), Project{}, Config{})).Event
	if e.Release != "" || e.Environment != "old" || e.ServerName != "node" {
		t.Errorf("release %q, environment %q, server %q", e.Release, e.Environment, e.ServerName)
	}
	e = build(lockRecord("backend_error", "p", "eof"), NewOrigin(all, Project{}, Config{Release: "r", Environment: "None", ServerName: "s"})).Event
	if e.Release != "r" || e.Environment != "" || e.ServerName != "s" {
		t.Errorf("release %q, environment %q, server %q: the defaults should win, and None is no environment", e.Release, e.Environment, e.ServerName)
	}
}

func TestOneOddNumberDoesNotCostTheEvent(t *testing.T) {
	e := build(lockRecord("backend_error", "p", "eof",
		"lock.ttl", math.NaN(), "a", math.Inf(1), "b", []float64{1, math.NaN()}, "c", map[string]any{"d": []any{math.Inf(-1)}},
		"e", []byte{0xFF}, "f", strings.Repeat("x", 9000), "bad", "\xff"), shop).Event
	if _, err := json.Marshal(e); err != nil {
		t.Fatal(err)
	}
	got := e.Contexts["otel"]["attributes"].(map[string]any)
	if e.Contexts["lock"]["ttl"] != "NaN" || got["a"] != "+Inf" || !reflect.DeepEqual(got["b"], []any{1.0, "NaN"}) || len(got["f"].(string)) != maxText || got["bad"] != "\uFFFD" {
		t.Errorf("lock %v, attributes %v", e.Contexts["lock"], got)
	}
}

func TestAttributesThatNameCredentialsAreFiltered(t *testing.T) {
	const key = "0b5e7f00-push"
	e := build(&Record{Attributes: attrs("app.access_Token", key, "lock.retries", int64(1), "tenant", "t")},
		NewOrigin(attrs("appsignal.config.push_api_key", key, "db.password", key, "service.name", "shop"), Project{}, Config{})).Event
	b, err := json.Marshal(e)
	if err != nil || strings.Contains(string(b), key) || strings.Count(string(b), filtered) != 3 {
		t.Errorf("%s, %v", b, err)
	}
}

func TestCredentialsAreFilteredWhereverTheyAre(t *testing.T) {
	const key = "0b5e7f00-push"
	in := func(k string) map[string]any { return map[string]any{k: key, "seen": "yes"} }
	for name, a := range map[string]Attribute{
		"a group":                  {"http.request.header", in("authorization")},
		"a list in a group":        {"a", map[string]any{"b": []any{in("Set-Cookie")}}},
		"a list of values":         {"http.request.header.cookie", []string{key}},
		"a group that names one":   {"credentials", in("user")},
		"hyphens":                  {"http.request.header.x-api-key", key},
		"no separator":             {"app.accessKey", key},
		"a private key":            {"tls.private_key", key},
		"a private key in a group": {"tls", in("private-key")},
		"the namespace lock":       {"lock.token", key},
		"a group of it":            {"lock.owner", in("secret")},
	} {
		for where, e := range map[string]*sentry.Event{
			"record":   build(&Record{Attributes: []Attribute{a}}, shop).Event,
			"resource": build(&Record{}, NewOrigin([]Attribute{a}, Project{}, Config{})).Event,
		} {
			b, err := json.Marshal(e)
			if err != nil || strings.Contains(string(b), key) || strings.Count(string(b), filtered) != 1 {
				t.Errorf("%s in the %s: %s, %v", name, where, b, err)
			}
			_, group := a.Value.(map[string]any)
			if group && a.Key != "credentials" && !strings.Contains(string(b), "yes") {
				t.Errorf("%s in the %s: what stands beside was lost: %s", name, where, b)
			}
		}
	}
}

func TestWhatALockSaysIsNotFiltered(t *testing.T) {
	for _, a := range lockRecord("backend_error", "p", "eof", "lock.key_pattern", "lock:p:*", "lock.operation.name", "acquire",
		"lock.mode", "wait", "lock.outcome", "backend_error", "lock.failure_policy", "open", "lock.wait.timeout", 1.0,
		"lock.hold.utilization", 0.5, "lock.report.suppressed_error_types", []string{"eof"}).Attributes {
		if credential(a.Key) {
			t.Errorf("%s was filtered", a.Key)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	deep := any("bottom")
	for range 50 {
		deep = map[string]any{"in": []any{deep}}
	}
	b, err := json.Marshal(build(&Record{Attributes: attrs("deep", deep)}, shop).Event)
	if err != nil || strings.Contains(string(b), "bottom") || !strings.Contains(string(b), `"..."`) {
		t.Errorf("got %s, %v", b, err)
	}
}

func TestEventsShareNoState(t *testing.T) {
	origin := NewOrigin(attrs("service.name", "shop", "host.name", "node"), Project{}, Config{})
	r := lockRecord("backend_error", "p", "eof", "lock.report.suppressed_error_types", []string{"a"})
	first := build(r, origin).Event
	first.Contexts["otel"]["resource"].(map[string]any)["host.name"] = "changed"
	first.Contexts["lock"]["target"] = "changed"
	first.Contexts["lock"]["report.suppressed_error_types"].([]any)[0] = "changed"
	first.Tags["lock.target"] = "changed"
	b, _ := json.Marshal(build(r, origin).Event)
	if strings.Contains(string(b), "changed") {
		t.Errorf("a change of one event shows in the next: %s", b)
	}
}

func TestOccurrencesIncludeWhatAThrottleHeldBack(t *testing.T) {
	for suppressed, want := range map[any]int64{int64(1843): 1844, int64(0): 1, int64(-5): 1, "many": 1, 2.0: 3, math.NaN(): 1} {
		if got := build(lockRecord("backend_error", "p", "eof", "lock.report.suppressed_count", suppressed), shop).Occurrences; got != want {
			t.Errorf("suppressed %v: %d occurrences, want %d", suppressed, got, want)
		}
	}
}

func TestTagsAreCutOnARuneBoundary(t *testing.T) {
	e := build(lockRecord("backend_error", strings.Repeat("é", 300), "eof\nx\u2028y"), shop).Event
	if got := e.Tags["lock.target"]; got != strings.Repeat("é", 200) {
		t.Errorf("%d characters, valid %v", utf8.RuneCountInString(got), utf8.ValidString(got))
	}
	if got := e.Tags["error.type"]; got != "eof x y" {
		t.Errorf("error.type %q", got)
	}
	if _, there := e.Tags["lock.key_pattern"]; there {
		t.Error("a tag without a value was sent")
	}
}

var wellFormed = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,32}$`)

func FuzzWhateverIsInARecordTheEventIsValid(f *testing.F) {
	f.Add("backend_error", "projects", "timeout", "main.run", "body", 1.5, int64(3))
	f.Add("", "", "", "", "", math.NaN(), int64(-1))
	f.Add("a\nb", strings.Repeat("ü", 250), "\xff\xfe", "..", "\x00", math.Inf(1), int64(1<<62))
	f.Fuzz(func(t *testing.T, action, target, errorType, function, body string, ttl float64, n int64) {
		e := build(&Record{Severity: int(n), Body: body, EventName: body, Attributes: attrs(
			"lock.action", action, "lock.target", target, "lock.key_pattern", body, "lock.operation.name", function,
			"lock.backend.name", errorType, "error.type", errorType, "code.function.name", function, "code.line.number", n,
			"lock.ttl", ttl, "lock.report.suppressed_count", n, body, body)},
			NewOrigin(attrs("service.name", target, "service.version", body, "deployment.environment.name", function, "service.instance.id", action), Project{}, Config{})).Event
		if _, err := json.Marshal(e); err != nil {
			t.Fatal(err)
		}
		for k, v := range e.Tags {
			if !wellFormed.MatchString(k) || v == "" || utf8.RuneCountInString(v) > 200 || !utf8.ValidString(v) || strings.ContainsFunc(v, breaks) {
				t.Fatalf("tag %q = %q", k, v)
			}
		}
		if utf8.RuneCountInString(e.Release) > 200 || strings.ContainsAny(e.Release, "/\\\n\t ") {
			t.Fatalf("release %q", e.Release)
		}
		if utf8.RuneCountInString(e.Environment) > 64 || strings.ContainsAny(e.Environment, "/\n ") || e.Environment == "None" {
			t.Fatalf("environment %q", e.Environment)
		}
		for _, part := range e.Fingerprint {
			if part == "" {
				t.Fatalf("fingerprint %q", e.Fingerprint)
			}
		}
	})
}
