package sentryissue

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentry's limits, in characters.
const (
	maxTag         = 200
	maxRelease     = 250
	maxEnvironment = 64
	maxTitle       = 1024
	maxMessage     = 8192
	maxValue       = 8192
)

// cut returns the first limit characters of s as valid UTF-8.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	n := 0
	for i := range s {
		if n == limit {
			s = s[:i]
			break
		}
		n++
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// line returns s on one line: line breaks and other control characters are
// blanks, and blanks at the ends are gone.
func line(s string, limit int) string {
	if strings.IndexFunc(s, breaks) >= 0 {
		s = strings.Map(func(r rune) rune {
			if breaks(r) {
				return ' '
			}
			return r
		}, s)
	}
	return cut(strings.TrimSpace(s), limit)
}

func breaks(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// name returns s as Sentry takes the name of a release or an environment:
// without blanks and slashes, and not a name that is reserved.
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

// words says what an error type means. Types without an entry, such as Redis
// codes, are words of their own.
func words(errorType string) string {
	switch errorType {
	case "expired", "lost", "stolen":
		return "lease " + errorType
	case "connection_refused":
		return "connection refused"
	case "pool_exhausted":
		return "connection pool exhausted"
	case "eof":
		return "connection broken"
	case "closed":
		return "client closed"
	case "_OTHER":
		return "other error"
	}
	return errorType
}
