package lockthrottleprocessor // import "github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"

import (
	"iter"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otellock/otellock-go/internal/window"
	"github.com/otellock/otellock-go/semconv"
)

const (
	errorType    = string(semconv.ErrorTypeKey)
	eventName    = "otel.event.name" // what a bridge without a field for it writes
	count        = string(semconv.LockReportSuppressedCountKey)
	since        = string(semconv.LockReportSuppressedSinceKey)
	until        = string(semconv.LockReportSuppressedUntilKey)
	errorTypes   = string(semconv.LockReportSuppressedErrorTypesKey)
	errorCounts  = string(semconv.LockReportSuppressedErrorCountsKey)
	summaryEvent = semconv.EventLockReportSummary
)

// carried are the attributes that say what a record stands for beside itself.
var carried = []string{count, since, until, errorTypes, errorCounts}

// A report is what the throttle sees of a record.
type report struct {
	errorType string
	counted   bool // another throttle wrote a count on it, somewhere
	summary   bool // of another throttle: no occurrence itself
}

// keys are the record attributes that make the key.
type keys []string

// read takes the key from the record's attributes, or from the first map, one
// level deep, that holds all of it, as bridges for structured loggers write it.
// What another throttle wrote may stand in another place than the key.
func (k keys) read(r plog.LogRecord, key []string) (rep report, ok bool) {
	attrs := r.Attributes()
	ok, maps := k.readMap(attrs, key, &rep)
	if maps {
		for _, v := range attrs.All() {
			if v.Type() != pcommon.ValueTypeMap {
				continue
			}
			var in report
			if ok {
				keys(nil).readMap(v.Map(), nil, &in)
			} else if ok, _ = k.readMap(v.Map(), key, &in); ok {
				rep.errorType = in.errorType
			}
			rep.summary, rep.counted = rep.summary || in.summary, rep.counted || in.counted
		}
	}
	rep.summary = rep.summary || r.EventName() == summaryEvent
	return rep, ok
}

// readMap says whether the map holds all of the key, and whether it holds maps.
func (k keys) readMap(attrs pcommon.Map, key []string, rep *report) (all, maps bool) {
	found := 0
	for name, v := range attrs.All() {
		switch v.Type() {
		case pcommon.ValueTypeStr:
			found |= k.take(name, v, key, rep)
		case pcommon.ValueTypeInt, pcommon.ValueTypeDouble:
			if name == count {
				_, rep.counted = whole(v)
			}
		case pcommon.ValueTypeMap:
			maps = true
		}
	}
	return found == 1<<len(k)-1, maps
}

// take returns the bit of the part of the key that the attribute is.
func (k keys) take(name string, v pcommon.Value, key []string, rep *report) int {
	for i := range k {
		if name == k[i] {
			key[i] = v.Str()
			return 1 << i
		}
	}
	switch name {
	case errorType:
		rep.errorType = v.Str()
	case eventName:
		rep.summary = rep.summary || v.Str() == summaryEvent
	}
	return 0
}

// readUpstream reads what another throttle wrote on the record: at the top level, or
// in the first map that has a count.
func readUpstream(attrs pcommon.Map) (up window.Upstream, ok bool) {
	if up, ok = readCounts(attrs); ok {
		return up, true
	}
	for _, v := range attrs.All() {
		if v.Type() == pcommon.ValueTypeMap {
			if up, ok = readCounts(v.Map()); ok {
				return up, true
			}
		}
	}
	return window.Upstream{}, false
}

func readCounts(attrs pcommon.Map) (up window.Upstream, ok bool) {
	for name, v := range attrs.All() {
		switch name {
		case count:
			up.Suppressed, ok = whole(v)
		case since:
			up.Since, _ = time.Parse(time.RFC3339, v.Str())
		case until:
			up.Until, _ = time.Parse(time.RFC3339, v.Str())
		case errorTypes:
			for _, v := range elements(v) {
				up.ErrorTypes = append(up.ErrorTypes, v.Str())
			}
		case errorCounts:
			for _, v := range elements(v) {
				n, _ := whole(v)
				up.ErrorCounts = append(up.ErrorCounts, n)
			}
		}
	}
	return up, ok
}

// whole returns a number that can be a count. A double is one where the sender's
// language, or the JSON between, knows no other numbers.
func whole(v pcommon.Value) (n uint64, ok bool) {
	const exact = 1 << 53 // up to here, a double is
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return uint64(max(v.Int(), 0)), v.Int() >= 0
	case pcommon.ValueTypeDouble:
		if f := v.Double(); f >= 0 && f <= exact && f == math.Trunc(f) {
			return uint64(f), true
		}
	}
	return 0, false
}

// elements returns those of a list, none of anything else.
func elements(v pcommon.Value) iter.Seq2[int, pcommon.Value] {
	if v.Type() != pcommon.ValueTypeSlice {
		return pcommon.NewSlice().All()
	}
	return v.Slice().All()
}
