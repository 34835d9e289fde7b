package main

import (
	"strings"
	"unicode"
)

// initialisms keep the case that Go code gives them.
var initialisms = map[string]string{"eof": "EOF", "id": "ID", "oom": "OOM", "ttl": "TTL"}

// goName is the exported Go name of a registry name: every word between dots
// and underscores begins with a capital.
func goName(name string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '_' }) {
		if known, ok := initialisms[word]; ok {
			b.WriteString(known)
			continue
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// localName is goName without the namespace that the package's own name says.
func localName(name string) string { return goName(strings.TrimPrefix(name, "lock.")) }

func paramName(name string) string {
	local := localName(name)
	if strings.ToUpper(local) == local {
		return strings.ToLower(local)
	}
	return string(unicode.ToLower(rune(local[0]))) + local[1:]
}
