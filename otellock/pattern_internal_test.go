package otellock

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestIDsThatLookAlikeAreDifferentKeys(t *testing.T) {
	for _, c := range []struct {
		pattern string
		a, b    []string
	}{
		{"lock:*:*", []string{"a:b", "c"}, []string{"a", "b:c"}},
		{"lock:*:*", []string{"a%3Ab", "c"}, []string{"a:b", "c"}},
		{"lock:*-*", []string{"a-b", "c"}, []string{"a", "b-c"}},
		{"lock:*-*", []string{"a%2Db", "c"}, []string{"a-b", "c"}},
		{"lock:*A*", []string{"x:", "y"}, []string{"x%3", "Ay"}},
		{"lock:*é*", []string{"aéb", "c"}, []string{"a", "béc"}},
		{"lock:*::*", []string{"a:", "c"}, []string{"a", ":c"}},
		{"lock:{*}*", []string{"a}b", "c"}, []string{"a", "b}c"}},
		{"{*}:*", []string{"{a", "b"}, []string{"a", "{b"}},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := p.key(c.a)
		b, errB := p.key(c.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if a == b {
			t.Errorf("%s: %q and %q are both %s", c.pattern, c.a, c.b, a)
		}
	}
}

func TestKeysOfOrdinaryIDsAreWhatAPersonWouldWrite(t *testing.T) {
	for _, c := range []struct {
		pattern string
		ids     []string
		want    string
	}{
		{"lock:cron:nightly", nil, "lock:cron:nightly"},
		{"lock:projects:*", []string{"6f1c2b7e-8a1d-4c1e-9d57-0b6a2f3c4d5e"}, "lock:projects:6f1c2b7e-8a1d-4c1e-9d57-0b6a2f3c4d5e"},
		{"lock:{*}:tasks:*", []string{"acme", "Zoë's task"}, "lock:{acme}:tasks:Zoë's task"},
		{"lock:mail:*", []string{"a:b{c}%\n"}, "lock:mail:a%3Ab%7Bc%7D%25%0A"},
		{"*/*", []string{"a/b", "c-d"}, "a%2Fb/c-d"},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.key(c.ids); err != nil || got != c.want {
			t.Errorf("%s of %q: %q, %v; want %q", c.pattern, c.ids, got, err, c.want)
		}
	}
}

// FuzzIDsCanBeReadBack finds every list of ids again in its key, so that two
// lists never share one.
func FuzzIDsCanBeReadBack(f *testing.F) {
	f.Add("lock:projects:*", "1", "2", "3")
	f.Add("lock:*:*", "a:b", "c", "")
	f.Add("lock:{*}:*", "{a}", "b}", "")
	f.Add("*-*_*", "a-b", "_c%2D", "-")
	f.Add("*A*", "x:", "y", "")
	f.Add("{tag}:*", "{other}", "", "")
	f.Add("*}{*", "a", "b", "")
	f.Add("a**b", "a", "b", "")
	f.Add("lock:cron:nightly", "", "", "")
	f.Add("*é*", "a\xc3", "\xa9b", "")
	f.Fuzz(func(t *testing.T, pattern, id1, id2, id3 string) {
		p, err := parsePattern(pattern)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("the error holds raw control characters: %q", err)
			}
			return
		}
		pool := []string{id1, id2, id3}
		ids := make([]string, p.ids())
		for i := range ids {
			ids[i] = pool[i%len(pool)]
		}
		key, err := p.key(ids)
		if slices.Contains(ids, "") {
			if err == nil {
				t.Fatalf("an empty id made the key %q", key)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := readBack(t, p, key); !slices.Equal(got, ids) {
			t.Errorf("%s: the ids %q make %q, which reads %q", pattern, ids, key, got)
		}
		if !p.matches(key) {
			t.Errorf("%s: KeyMutex refuses the key %q of Mutex(%q)", pattern, key, ids)
		}
		if got, want := hashTag(key), tagOfIDs(p, ids); got != want {
			t.Errorf("%s: the ids %q move the hash tag to %q, want %q", pattern, ids, got, want)
		}
	})
}

// readBack takes a key apart: an id ends where the text after its star begins,
// looked for between encoded characters.
func readBack(t *testing.T, p keyPattern, key string) []string {
	ids := make([]string, 0, p.ids())
	rest := strings.TrimPrefix(key, p.literals[0])
	for i := 1; i <= p.ids(); i++ {
		var id []byte
		last := i == p.ids()
		for !(last && len(rest) == len(p.literals[i])) && (last || !strings.HasPrefix(rest, p.literals[i])) {
			if rest == "" {
				t.Fatalf("%s: %q ends inside of id %d", p.text, key, i)
			}
			if rest[0] != '%' {
				id, rest = append(id, rest[0]), rest[1:]
				continue
			}
			c, err := strconv.ParseUint(rest[1:3], 16, 8)
			if err != nil {
				t.Fatalf("%s: %q holds a bad code", p.text, key)
			}
			id, rest = append(id, byte(c)), rest[3:]
		}
		ids = append(ids, string(id))
		rest = rest[len(p.literals[i]):]
	}
	return ids
}

// hashTag is what Redis Cluster hashes of a key: what is between the first '{'
// and the first '}' after it, if that is not empty, or else all of it.
func hashTag(key string) string {
	_, rest, found := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !found || !closed || tag == "" {
		return "whole key"
	}
	return tag
}

// tagOfIDs is the hash tag that the pattern shows, with its stars filled.
func tagOfIDs(p keyPattern, ids []string) string {
	before, rest, found := strings.Cut(p.text, "{")
	if !found {
		return "whole key"
	}
	tag, _, _ := strings.Cut(rest, "}")
	next := strings.Count(before, "*")
	var text strings.Builder
	for _, r := range tag {
		if r != '*' {
			text.WriteRune(r)
			continue
		}
		p.encoded.write(&text, ids[next])
		next++
	}
	return text.String()
}

func FuzzMatchesAgreesWithTheSimpleMatcher(f *testing.F) {
	f.Add("lock:*", "lock:1")
	f.Add("lock:*", "lock:")
	f.Add("*a*a", "aaaa")
	f.Add("*ab*ab", "xabab")
	f.Add("*:*", "::")
	f.Add("a*a", "a")
	f.Add("ab*ba", "aba")
	f.Add("*-*-*", "a--b-")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if len(key) > 200 {
			return
		}
		p, err := parsePattern(pattern)
		if err != nil {
			return
		}
		if got, want := p.matches(key), simplyMatches(pattern, key); got != want {
			t.Errorf("%q matches %q: %t, want %t", pattern, key, got, want)
		}
	})
}

// simplyMatches tries every end of every star: reachable[j] says that the
// pattern so far can have used up j bytes of the key.
func simplyMatches(pattern, key string) bool {
	reachable := make([]bool, len(key)+1)
	reachable[0] = true
	for i := range len(pattern) {
		next := make([]bool, len(key)+1)
		for j := range key {
			if reachable[j] {
				if pattern[i] == '*' {
					for end := j + 1; end <= len(key); end++ {
						next[end] = true
					}
				} else if pattern[i] == key[j] {
					next[j+1] = true
				}
			}
		}
		reachable = next
	}
	return reachable[len(key)]
}

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
	} {
		if name, pattern := derive(c.key); name != c.name || pattern != c.pattern {
			t.Errorf("derive(%q) = %q, %q; want %q, %q", c.key, name, pattern, c.name, c.pattern)
		}
	}
}

func FuzzDerivedPatternsHoldWordsOnly(f *testing.F) {
	f.Add("lock:projects:42")
	f.Add("a:b:c:d:e:f:g:h:i:j")
	f.Add("::::")
	f.Add("lock:\xff:ünï:{x}:a--b:_:1")
	f.Add(strings.Repeat("abcdefghijklmnopqrstuvwx:", 9))
	f.Fuzz(func(t *testing.T, key string) {
		name, pattern := derive(key)
		segments := strings.Split(pattern, ":")
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
