package otellock

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxNameLen     = 64
	maxPatternLen  = 128
	maxDerivedWord = 24
	other          = "_OTHER"
)

// A keyPattern is a key with '*' in the place of each id.
type keyPattern struct {
	text     string
	literals []string // the text between the stars; one more than there are stars
	encoded  *escapes // the bytes that an id may not hold as they are
}

// escapes are the bytes that would make two lists of ids one key, or move the
// hash tag of a Cluster key.
type escapes [256]bool

var always = func() (e escapes) {
	for c := range 0x20 {
		e[c] = true
	}
	for _, c := range []byte("%:{}\x7f") {
		e[c] = true
	}
	return e
}()

func parsePattern(text string) (keyPattern, error) {
	switch {
	case text == "":
		return keyPattern{}, errors.New("otellock: the key pattern is empty; write for example \"lock:projects:*\"")
	case len(text) > maxPatternLen:
		return keyPattern{}, fmt.Errorf("otellock: the key pattern has %d bytes, at most %d are allowed", len(text), maxPatternLen)
	case !printable(text):
		return keyPattern{}, errors.New("otellock: the key pattern must be valid UTF-8 without white space and control characters")
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
	encoded := always
	p := keyPattern{text: text, literals: strings.Split(text, "*"), encoded: &encoded}
	for i := 1; i < p.ids(); i++ {
		if between := p.literals[i]; always.in(between) == 0 {
			encoded[between[0]] = true // "*-*": no id may hold a plain '-'
		}
	}
	return p, nil
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
		n += len(id) - 1 + 2*p.encoded.in(id)
	}
	var key strings.Builder
	key.Grow(n)
	for i, id := range ids {
		key.WriteString(p.literals[i])
		p.encoded.write(&key, id)
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

// in counts the bytes of an id that are encoded.
func (e *escapes) in(id string) (n int) {
	for i := range len(id) {
		if e[id[i]] {
			n++
		}
	}
	return n
}

// write percent-encodes an id.
func (e *escapes) write(key *strings.Builder, id string) {
	const hex = "0123456789ABCDEF"
	plain := 0 // what is before it has been written
	for i := range len(id) {
		if c := id[i]; e[c] {
			key.WriteString(id[plain:i])
			key.Write([]byte{'%', hex[c>>4], hex[c&15]})
			plain = i + 1
		}
	}
	key.WriteString(id[plain:])
}

// derive makes a pattern and a target name of a key that nobody declared: every
// segment that is not a plain lower-case word is a star, and so is the last.
func derive(key string) (name, pattern string) {
	const maxSegments = 8
	segments := strings.SplitN(key, ":", maxSegments)
	name = other
	for i, segment := range segments {
		if i == len(segments)-1 || !plainWord(segment) {
			segments[i] = "*"
			continue
		}
		name = segment
	}
	return name, strings.Join(segments, ":")
}

func plainWord(s string) bool {
	if s == "" || len(s) > maxDerivedWord {
		return false
	}
	for i := range len(s) {
		c := s[i]
		inner := i > 0 && i < len(s)-1
		if (c < 'a' || c > 'z') && !(inner && (c == '-' || c == '_')) {
			return false
		}
	}
	return true
}

func validateName(name string) error {
	switch {
	case name == "":
		return errors.New("otellock: the target name is empty; name the collection that the lock guards, for example \"projects\"")
	case len(name) > maxNameLen:
		return fmt.Errorf("otellock: the target name has %d bytes, at most %d are allowed", len(name), maxNameLen)
	case name == other:
		return fmt.Errorf("otellock: the target name %q is kept for targets above the cap", other)
	case !printable(name):
		return errors.New("otellock: the target name must be valid UTF-8 without white space and control characters")
	}
	return nil
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) < 0
}
