package main

import (
	"cmp"
	"strings"
)

// initialisms keep the case that Go code gives them.
var initialisms = map[string]string{"eof": "EOF", "id": "ID", "oom": "OOM", "ttl": "TTL"}

// goName returns the exported Go name of a registry name: every word between dots
// and underscores begins with a capital.
func goName(name string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '_' }) {
		b.WriteString(cmp.Or(initialisms[word], capital(word)))
	}
	return b.String()
}

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
