package sentryissue

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentry's limits, in characters.
const (
	maxTag         = 200
	maxTagKey      = 32
	maxRelease     = 200
	maxEnvironment = 64
	maxLogger      = 64
	maxTitle       = 1024
	maxText        = 8192 // a message, a value in a context
)

// cut returns the first limit characters of s as valid UTF-8.
func cut(s string, limit int) string {
	if len(s) > limit {
		n := 0
		for i := range s {
			if n == limit {
				s = s[:i]
				break
			}
			n++
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// line returns s on one line: line breaks and other control characters become
// blanks, and blanks at the ends are removed.
func line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if breaks(r) {
			return ' '
		}
		return r
	}, s)
	return cut(strings.TrimSpace(s), limit)
}

func breaks(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// name returns s as Sentry accepts the name of a release or an environment:
// without blanks and slashes, and not a reserved name.
func name(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '/' || r == '\\' || r == utf8.RuneError {
			return '-'
		}
		return r
	}, strings.TrimSpace(s))
	switch s = cut(s, limit); s {
	case ".", "..", "None":
		return ""
	}
	return s
}

var notInTagKey = regexp.MustCompile("[^a-zA-Z0-9_.:-]")

// tagKey returns s as Sentry accepts the key of a tag.
func tagKey(s string) string { return cut(notInTagKey.ReplaceAllString(s, "_"), maxTagKey) }
