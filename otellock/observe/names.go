package observe

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxTargets     = 200
	maxNameLen     = 64
	maxPatternLen  = 128
	maxDerivedWord = 24
	other          = "_OTHER"
)

func validateName(name string) error {
	switch {
	case name == "":
		return errors.New("the target name is empty; name the collection that the lock guards, for example \"projects\"")
	case len(name) > maxNameLen:
		return fmt.Errorf("the target name has %d bytes, at most %d are allowed", len(name), maxNameLen)
	case name == other:
		return fmt.Errorf("the target name %q is kept for targets above the cap", other)
	case !printable(name):
		return errors.New("the target name must be valid UTF-8 without white space and control characters")
	}
	return nil
}

func validatePattern(pattern string) error {
	switch {
	case pattern == "":
		return errors.New("the key pattern is empty; write for example \"lock:projects:*\"")
	case len(pattern) > maxPatternLen:
		return fmt.Errorf("the key pattern has %d bytes, at most %d are allowed", len(pattern), maxPatternLen)
	case !printable(pattern):
		return errors.New("the key pattern must be valid UTF-8 without white space and control characters")
	}
	return nil
}

func validateBackendName(name string) error {
	if err := validateName(name); err != nil && name != other {
		return fmt.Errorf("WithBackendName(%.64q): use at most %d graphic characters without white space, for example \"redis\"", name, maxNameLen)
	}
	return nil
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) < 0
}

// derive makes a pattern and a target name of a key that nobody declared: every
// segment that is not a plain lower-case word is a star, and so is the last. A key
// without a colon is a path. It appends the pattern to buf; the name is a part of
// the key.
func derive(buf []byte, key string) (name string, pattern []byte) {
	const maxSegments = 8
	name = other
	separator := ":"
	if !strings.Contains(key, ":") {
		separator = "/"
		if rest, rooted := strings.CutPrefix(key, "/"); rooted {
			buf, key = append(buf, '/'), rest
		}
	}
	for range maxSegments - 1 {
		segment, rest, more := strings.Cut(key, separator)
		if !more {
			break
		}
		if plainWord(segment) {
			name = segment
			buf = append(buf, segment...)
		} else {
			buf = append(buf, '*')
		}
		buf = append(buf, separator...)
		key = rest
	}
	return name, append(buf, '*')
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
