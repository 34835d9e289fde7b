package sentryissue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxEvent bounds an event as JSON, before compression. Relay's own limit is
	// 200 KB for what it compressed, and 1 MB after that.
	maxEvent = 200_000
	// fixed is what the fields with limits of their own take of it at most.
	fixed = 40_000

	maxResource   = 24_000
	maxStack      = 48_000
	maxAttributes = 64_000

	maxDepth = 5
	maxKey   = 200 // characters of a key in a context
)

// A budget is how many bytes of JSON may still be added. What does not fit is
// cut or left out. [encoding/json] writes up to six bytes for one.
type budget int

// limit splits off a budget of n bytes at most. The returned function gives
// back what it did not use.
func (b *budget) limit(n int) (part *budget, done func()) {
	p := min(*b, budget(n))
	*b -= p
	return &p, func() { *b += p }
}

func (b *budget) take(n int) bool {
	if n > int(*b) {
		return false
	}
	*b -= budget(n)
	return true
}

// text returns s, cut to the limit in characters and to what fits.
func (b *budget) text(s string, limit int) string {
	if len(s) > limit || !utf8.ValidString(s) {
		s = cut(s, limit)
	}
	n := jsonSize(s)
	if n > int(*b) {
		s = cut(s, max(0, int(*b)-2)/6)
		n = min(int(*b), jsonSize(s))
	}
	*b -= budget(n)
	return s
}

// jsonSize returns the size of a valid string as encoding/json writes it.
func jsonSize(s string) int {
	n := len(s) + 2
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			n++
		case c < ' ' || c == '<' || c == '>' || c == '&':
			n += 5
		case c == 0xE2: // perhaps one of the two line separators
			n += 3
		}
	}
	return n
}

// put adds an entry to a map, or leaves it out where there is no room. A value
// whose key names a credential is filtered: some backends want their key among
// the resource's attributes, and it must not reach another. The key may be
// stored under a shorter name.
func (b *budget) put(to map[string]any, key, name string, v any, depth int) bool {
	name = cut(name, maxKey)
	if !b.take(jsonSize(name)+2) || *b < 16 {
		return false
	}
	if credential(key) {
		b.take(len(filtered) + 2)
		v = filtered
	} else {
		v = b.value(v, depth)
	}
	to[name] = v
	return true
}

// value returns v as encoding/json can always write it: a single NaN would
// cost the whole event.
func (b *budget) value(v any, depth int) any {
	switch t := v.(type) {
	case string:
		if s := b.text(t, maxText); len(s) != len(t) || s != t {
			return s
		}
		return v // as it is boxed already
	case float64:
		b.take(26)
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return strconv.FormatFloat(t, 'g', -1, 64)
		}
		return v
	case nil, bool, int, int64:
		b.take(20)
		return v
	case []byte:
		t = t[:min(len(t), maxText, max(0, int(*b)-8)*3/4)]
		b.take(len(t)*4/3 + 6)
		return bytes.Clone(t)
	case []string:
		return list(b, t, depth)
	case []bool:
		return list(b, t, depth)
	case []int64:
		return list(b, t, depth)
	case []float64:
		return list(b, t, depth)
	case []any:
		return list(b, t, depth+1)
	case map[string]any:
		if depth >= maxDepth {
			return b.text("...", 3)
		}
		b.take(2)
		out := make(map[string]any, min(len(t), 16))
		for k, v := range t {
			if !b.put(out, k, k, v, depth+1) {
				break
			}
		}
		return out
	}
	return b.foreign(v)
}

func list[T any](b *budget, in []T, depth int) any {
	if depth > maxDepth {
		return b.text("...", 3)
	}
	b.take(2)
	out := make([]any, 0, min(len(in), 64))
	for _, v := range in {
		if *b < 32 {
			break
		}
		b.take(1)
		out = append(out, b.value(v, depth))
	}
	return out
}

// foreign returns a value of a type that only an application's scope can hold.
func (b *budget) foreign(v any) any {
	raw, err := json.Marshal(v)
	if err != nil || len(raw) > maxText || !b.take(len(raw)) {
		return b.text(fmt.Sprintf("%T", v), maxTag)
	}
	return json.RawMessage(raw)
}

// filtered stands for a value whose key says that it is a credential.
const filtered = "[Filtered]"

var (
	separators = strings.NewReplacer("-", "", "_", "")
	secrets    = []string{"passw", "secret", "token", "authorization", "credential", "cookie", "apikey", "accesskey", "privatekey"}
)

func credential(key string) bool {
	key = strings.ToLower(separators.Replace(key))
	return slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(key, s) })
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

// all reads the values of a list, whichever type it has.
func all[T any](v any, read func(any) T) (out []T) {
	switch v := v.(type) {
	case []T:
		return v
	case []any:
		for _, v := range v {
			out = append(out, read(v))
		}
	}
	return out
}
