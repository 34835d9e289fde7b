package throttle

import (
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
		text := kv.Value.Type() == attribute.STRING
		for i, name := range k {
			if kv.Key == name && text {
				key[i] = kv.Value.AsString()
				f |= 1 << i
				break
			}
		}
		switch {
		case kv.Key == semconv.ErrorTypeKey && text:
			errorType = kv.Value.AsString()
			f |= foundErrorType
		case kv.Key == semconv.LockReportSuppressedCountKey:
			f |= foundCount
		case kv.Value.Type() == attribute.MAP:
			f |= foundGroup
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
			up.Since, _ = time.Parse(time.RFC3339, kv.Value.AsString())
		case semconv.LockReportSuppressedErrorTypesKey:
			up.ErrorTypes = kv.Value.AsStringSlice()
			for _, v := range kv.Value.AsSlice() { // as a bridge writes it
				if v.Type() == attribute.STRING {
					up.ErrorTypes = append(up.ErrorTypes, v.AsString())
				}
			}
		case semconv.LockReportSuppressedErrorCountsKey:
			up.ErrorCounts = nil
			for _, n := range kv.Value.AsInt64Slice() {
				up.ErrorCounts = append(up.ErrorCounts, uint64(max(n, 0)))
			}
			for _, v := range kv.Value.AsSlice() {
				n, _ := v.AsInterface().(int64)
				up.ErrorCounts = append(up.ErrorCounts, uint64(max(n, 0)))
			}
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
