package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/otellock/otellock-go/internal/semconvregistry"
)

// cell returns text as a Markdown table takes it.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// level returns the words that say when an attribute is set.
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

// shared returns the attributes that groups have by extending a group, which
// README.md shows once. It fails where they extend different ones.
func shared(r *semconvregistry.Registry, groups []*semconvregistry.Group) (semconvregistry.Uses, error) {
	var base *semconvregistry.Group
	for _, g := range groups {
		extended := r.Group(g.Extends)
		if base != nil && extended != nil && extended != base {
			return nil, fmt.Errorf("%s extends %s, one before it %s: README.md.tmpl knows one", g.ID, extended.ID, base.ID)
		}
		base = cmp.Or(base, extended)
	}
	if base == nil {
		return nil, nil
	}
	return base.Attributes, nil
}

// notShared returns the attributes that a signal names itself, including those
// that replace shared ones.
func notShared(uses semconvregistry.Uses) semconvregistry.Uses {
	return keep(uses, func(u semconvregistry.Use) bool { return !u.Shared })
}

// use returns what an attribute holds on a signal.
func use(u semconvregistry.Use) string {
	if len(u.Values) == 0 {
		return cell(u.Brief)
	}
	return "`" + strings.Join(u.Values, "`, `") + "`"
}

// kind returns the instrument and the unit of a metric.
func kind(m *semconvregistry.Group) string {
	return map[string]string{"counter": "counter", "updowncounter": "up-down counter", "histogram": "histogram"}[m.Instrument] + ", `" + m.Unit + "`"
}

// prometheus returns the name that a metric has after OTLP is translated for
// Prometheus: dots become underscores, units and kinds are appended.
func prometheus(m *semconvregistry.Group) string {
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

// source returns the address at which OpenTelemetry documents an attribute.
func source(a *semconvregistry.Attribute) string {
	namespace, _, _ := strings.Cut(a.ID, ".")
	return "https://opentelemetry.io/docs/specs/semconv/registry/attributes/" + namespace + "/"
}

// anchor returns the id that a heading of code gets on a page.
func anchor(heading string) string { return strings.ReplaceAll(heading, ".", "") }
