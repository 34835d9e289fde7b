package otellock

import (
	"fmt"
	"reflect"
)

// A Target is a declared family of locks, from [Locker.Target]. It is safe for
// concurrent use.
type Target struct {
	pattern  keyPattern
	settings *settings
}

// Mutex returns the lock of these ids, one for each '*' of the pattern, in order.
//
// An id goes into the key as it is, whatever bytes it holds, so that the key is
// the one that other code makes: with "lock:projects:*", Mutex("eu:9") locks
// lock:projects:eu:9. Only where text separates an id from the next one are '%'
// and the first byte of that text percent-encoded: with "lock:*:*", "a:b" and "c"
// lock lock:a%3Ab:c. Likewise '%' and a brace that would change the hash tag of
// the pattern in a Cluster: with "lock:{*}", "a}" locks lock:{a%7D}.
//
// Two lists of ids of one Target never make the same key. Two Targets can, as
// "lock:*" and "lock:*:*" do, and then they share its lock. A wrong number of
// ids, or an empty one, is an error of every method of the Mutex.
func (t *Target) Mutex(ids ...string) Mutex {
	if t == nil {
		return Mutex{}
	}
	m := Mutex{settings: t.settings}
	key, err := t.pattern.key(ids)
	if err != nil {
		m.err = invalid(opAcquire.String(), t.settings.family.name, err.Error())
	}
	m.key = key
	return m
}

// KeyMutex is the lock of an existing key, taken as it is. A key that is not the
// pattern with something in the place of each star is an error of every method
// of the Mutex.
func (t *Target) KeyMutex(key string) Mutex {
	if t == nil {
		return Mutex{}
	}
	m := Mutex{settings: t.settings, key: key}
	if !t.pattern.matches(key) {
		m.err = invalid(opAcquire.String(), t.settings.family.name,
			fmt.Sprintf("the key does not match the declared pattern %s", t.pattern.text))
	}
	return m
}

// String is the target's bounded name and pattern.
func (t *Target) String() string {
	if t == nil {
		return "<nil>"
	}
	return t.settings.family.name + " (" + t.pattern.text + ")"
}

func validateBackendName(name string) error {
	if err := validateName(name); err != nil && name != other {
		return fmt.Errorf("otellock: WithBackendName(%.64q): use at most %d graphic characters without white space, for example \"redis\"", name, maxNameLen)
	}
	return nil
}

func isNil(b Backend) bool {
	if b == nil {
		return true
	}
	v := reflect.ValueOf(b)
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Interface, reflect.Chan, reflect.Slice:
		return v.IsNil()
	}
	return false
}
