package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/otellock/otellock-go/internal/semconvregistry"
)

const commentWidth = 76

// comment is a Go comment of the paragraphs in text, wrapped.
func comment(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString("//\n")
		}
		column := 0
		for word := range strings.FieldsSeq(paragraph) {
			switch {
			case column == 0:
				b.WriteString("//")
				column = 2
			case column+1+len(word) > commentWidth:
				b.WriteString("\n//")
				column = 2
			}
			b.WriteString(" " + word)
			column += 1 + len(word)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// goType is the Go type of an attribute's value in a parameter list.
func goType(a *semconvregistry.Attribute) string {
	switch a.Type {
	case "int":
		return "int"
	case "double":
		return "float64"
	case "boolean":
		return "bool"
	}
	if element, isArray := strings.CutSuffix(a.Type, "[]"); isArray {
		return "..." + goType(&semconvregistry.Attribute{Type: element})
	}
	return a.Type
}

// setter is the method of attribute.Key that makes a KeyValue of the
// attribute's type.
func setter(a *semconvregistry.Attribute) string {
	element, isArray := strings.CutSuffix(a.Type, "[]")
	name := map[string]string{"string": "String", "int": "Int", "double": "Float64", "boolean": "Bool"}[element]
	if isArray {
		name += "Slice"
	}
	return name
}

func floats(all []float64) string {
	texts := make([]string, len(all))
	for i, f := range all {
		texts[i] = strconv.FormatFloat(f, 'g', -1, 64)
	}
	return strings.Join(texts, ", ")
}

func examples(a *semconvregistry.Attribute) string {
	texts := make([]string, len(a.Examples))
	for i, e := range a.Examples {
		texts[i] = example(e)
	}
	return strings.Join(texts, ", ")
}

func example(e any) string {
	switch e := e.(type) {
	case string:
		return strconv.Quote(e)
	case []any:
		texts := make([]string, len(e))
		for i, one := range e {
			texts[i] = example(one)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	}
	return fmt.Sprint(e)
}

func typeName(a *semconvregistry.Attribute) string {
	if isEnum(a) {
		return "enum"
	}
	return a.Type
}

func isEnum(a *semconvregistry.Attribute) bool { return len(a.Members) > 0 }

func own(r *semconvregistry.Registry) []*semconvregistry.Attribute {
	return keep(r.Attributes, func(a *semconvregistry.Attribute) bool { return !a.Referenced })
}

func referenced(r *semconvregistry.Registry) []*semconvregistry.Attribute {
	return keep(r.Attributes, func(a *semconvregistry.Attribute) bool { return a.Referenced })
}

func enums(r *semconvregistry.Registry) []*semconvregistry.Attribute {
	return keep(r.Attributes, isEnum)
}

func keep[T any](all []T, wanted func(T) bool) []T {
	var kept []T
	for _, one := range all {
		if wanted(one) {
			kept = append(kept, one)
		}
	}
	return kept
}
