package redisbackend

import (
	"strings"
	"testing"
)

// clusterSlot is the rule of the specification of Redis Cluster.
func clusterSlot(key string) uint16 {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if length := strings.IndexByte(key[open+1:], '}'); length > 0 {
			return slotOf(key[open+1 : open+1+length])
		}
	}
	return slotOf(key)
}

func TestTheSlotIsTheOneOfTheSpecification(t *testing.T) {
	if crc := slotOf("123456789"); crc != 0x31C3%16384 { // the specification's own example
		t.Errorf("slot %d, want %d", crc, 0x31C3%16384)
	}
}

func FuzzASiblingIsInTheSlotOfItsKeyAndOfNoOther(f *testing.F) {
	for _, key := range []string{"k", "{k}", "lock:{a}:1", "lock:a}b", "lock:{}", "{", "}", "}{", "{}{a}", ":{k}", "{1}}", "}}"} {
		f.Add(key, "k")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return // no lock has such a key
		}
		if clusterSlot(sibling("fence", a)) != clusterSlot(a) {
			t.Errorf("%q of %q is in another slot", sibling("fence", a), a)
		}
		if a != b && sibling("fence", a) == sibling("fence", b) {
			t.Errorf("%q and %q share %q", a, b, sibling("fence", a))
		}
	})
}
