package redisbackend

import (
	"strconv"
	"strings"
	"sync"
)

// sibling returns the name of a key of ours that belongs to a lock's key, in the
// same hash slot of a Cluster, whatever braces that key has. No two keys share one.
func sibling(kind, key string) string {
	prefix := "otellock:" + kind
	switch {
	case hasTag(key):
		return prefix + ":" + key
	case !strings.Contains(key, "}"):
		return prefix + "{" + key + "}"
	}
	// A key with '}' cannot stand between braces. A number of the same slot does.
	return prefix + "{" + numbers()[slotOf(key)] + "}" + key
}

// numbers returns a number for each slot that has that slot.
var numbers = sync.OnceValue(func() *[slots]string {
	var all [slots]string
	for n, left := 0, slots; left > 0; n++ {
		text := strconv.Itoa(n)
		if slot := slotOf(text); all[slot] == "" {
			all[slot] = text
			left--
		}
	}
	return &all
})

const slots = 16384

// hasTag reports whether a Cluster hashes only a part of the key.
func hasTag(key string) bool {
	_, rest, found := strings.Cut(key, "{")
	return found && strings.Index(rest, "}") > 0
}

// slotOf returns the hash slot of a text without a tag: its CRC-16 (XMODEM), as
// the specification of Redis Cluster has it.
func slotOf(text string) uint16 {
	var crc uint16
	for i := range len(text) {
		crc ^= uint16(text[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % slots
}
