package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/otellock/otellock-go/internal/semconvregistry"
)

const commentWidth = 76

// comment returns the paragraphs in text as a Go comment, wrapped.
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

// goType returns the Go type of a parameter for an attribute of type kind.
func goType(kind string) string {
	if element, isArray := strings.CutSuffix(kind, "[]"); isArray {
		return "..." + goType(element)
	}
	return cmp.Or(map[string]string{"double": "float64", "boolean": "bool"}[kind], kind)
}

// setter returns the name of the method of attribute.Key that makes a KeyValue of type kind.
func setter(kind string) string {
	element, isArray := strings.CutPrefix(goType(kind), "...")
	if isArray {
		return capital(element) + "Slice"
	}
	return capital(element)
}

func floats(all []float64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(all), " ", ", "), "[]")
}

func examples(all []any) string {
	list := example(all)
	return list[1 : len(list)-1]
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

func enums(r *semconvregistry.Registry) []*semconvregistry.Attribute {
	return keep(r.Attributes, func(a *semconvregistry.Attribute) bool { return len(a.Members) > 0 })
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
