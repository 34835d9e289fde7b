package sentryissue

import (
	"encoding/json"
	"fmt"
	"math"
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

// entry returns the value of an attribute, or of an entry of a map, and false
// where there is no room for it. A value whose key names a credential is
// filtered: some backends want their key among the resource's attributes, and it
// must not reach another.
func (b *budget) entry(key string, v any, depth int) (any, bool) {
	if !b.take(jsonSize(key)+2) || *b < 16 {
		return nil, false
	}
	if credential(key) {
		return filtered, b.take(len(filtered) + 2)
	}
	return b.value(v, depth), true
}

// put adds an entry to a context, or leaves it out where there is no room.
func (b *budget) put(to map[string]any, key string, v any) {
	key = cut(key, maxKey)
	if v, ok := b.entry(key, v, 0); ok {
		to[key] = v
	}
}

// value returns v as encoding/json can always write it: a single NaN would
// cost the whole event.
func (b *budget) value(v any, depth int) any {
	switch t := v.(type) {
	case nil:
		b.take(4)
		return nil
	case string:
		if s := b.text(t, maxText); len(s) != len(t) || s != t {
			return s
		}
		return v // as it is boxed already
	case bool:
		b.take(5)
		return v
	case int, int64:
		b.take(20)
		return v
	case float64:
		b.take(26)
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return strconv.FormatFloat(t, 'g', -1, 64)
		}
		return v
	case []byte:
		t = t[:min(len(t), maxText, max(0, int(*b)-8)*3/4)]
		b.take(len(t)*4/3 + 6)
		return append([]byte{}, t...)
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
			k = cut(k, maxKey)
			kept, ok := b.entry(k, v, depth+1)
			if !ok {
				break
			}
			out[k] = kept
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

func credential(key string) bool {
	key = strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == '_':
			return -1
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, key)
	for _, word := range [...]string{
		"passw", "secret", "token", "authorization", "credential", "cookie", "apikey", "accesskey", "privatekey",
	} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func texts(v any) (list []string) {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		for _, v := range v {
			if s, ok := v.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
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
