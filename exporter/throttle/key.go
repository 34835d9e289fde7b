package throttle

import (
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// found says what a record has: a bit for each attribute of the key, and these.
type found uint16

const (
	foundErrorType found = 1 << (maxParts + iota)
	foundCount           // of another window, perhaps
	foundGroup
)

// keys are the attributes that make the key.
type keys []attribute.Key

// all is what a record of the throttle has.
func (k keys) all() found { return 1<<len(k) - 1 }

// read takes the key and the error type from the record's attributes, or from
// the first group, one level deep, that holds the whole key. It stops as soon as
// it has everything.
func (k keys) read(r *sdklog.Record, key *[maxParts]string) (errorType string, f found) {
	all := k.all()
	enough := all | foundErrorType
	take := func(kv attribute.KeyValue) bool {
		for i, name := range k {
			if kv.Key == name && kv.Value.Type() == attribute.STRING {
				key[i] = kv.Value.AsString()
				f |= 1 << i
				break
			}
		}
		switch kv.Key {
		case semconv.ErrorTypeKey:
			if kv.Value.Type() == attribute.STRING {
				errorType = kv.Value.AsString()
				f |= foundErrorType
			}
		case semconv.LockReportSuppressedCountKey:
			f |= foundCount
		default:
			if kv.Value.Type() == attribute.MAP {
				f |= foundGroup
			}
		}
		return f&enough != enough
	}
	r.WalkAttributes(take)
	if f&all == all || f&foundGroup == 0 {
		return errorType, f
	}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Value.Type() == attribute.MAP {
			errorType, f = "", 0
			for _, kv := range kv.Value.AsMap() {
				take(kv)
			}
		}
		return f&all != all
	})
	return errorType, f
}

// readUpstream reads what another window wrote on the record, wherever it
// stands.
func readUpstream(r *sdklog.Record) (up window.Upstream, ok bool) {
	visit := func(kv attribute.KeyValue) {
		switch kv.Key {
		case semconv.LockReportSuppressedCountKey:
			if n := kv.Value.AsInt64(); kv.Value.Type() == attribute.INT64 && n >= 0 {
				up.Suppressed, ok = uint64(n), true
			}
		case semconv.LockReportSuppressedSinceKey:
			if t, err := time.Parse(time.RFC3339, kv.Value.AsString()); err == nil {
				up.Since = t
			}
		case semconv.LockReportSuppressedErrorTypesKey:
			up.ErrorTypes = texts(kv.Value)
		case semconv.LockReportSuppressedErrorCountsKey:
			up.ErrorCounts = numbers(kv.Value)
		}
	}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		visit(kv)
		if kv.Value.Type() == attribute.MAP {
			for _, kv := range kv.Value.AsMap() {
				visit(kv)
			}
		}
		return true
	})
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

// numbers is texts for counts; what cannot be one is 0.
func numbers(v attribute.Value) (list []uint64) {
	switch v.Type() {
	case attribute.INT64SLICE:
		for _, n := range v.AsInt64Slice() {
			list = append(list, uint64(max(n, 0)))
		}
	case attribute.SLICE:
		for _, v := range v.AsSlice() {
			n := int64(0)
			if v.Type() == attribute.INT64 {
				n = v.AsInt64()
			}
			list = append(list, uint64(max(n, 0)))
		}
	}
	return list
}

// toInt64 is for attributes and metrics: the SDK has no unsigned numbers.
func toInt64(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
