package observe

import (
	"fmt"
	"strings"
)

// A keyTarget is a target that was declared by [WithTarget].
type keyTarget struct {
	name, pattern string
	target        *Target
}

// declare makes the targets of WithTarget.
func (o *Observer) declare() error {
	for i := range o.declared {
		d := &o.declared[i]
		for _, before := range o.declared[:i] {
			if before.name == d.name || before.pattern == d.pattern {
				return fmt.Errorf("otellock: WithTarget(%q, %q): WithTarget(%q, %q) comes before; give each target a name and a pattern of its own",
					d.name, d.pattern, before.name, before.pattern)
			}
		}
		var err error
		if d.target, err = o.Target(d.name, d.pattern); err != nil {
			return err
		}
	}
	return nil
}

// KeyTarget returns the Target of a key: the first of those declared by
// [WithTarget] whose pattern matches, else one whose names are derived from the key.
//
// A derived pattern has '*' for the last segment of the key, and for every other one
// that is not a plain lower-case word; the last word that is left is the name.
// Segments are separated by colons, in a key without a colon by slashes. A plain word
// is shown even if it is an id: lock:user:alice:settings has the name alice. Declare
// targets wherever that is possible. At most 200 derived patterns have telemetry of
// their own, the rest share "_OTHER".
func (o *Observer) KeyTarget(key string, opts ...LockOption) *Target {
	t := o.keyTarget(key)
	if len(opts) > 0 {
		t = t.With(opts...)
	}
	return t
}

func (o *Observer) keyTarget(key string) *Target {
	for i := range o.declared {
		if d := &o.declared[i]; matches(d.pattern, key) {
			return d.target
		}
	}
	var buf [2 * maxPatternLen]byte
	name, pattern := derive(buf[:0], key)
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok := o.derived[string(pattern)]
	switch {
	case ok:
	case len(o.derived) < maxTargets && len(pattern) <= maxPatternLen:
		t = newTarget(newSeries(o, strings.Clone(name), string(pattern)), nil)
		o.derived[t.series.pattern] = t
	default:
		t = newTarget(o.rest(), nil)
	}
	return t
}

// matches reports whether the whole key matches the pattern.
func matches(pattern, key string) bool {
	literal, rest, star := strings.Cut(pattern, "*")
	key, ok := strings.CutPrefix(key, literal)
	for ok && star {
		if key == "" {
			return false
		}
		key = key[1:]
		if literal, rest, star = strings.Cut(rest, "*"); !star {
			return strings.HasSuffix(key, literal)
		}
		_, key, ok = strings.Cut(key, literal)
	}
	return ok && key == ""
}
