package observe

import (
	"slices"
	"strings"
	"testing"
)

func TestDerivedNames(t *testing.T) {
	for _, c := range []struct{ key, name, pattern string }{
		{"lock:projects:42", "projects", "lock:projects:*"},
		{"lock:user:alice:settings", "alice", "lock:user:alice:*"}, // the limit that the doc comment names
		{"lock:42:projects:7", "projects", "lock:*:projects:*"},
		{"projects", other, "*"},
		{"", other, "*"},
		{"42:43", other, "*:*"},
		{"lock:{acme}:x", "lock", "lock:*:*"},
		{"Lock:projects:1", "projects", "*:projects:*"},
		{"lock:-a:1", "lock", "lock:*:*"},
		{"lock:sync-job:1", "sync-job", "lock:sync-job:*"},
		{"lock:" + strings.Repeat("a", maxDerivedWord+1) + ":1", "lock", "lock:*:*"},
		{"a:b:c:d:e:f:g:h:i:j", "g", "a:b:c:d:e:f:g:*"},
		{"a::b", "a", "a:*:*"},
		{"/locks/projects/42", "projects", "/locks/projects/*"}, // as in etcd
		{"locks/projects/42", "projects", "locks/projects/*"},
		{"/my-lock/", "my-lock", "/my-lock/*"},
		{"/42", other, "/*"},
		{"//a/b", "a", "/*/a/*"},
		{"lock:a/b:c", "lock", "lock:*:*"},
	} {
		if name, pattern := derive(nil, c.key); name != c.name || string(pattern) != c.pattern {
			t.Errorf("derive(%q) = %q, %q; want %q, %q", c.key, name, pattern, c.name, c.pattern)
		}
	}
}

func FuzzDerivedPatternsHoldWordsOnly(f *testing.F) {
	f.Add("lock:projects:42")
	f.Add("a:b:c:d:e:f:g:h:i:j")
	f.Add("::::")
	f.Add("/locks/projects/42")
	f.Add("////")
	f.Add("lock:\xff:ünï:{x}:a--b:_:1")
	f.Add(strings.Repeat("abcdefghijklmnopqrstuvwx:", 9))
	f.Fuzz(func(t *testing.T, key string) {
		name, derived := derive(nil, key)
		pattern := string(derived)
		separator := ":"
		if !strings.Contains(key, ":") {
			separator = "/"
			pattern = strings.TrimPrefix(pattern, "/")
		}
		segments := strings.Split(pattern, separator)
		if len(segments) > 8 || len(pattern) > 8*(maxDerivedWord+1) {
			t.Errorf("derive(%q): %q is not bounded", key, pattern)
		}
		if last := segments[len(segments)-1]; last != "*" {
			t.Errorf("derive(%q): the last segment is %q", key, last)
		}
		for _, segment := range segments {
			if segment != "*" && !isWord(segment) {
				t.Errorf("derive(%q): %q is not a word", key, segment)
			}
		}
		if name != other && (!isWord(name) || !slices.Contains(segments, name)) {
			t.Errorf("derive(%q): the name %q is not a word of %q", key, name, pattern)
		}
	})
}

// isWord allows inner hyphens and underscores.
func isWord(s string) bool {
	trimmed := strings.Trim(s, "abcdefghijklmnopqrstuvwxyz")
	return s != "" && strings.Trim(trimmed, "-_abcdefghijklmnopqrstuvwxyz") == "" && strings.Trim(s, "-_") == s
}
