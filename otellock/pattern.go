package otellock

import (
	"fmt"
	"strings"
)

// A keyPattern is a key with '*' in the place of each id.
type keyPattern struct {
	text     string
	literals []string            // the text between the stars; one more than there are stars
	encoders []*strings.Replacer // one for each star; nil where ids are taken as they are
}

func parsePattern(text string) (keyPattern, error) {
	switch {
	case strings.Contains(text, "**"):
		return keyPattern{}, fmt.Errorf("otellock: the key pattern %q has \"**\"; ids without a separator are ambiguous, put one between the stars", text)
	case strings.Contains(text, "%"):
		return keyPattern{}, fmt.Errorf("otellock: the key pattern %q has a '%%', which is kept for encoded ids", text)
	}
	depth := 0
	for i, r := range text {
		switch r {
		case '{':
			depth++
			if strings.HasPrefix(text[i:], "{}") {
				return keyPattern{}, fmt.Errorf("otellock: the key pattern %q has an empty hash tag \"{}\"", text)
			}
		case '}':
			depth--
		}
		if depth < 0 || depth > 1 {
			break // unbalanced or nested, and not 0
		}
	}
	if depth != 0 {
		return keyPattern{}, fmt.Errorf("otellock: the braces of the key pattern %q are not balanced; a Cluster hash tag is one \"{...}\"", text)
	}
	p := keyPattern{text: text, literals: strings.Split(text, "*")}
	for i := range len(text) {
		if text[i] == '*' {
			p.encoders = append(p.encoders, newEncoder(encoded(text, i)))
		}
	}
	return p, nil
}

// encoded returns the bytes that the id in the place of text[star] may not hold
// as they are: the first of what separates it from the next id, which would end
// it early, and the brace that would move the hash tag of the pattern in a
// Cluster. With them goes '%', or "%3A" and an encoded ":" would be one key. The
// last id ends where the key does, so that nothing ends it early.
func encoded(text string, star int) (set string) {
	if separator, _, more := strings.Cut(text[star+1:], "*"); more {
		set = separator[:1]
	}
	switch {
	case star < strings.IndexByte(text, '{'): // before the hash tag
		set += "{"
	case star < strings.IndexByte(text, '}'): // in it
		set += "}"
	}
	if set != "" {
		set += "%"
	}
	return set
}

// newEncoder returns what percent-encodes the bytes of the set, nil if it is empty.
func newEncoder(set string) *strings.Replacer {
	if set == "" {
		return nil
	}
	var pairs []string
	for i := range len(set) {
		pairs = append(pairs, set[i:i+1], fmt.Sprintf("%%%02X", set[i]))
	}
	return strings.NewReplacer(pairs...)
}

func (p keyPattern) ids() int { return len(p.literals) - 1 }

// key puts the ids in the places of the stars.
func (p keyPattern) key(ids []string) (string, error) {
	if len(ids) != p.ids() {
		return "", fmt.Errorf("got %d ids, the key pattern %s wants %d", len(ids), p.text, p.ids())
	}
	if len(ids) == 0 {
		return p.text, nil
	}
	n := len(p.text)
	for i, id := range ids {
		if id == "" {
			return "", fmt.Errorf("id %d of the key pattern %s is empty", i+1, p.text)
		}
		n += len(id) - 1
	}
	var key strings.Builder
	key.Grow(n)
	for i, id := range ids {
		key.WriteString(p.literals[i])
		if encoder := p.encoders[i]; encoder != nil {
			id = encoder.Replace(id)
		}
		key.WriteString(id)
	}
	key.WriteString(p.literals[len(ids)])
	return key.String(), nil
}

// matches reports whether the key is the pattern with something in the place of
// every star.
func (p keyPattern) matches(key string) bool {
	if p.ids() == 0 {
		return key == p.text
	}
	first, last := p.literals[0], p.literals[p.ids()]
	if len(key) < len(first)+len(last)+1 || !strings.HasPrefix(key, first) || !strings.HasSuffix(key, last) {
		return false
	}
	rest := key[len(first) : len(key)-len(last)]
	for _, literal := range p.literals[1:p.ids()] {
		if rest == "" {
			return false
		}
		i := strings.Index(rest[1:], literal)
		if i < 0 {
			return false
		}
		rest = rest[1+i+len(literal):]
	}
	return rest != ""
}
