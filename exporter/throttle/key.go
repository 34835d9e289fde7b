package throttle

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// found says what a record has.
type found uint8

const (
	foundAction found = 1 << iota
	foundTarget
	foundErrorType
	foundCount // of another window, perhaps
	foundGroup

	foundKey = foundAction | foundTarget
	foundAll = foundKey | foundErrorType
)

// read takes the key and the error type from the record's attributes, or from
// the first group, one level deep, that holds the whole key. It stops as soon as
// it has everything: each attribute costs a tenth of the throttle's work on a
// record. That is why producers put the two keys, the upstream count and
// error.type first.
//
// Here and in OnEmit, results in a struct would cost another fifth.
func read(r *sdklog.Record) (action, target, errorType string, f found) {
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		switch kv.Key {
		case semconv.LockActionKey:
			if kv.Value.Type() == attribute.STRING {
				action, f = kv.Value.AsString(), f|foundAction
			}
		case semconv.LockTargetKey:
			if kv.Value.Type() == attribute.STRING {
				target, f = kv.Value.AsString(), f|foundTarget
			}
		case semconv.ErrorTypeKey:
			if kv.Value.Type() == attribute.STRING {
				errorType, f = kv.Value.AsString(), f|foundErrorType
			}
		case semconv.LockReportSuppressedCountKey:
			f |= foundCount
		default:
			if kv.Value.Type() == attribute.MAP {
				f |= foundGroup
			}
		}
		return f&foundAll != foundAll
	})
	if f&foundKey != foundKey && f&foundGroup != 0 {
		return readGroups(r)
	}
	return action, target, errorType, f
}

func readGroups(r *sdklog.Record) (action, target, errorType string, f found) {
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Value.Type() == attribute.MAP {
			action, target, errorType, f = readGroup(kv.Value.AsMap())
		}
		return f&foundKey != foundKey
	})
	return action, target, errorType, f
}

func readGroup(attrs []attribute.KeyValue) (action, target, errorType string, f found) {
	text := func(v attribute.Value, to *string, which found) {
		if v.Type() == attribute.STRING {
			*to, f = v.AsString(), f|which
		}
	}
	for _, kv := range attrs {
		switch kv.Key {
		case semconv.LockActionKey:
			text(kv.Value, &action, foundAction)
		case semconv.LockTargetKey:
			text(kv.Value, &target, foundTarget)
		case semconv.ErrorTypeKey:
			text(kv.Value, &errorType, foundErrorType)
		case semconv.LockReportSuppressedCountKey:
			f |= foundCount
		}
	}
	return action, target, errorType, f
}

// count reads lock.report.suppressed_count; what cannot be one counts as absent.
func count(v attribute.Value) (uint64, bool) {
	n := v.AsInt64()
	return uint64(n), v.Type() == attribute.INT64 && n >= 0
}

// readUpstream reads what another window wrote on the record, wherever it
// stands.
func readUpstream(r *sdklog.Record) (up window.Upstream, ok bool) {
	var visit func(kv attribute.KeyValue) bool
	depth := 0
	visit = func(kv attribute.KeyValue) bool {
		switch kv.Key {
		case semconv.LockReportSuppressedCountKey:
			if n, counted := count(kv.Value); counted {
				up.Suppressed, ok = n, true
			}
		case semconv.LockReportSuppressedSinceKey:
			if t, err := time.Parse(time.RFC3339, kv.Value.AsString()); err == nil {
				up.Since = t
			}
		case semconv.LockReportSuppressedErrorTypesKey:
			up.ErrorTypes = texts(kv.Value)
		default:
			if kv.Value.Type() == attribute.MAP && depth == 0 {
				depth++
				for _, kv := range kv.Value.AsMap() {
					visit(kv)
				}
				depth--
			}
		}
		return true
	}
	r.WalkAttributes(visit)
	return up, ok
}

// texts lists the strings of a value that a bridge may have made a []string or
// a list of values.
func texts(v attribute.Value) (list []string) {
	switch v.Type() {
	case attribute.STRINGSLICE:
		return v.AsStringSlice()
	case attribute.SLICE:
		for _, v := range v.AsSlice() {
			if v.Type() == attribute.STRING {
				list = append(list, v.AsString())
			}
		}
	}
	return list
}

// toInt64 is for attributes and metrics: the SDK has no unsigned numbers.
func toInt64(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
