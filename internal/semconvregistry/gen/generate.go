package main

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"path"
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
	t, err := template.New("gen").Funcs(template.FuncMap{
		"goName":     goName,
		"comment":    comment,
		"goType":     goType,
		"setter":     setter,
		"floats":     floats,
		"examples":   examples,
		"level":      level,
		"cell":       cell,
		"prometheus": prometheus,
		"enums":      enums,
		"source":     source,
		"version":    path.Base, // of a schema URL
		"use":        use,
		"kind":       kind,
		"anchor":     anchor,
		"shared":     shared,
		"notShared":  notShared,
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
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	p, err := semconvregistry.Publish(r)
	if err != nil {
		return nil, err
	}
	files[p.ManifestPath], files[p.ResolvedPath] = p.Manifest, p.Resolved
	return files, nil
}
