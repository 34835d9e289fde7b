package otellock

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestIDsGoIntoTheKeyAsTheyAreWhereThatIsUnambiguous(t *testing.T) {
	for _, c := range []struct {
		pattern string
		ids     []string
		want    string
	}{
		{"lock:cron:nightly", nil, "lock:cron:nightly"},
		{"lock:projects:*", []string{"6f1c2b7e-8a1d-4c1e-9d57-0b6a2f3c4d5e"}, "lock:projects:6f1c2b7e-8a1d-4c1e-9d57-0b6a2f3c4d5e"},
		{"lock:projects:*", []string{"eu:9"}, "lock:projects:eu:9"},
		{"lock:mail:*", []string{"a:b{c}%\n\x00\xff"}, "lock:mail:a:b{c}%\n\x00\xff"},
		{"*:lock", []string{"50%:{a}"}, "50%:{a}:lock"},
		{"{mail}:*", []string{"{a}"}, "{mail}:{a}"},
		{"lock:{*}:tasks:*", []string{"acme", "Zoë's task: 50%"}, "lock:{acme}:tasks:Zoë's task: 50%"},
		{"lock:*:*", []string{"eu-1/{a}", "9:7%"}, "lock:eu-1/{a}:9:7%"},
		{"*/*", []string{"a:b", "c/d"}, "a:b/c/d"},
	} {
		if got := keyOf(t, c.pattern, c.ids...); got != c.want {
			t.Errorf("%s of %q is %q, want %q", c.pattern, c.ids, got, c.want)
		}
	}
}

func TestIDsAreEncodedWhereTheyHoldWhatSeparatesThem(t *testing.T) {
	for _, c := range []struct {
		pattern string
		ids     []string
		want    string
	}{
		{"lock:*:*", []string{"a:b", "c:d"}, "lock:a%3Ab:c:d"},
		{"lock:*:*", []string{"50%", "50%"}, "lock:50%25:50%"},
		{"lock:*::*", []string{"a:", ":c"}, "lock:a%3A:::c"},
		{"*-*_*", []string{"a-b_c", "d-e_f", "g-h_i"}, "a%2Db_c-d-e%5Ff_g-h_i"},
		{"*é*", []string{"a\xc3", "\xa9b"}, "a%C3é\xa9b"},
	} {
		if got := keyOf(t, c.pattern, c.ids...); got != c.want {
			t.Errorf("%s of %q is %q, want %q", c.pattern, c.ids, got, c.want)
		}
	}
}

func TestIDsDoNotMoveTheHashTagOfThePattern(t *testing.T) {
	for _, c := range []struct {
		pattern string
		ids     []string
		want    string
	}{
		{"lock:*:{orders}", []string{"{a}"}, "lock:%7Ba}:{orders}"},
		{"lock:{*}", []string{"}"}, "lock:{%7D}"},
		{"lock:{*}", []string{"{a}50%"}, "lock:{{a%7D50%25}"},
		{"lock:{*:*}", []string{"a:}", "b:}"}, "lock:{a%3A%7D:b:%7D}"},
	} {
		if got := keyOf(t, c.pattern, c.ids...); got != c.want {
			t.Errorf("%s of %q is %q, want %q", c.pattern, c.ids, got, c.want)
		}
	}
}

func keyOf(t *testing.T, pattern string, ids ...string) string {
	t.Helper()
	p, err := parsePattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.key(ids)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Every pattern of up to five bytes out of six, with every list of short ids:
// the bytes are separators, braces and what an encoded byte is made of.
func TestNoTwoListsOfShortIDsShareAKey(t *testing.T) {
	pools := [][]string{nil, words(":%{}3A", 3), words(":%{}3A", 2), words(":%{}3A", 1)} // by the number of stars
	pools[2] = append(pools[2], "%3A", "%7B", "%7D", "%33", "%41", "%25")
	for _, text := range words("*:{}3A", 5) {
		p, err := parsePattern(text)
		if err != nil || p.ids() == 0 {
			continue
		}
		seen := map[string]string{}
		for ids := range lists(pools[p.ids()], p.ids()) {
			key, err := p.key(ids)
			if err != nil {
				t.Fatal(err)
			}
			if same, ok := seen[key]; ok {
				t.Fatalf("%s: %s and %q are both %q", text, same, ids, key)
			}
			seen[key] = fmt.Sprintf("%q", ids)
			if got, want := hashTag(key), hashTagOf(p, ids); want != "" && got != want {
				t.Fatalf("%s: %q moves the hash tag to %q in %q, want %q", text, ids, got, key, want)
			}
		}
	}
}

// words are all of one to n bytes of the alphabet, short ones first.
func words(alphabet string, n int) (all []string) {
	longest := []string{""}
	for range n {
		var longer []string
		for _, w := range longest {
			for i := range alphabet {
				longer = append(longer, w+alphabet[i:i+1])
			}
		}
		all, longest = append(all, longer...), longer
	}
	return all
}

// lists yields every list of n of the ids. The caller must not keep it.
func lists(ids []string, n int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		list := make([]string, n)
		var fill func(i int) bool
		fill = func(i int) bool {
			if i == n {
				return yield(list)
			}
			for _, id := range ids {
				list[i] = id
				if !fill(i + 1) {
					return false
				}
			}
			return true
		}
		fill(0)
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
	f.Add("*3*", "%3", "3", "")
	f.Add("{tag}:*", "{other}", "", "")
	f.Add("*:{tag}", "{other}", "", "")
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
		if got, want := hashTag(key), hashTagOf(p, ids); want != "" && got != want {
			t.Errorf("%s: the ids %q move the hash tag to %q, want %q", pattern, ids, got, want)
		}
	})
}

// readBack takes a key apart: an id ends where the text after its star begins,
// looked for between encoded bytes; the last one ends where the key does.
func readBack(t *testing.T, p keyPattern, key string) []string {
	ids := make([]string, 0, p.ids())
	rest := strings.TrimPrefix(key, p.literals[0])
	for i := range p.ids() {
		encodes, last := strings.Contains(encodedIn(p.text, i), "%"), i == p.ids()-1
		end := p.literals[i+1]
		var id []byte
		for !(last && len(rest) == len(end)) && (last || !strings.HasPrefix(rest, end)) {
			if rest == "" {
				t.Fatalf("%s: %q ends inside of id %d", p.text, key, i+1)
			}
			if rest[0] != '%' || !encodes {
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
		rest = rest[len(end):]
	}
	return ids
}

// encodedIn is what is encoded in the id of the star with that index.
func encodedIn(pattern string, star int) string {
	for i := range len(pattern) {
		if pattern[i] == '*' {
			if star == 0 {
				return encoded(pattern, i)
			}
			star--
		}
	}
	return ""
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

// hashTagOf is the hash tag that the pattern shows, its stars filled with the
// ids and their '}' encoded; empty if the pattern has none.
func hashTagOf(p keyPattern, ids []string) string {
	before, rest, found := strings.Cut(p.text, "{")
	if !found {
		return ""
	}
	shown, _, _ := strings.Cut(rest, "}")
	parts := strings.Split(shown, "*")
	tag := parts[0]
	for i, part := range parts[1:] {
		star := strings.Count(before, "*") + i
		for _, c := range []byte(ids[star]) {
			if strings.IndexByte(encodedIn(p.text, star), c) >= 0 {
				tag += fmt.Sprintf("%%%02X", c)
			} else {
				tag += string([]byte{c})
			}
		}
		tag += part
	}
	return tag
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
