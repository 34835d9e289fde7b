package semconvregistry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Uses are the attributes of one metric, event or span.
type Uses []Use

// Find returns the use of an attribute, and false if there is none.
func (us Uses) Find(name string) (Use, bool) {
	for _, u := range us {
		if u.ID == name {
			return u, true
		}
	}
	return Use{}, false
}

var otelTypes = map[string]attribute.Type{
	"string": attribute.STRING, "int": attribute.INT64, "double": attribute.FLOAT64, "boolean": attribute.BOOL,
	"string[]": attribute.STRINGSLICE, "int[]": attribute.INT64SLICE, "double[]": attribute.FLOAT64SLICE, "boolean[]": attribute.BOOLSLICE,
}

// hasType also takes the list that package log/slog's bridge makes of a []string
// or []int64: OTLP tells the two no further apart.
func hasType(v attribute.Value, want string) bool {
	if element, isArray := strings.CutSuffix(want, "[]"); isArray && v.Type() == attribute.SLICE {
		return !slices.ContainsFunc(v.AsSlice(), func(v attribute.Value) bool { return v.Type() != otelTypes[element] })
	}
	return v.Type() == otelTypes[want]
}

// Check holds emitted attributes against us and joins an error for each
// attribute that us does not list, that has another type, whose value is not
// one of those listed, that comes twice, and for each required one that is
// absent. Whether a condition is met is for the caller to know.
func (us Uses) Check(emitted []attribute.KeyValue) error {
	var wrong []error
	seen := map[string]bool{}
	for _, kv := range emitted {
		name := string(kv.Key)
		if seen[name] {
			wrong = append(wrong, fmt.Errorf("%s is there twice", name))
		}
		seen[name] = true
		use, ok := us.Find(name)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Errorf("%s is not defined here", name))
		case !hasType(kv.Value, use.Type):
			wrong = append(wrong, fmt.Errorf("%s is a %s, not a %s", name, kv.Value.Type(), use.Type))
		case kv.Value.Type() == attribute.STRING && !use.Takes(kv.Value.AsString()):
			wrong = append(wrong, fmt.Errorf("%s has the value %q, which is not defined here", name, kv.Value.AsString()))
		}
	}
	for _, u := range us {
		if u.Level == Required && !seen[u.ID] {
			wrong = append(wrong, fmt.Errorf("%s is required and absent", u.ID))
		}
	}
	return errors.Join(wrong...)
}
