package throttle

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

// keys are the attributes that make the key.
type keys []attribute.Key

// What a record has: a bit for each attribute of the key, and these.
const (
	foundErrorType = 1 << (maxParts + iota)
	foundCount
	foundGroup
)

// read takes the key and the error type from the record's attributes, or from
// the first group, one level deep, that holds the whole key. It stops as soon as
// it has everything, and says whether it has met a count of another window.
func (k keys) read(r *sdklog.Record, key *[maxParts]string) (errorType string, counted, ok bool) {
	found, all := 0, 1<<len(k)-1
	enough := all | foundErrorType
	take := func(kv attribute.KeyValue) bool {
		text := kv.Value.Type() == attribute.STRING
		for i, name := range k {
			if kv.Key == name && text {
				key[i] = kv.Value.AsString()
				found |= 1 << i
				break
			}
		}
		switch {
		case kv.Key == semconv.ErrorTypeKey && text:
			errorType = kv.Value.AsString()
			found |= foundErrorType
		case kv.Key == semconv.LockReportSuppressedCountKey:
			found |= foundCount
		case kv.Value.Type() == attribute.MAP:
			found |= foundGroup
		}
		return found&enough != enough
	}
	r.WalkAttributes(take)
	if found&all != all && found&foundGroup != 0 {
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			if kv.Value.Type() == attribute.MAP {
				errorType, found = "", 0
				for _, kv := range kv.Value.AsMap() {
					take(kv)
				}
			}
			return found&all != all
		})
	}
	return errorType, found&foundCount != 0, found&all == all
}

// readUpstream reads what another window wrote on the record, wherever it stands.
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
