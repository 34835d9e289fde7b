package main

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"go/format"
	"path"
	"strings"
	"text/template"

	"github.com/otellock/otellock-go/internal/semconvregistry"
)

//go:embed *.tmpl
var templates embed.FS

// outputs are the files to write, each with the template it comes from.
var outputs = map[string]string{
	"attributes.go": "attributes.go.tmpl",
	"events.go":     "events.go.tmpl",
	"schema.go":     "schema.go.tmpl",
	"metrics.go":    "metrics.go.tmpl",
	"README.md":     "README.md.tmpl",
}

// generate renders every output, by its path below package semconv.
func generate(r *semconvregistry.Registry) (map[string][]byte, error) {
	if err := oneShared(r); err != nil {
		return nil, err
	}
	t, err := template.New("gen").Funcs(template.FuncMap{
		"goName":         goName,
		"comment":        comment,
		"goType":         goType,
		"setter":         setter,
		"floats":         floats,
		"examples":       examples,
		"typeName":       typeName,
		"level":          level,
		"cell":           cell,
		"prometheus":     prometheus,
		"enums":          enums,
		"own":            own,
		"referenced":     referenced,
		"source":         source,
		"version":        version,
		"isEnum":         isEnum,
		"use":            use,
		"kind":           kind,
		"anchor":         anchor,
		"sharedByEvents": sharedByEvents,
		"sharedBySpans":  sharedBySpans,
		"notShared":      notShared,
	}).ParseFS(templates, "*.tmpl")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, from := range outputs {
		var text bytes.Buffer
		if err := t.ExecuteTemplate(&text, from, r); err != nil {
			return nil, err
		}
		files[name] = text.Bytes()
		if path.Ext(name) != ".go" {
			continue
		}
		if files[name], err = format.Source(text.Bytes()); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", name, err, numbered(text.String()))
		}
	}
	return files, nil
}

// oneShared makes sure that README.md may show once what events share, and once
// what spans share.
func oneShared(r *semconvregistry.Registry) error {
	var events, spans string
	for _, e := range r.Events {
		if e.Extends != "" && events != "" && e.Extends != events {
			return fmt.Errorf("gen: %s extends %s, an event before it %s: README.md.tmpl knows one group", e.Name, e.Extends, events)
		}
		events = cmp.Or(events, e.Extends)
	}
	for _, s := range r.Spans {
		if s.Extends != "" && spans != "" && s.Extends != spans {
			return fmt.Errorf("gen: %s extends %s, a span before it %s: README.md.tmpl knows one group", s.ID, s.Extends, spans)
		}
		spans = cmp.Or(spans, s.Extends)
	}
	return nil
}

func numbered(text string) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(text) {
		n++
		fmt.Fprintf(&b, "%4d %s", n, line)
	}
	return b.String()
}
