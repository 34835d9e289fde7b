package main

import (
	"path"
	"strings"

	"github.com/otellock/otellock-go/internal/semconvregistry"
)

// cell is text that a Markdown table takes.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// level says when an attribute is there.
func level(u semconvregistry.Use) string {
	word := map[semconvregistry.Level]string{
		semconvregistry.Required:    "always",
		semconvregistry.Recommended: "usually",
		semconvregistry.OptIn:       "on request",
	}[u.Level]
	if condition := strings.TrimSuffix(cell(u.Condition), "."); condition != "" {
		word = strings.TrimPrefix(word+": "+strings.ToLower(condition[:1])+condition[1:], ": ")
	}
	if u.AtStart {
		word += "; from the start"
	}
	return word
}

// sharedByEvents are the attributes that events have by extending a group, and
// none where no event does.
func sharedByEvents(r *semconvregistry.Registry) semconvregistry.Uses {
	for _, e := range r.Events {
		if e.Extends != "" {
			return r.Group(e.Extends)
		}
	}
	return nil
}

// sharedBySpans is the same for spans.
func sharedBySpans(r *semconvregistry.Registry) semconvregistry.Uses {
	for _, s := range r.Spans {
		if s.Extends != "" {
			return r.Group(s.Extends)
		}
	}
	return nil
}

// notShared are the attributes that a signal names itself, also where they
// stand in the place of shared ones.
func notShared(uses semconvregistry.Uses) semconvregistry.Uses {
	return keep(uses, func(u semconvregistry.Use) bool { return !u.Shared })
}

// use is an attribute in the table of a signal: what it holds there.
func use(u semconvregistry.Use) string {
	if len(u.Values) == 0 {
		return cell(u.Brief)
	}
	return "`" + strings.Join(u.Values, "`, `") + "`"
}

// kind is the instrument and what it measures in.
func kind(m *semconvregistry.Metric) string {
	return map[string]string{"counter": "counter", "updowncounter": "up-down counter", "histogram": "histogram"}[m.Instrument] + ", `" + m.Unit + "`"
}

// prometheus is the name that a metric has after OTLP is translated for
// Prometheus: dots become underscores, units and kinds are appended.
func prometheus(m *semconvregistry.Metric) string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	if m.Unit == "s" {
		name += "_seconds"
	}
	switch m.Instrument {
	case "counter":
		name += "_total"
	case "histogram":
		name += "_bucket"
	}
	return name
}

// source is where OpenTelemetry documents an attribute.
func source(a *semconvregistry.Attribute) string {
	namespace, _, _ := strings.Cut(a.ID, ".")
	return "https://opentelemetry.io/docs/specs/semconv/registry/attributes/" + namespace + "/"
}

func version(schemaURL string) string { return path.Base(schemaURL) }

// anchor is the id that a heading of code gets on a page.
func anchor(heading string) string { return strings.ReplaceAll(heading, ".", "") }
