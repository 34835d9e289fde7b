package sentryissue

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxDepth = 5

// value returns v as encoding/json can always write it: a single NaN would
// cost the whole event. Strings are cut.
func value(v any, depth int) any {
	switch t := v.(type) {
	case string:
		if len(t) <= maxValue && utf8.ValidString(t) {
			return v // as it is boxed already
		}
		return cut(t, maxValue)
	case float64:
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return strconv.FormatFloat(t, 'g', -1, 64)
		}
	case []float64:
		out := make([]any, len(t))
		for i := range t {
			out[i] = value(t[i], depth)
		}
		return out
	case []string:
		out := make([]string, len(t))
		for i := range t {
			out[i] = cut(t[i], maxValue)
		}
		return out
	case []any:
		if depth >= maxDepth {
			return "..."
		}
		out := make([]any, len(t))
		for i := range t {
			out[i] = value(t[i], depth+1)
		}
		return out
	case map[string]any:
		if depth >= maxDepth {
			return "..."
		}
		out := make(map[string]any, len(t))
		for k := range t {
			out[k] = kept(k, t[k], depth+1)
		}
		return out
	}
	return v
}

// filtered stands for a value whose key says that it is a credential.
const filtered = "[Filtered]"

// kept returns the value of an attribute, or of an entry of a map, that is sent
// as it is. Some backends want their key among the resource's attributes, and
// it must not reach another.
func kept(key string, v any, depth int) any {
	key = strings.ReplaceAll(strings.ToLower(key), "-", "_")
	for _, word := range [...]string{
		"password", "passwd", "secret", "token", "authorization", "credential", "cookie",
		"api_key", "apikey", "access_key", "accesskey", "private_key", "privatekey",
	} {
		if strings.Contains(key, word) {
			return filtered
		}
	}
	return value(v, depth)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		if v >= math.MinInt64 && v < math.MaxInt64 {
			return int64(v)
		}
	}
	return 0
}
