package envelopetest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Sentry's own schema of an event, as published in getsentry/sentry-data-schemas
// at commit 6d2c435 under the MIT licence that lies beside it.
//
//go:embed testdata/event.schema.json
var published []byte

type object = map[string]any

// eventSchema checks values that were decoded with numbers as [json.Number].
var eventSchema = sync.OnceValue(func() schema {
	var root object
	if err := json.Unmarshal(published, &root); err != nil {
		panic(err)
	}
	definitions, _ := root["definitions"].(object)
	return schema{rules: root, definitions: definitions}
})

// A schema is what draft 7 of JSON Schema calls one. It knows the keywords that
// the published schema uses; any other is an error, so that none goes unchecked.
type schema struct{ rules, definitions object }

// check returns the first thing in v that breaks the rules, with its path.
func (s schema) check(path string, v any) error {
	for _, keyword := range slices.Sorted(maps.Keys(s.rules)) {
		if err := s.keyword(path, keyword, v); err != nil {
			return err
		}
	}
	return nil
}

func (s schema) keyword(path, keyword string, v any) error {
	rule := s.rules[keyword]
	switch keyword {
	case "$schema", "title", "description", "default", "definitions":
		return nil
	case "$ref":
		name := strings.TrimPrefix(rule.(string), "#/definitions/")
		return s.with(s.definitions[name]).check(path, v)
	case "anyOf":
		return s.anyOf(path, rule.([]any), v)
	case "type":
		names, several := rule.([]any)
		if !several {
			names = []any{rule}
		}
		if !slices.ContainsFunc(names, func(name any) bool { return isA(v, name.(string)) }) {
			return fmt.Errorf("%s is %.99v, want %v", path, v, rule)
		}
	case "enum":
		if !slices.Contains(rule.([]any), v) {
			return fmt.Errorf("%s is %.99v, want one of %v", path, v, rule)
		}
	case "format":
		if !hasFormat(v, rule.(string)) {
			return fmt.Errorf("%s is %.99v, which is no %v", path, v, rule)
		}
	case "minimum":
		if n, ok := v.(json.Number); ok {
			if f, err := n.Float64(); err != nil || f < rule.(float64) {
				return fmt.Errorf("%s is %v, want at least %v", path, n, rule)
			}
		}
	case "minItems", "maxItems":
		if list, ok := v.([]any); ok {
			if n, limit := len(list), int(rule.(float64)); keyword == "minItems" && n < limit || keyword == "maxItems" && n > limit {
				return fmt.Errorf("%s has %d items, %s is %d", path, n, keyword, limit)
			}
		}
	case "required":
		for _, name := range rule.([]any) {
			if o, ok := v.(object); ok && o[name.(string)] == nil {
				return fmt.Errorf("%s has no %s", path, name)
			}
		}
	case "items":
		return s.items(path, rule, v)
	case "properties", "additionalProperties":
		return s.properties(path, v)
	default:
		return fmt.Errorf("the keyword %q of the schema is not known here", keyword)
	}
	return nil
}

func (s schema) with(rules any) schema {
	if allowed, ok := rules.(bool); ok {
		if allowed {
			return schema{definitions: s.definitions}
		}
		return schema{rules: object{"enum": []any{}}, definitions: s.definitions}
	}
	return schema{rules: rules.(object), definitions: s.definitions}
}

// anyOf returns why the first alternative does not hold, if none does: the
// others are null, or other shapes that Relay takes too.
func (s schema) anyOf(path string, alternatives []any, v any) (first error) {
	for _, rules := range alternatives {
		err := s.with(rules).check(path, v)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (s schema) items(path string, rule, v any) error {
	list, _ := v.([]any)
	for i, item := range list {
		each := rule
		if tuple, ok := rule.([]any); ok {
			if i == len(tuple) {
				break
			}
			each = tuple[i]
		}
		if err := s.with(each).check(path+"["+strconv.Itoa(i)+"]", item); err != nil {
			return err
		}
	}
	return nil
}

func (s schema) properties(path string, v any) error {
	o, _ := v.(object)
	known, _ := s.rules["properties"].(object)
	others, limited := s.rules["additionalProperties"]
	for _, name := range slices.Sorted(maps.Keys(o)) {
		rules, ok := known[name]
		switch {
		case ok:
		case !limited:
			continue
		case others == false:
			return fmt.Errorf("%s has a field %s that Sentry does not know", path, name)
		default:
			rules = others
		}
		if err := s.with(rules).check(path+"."+name, o[name]); err != nil {
			return err
		}
	}
	return nil
}

func isA(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case []any:
		return name == "array"
	case object:
		return name == "object"
	case json.Number:
		return name == "number" || name == "integer" && !strings.ContainsAny(string(v), ".eE")
	}
	return false
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$`)

// hasFormat says whether a string or a number has the format. Values of other
// types have every format.
func hasFormat(v any, name string) bool {
	switch v := v.(type) {
	case string:
		return name != "uuid" || uuid.MatchString(v)
	case json.Number:
		var err error
		switch name {
		case "uint64":
			_, err = strconv.ParseUint(string(v), 10, 64)
		case "int64":
			_, err = v.Int64()
		}
		return err == nil
	}
	return true
}
