package lockthrottleprocessor // import "github.com/otellock/otellock-go/collector-config/lockthrottleprocessor"

import (
	"iter"
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
	counted   bool // another throttle wrote a count on it, which is an int
	summary   bool // of another throttle: no occurrence itself
}

// keys are the record attributes that make the key.
type keys []string

// read takes the key from the record's attributes, or from the first map, one
// level deep, that holds all of it, as bridges for structured loggers write it.
func (k keys) read(r plog.LogRecord, key []string) (rep report, ok bool) {
	attrs := r.Attributes()
	ok, maps := k.readMap(attrs, key, &rep)
	if !ok && maps {
		for _, v := range attrs.All() {
			if v.Type() == pcommon.ValueTypeMap && !ok {
				rep = report{summary: rep.summary, counted: rep.counted}
				ok, _ = k.readMap(v.Map(), key, &rep)
			}
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
		case pcommon.ValueTypeInt:
			rep.counted = rep.counted || name == count && v.Int() >= 0
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

// readUpstream reads what another throttle wrote on the record, wherever it stands.
func readUpstream(attrs pcommon.Map) (up window.Upstream, ok bool) {
	visit := func(name string, v pcommon.Value) {
		switch name {
		case count:
			if v.Type() == pcommon.ValueTypeInt && v.Int() >= 0 {
				up.Suppressed, ok = uint64(v.Int()), true
			}
		case since:
			up.Since, _ = time.Parse(time.RFC3339, v.Str())
		case until:
			up.Until, _ = time.Parse(time.RFC3339, v.Str())
		case errorTypes:
			up.ErrorTypes = nil
			for _, v := range elements(v) {
				up.ErrorTypes = append(up.ErrorTypes, v.Str())
			}
		case errorCounts:
			up.ErrorCounts = nil
			for _, v := range elements(v) {
				up.ErrorCounts = append(up.ErrorCounts, uint64(max(v.Int(), 0)))
			}
		}
	}
	for name, v := range attrs.All() {
		visit(name, v)
		if v.Type() == pcommon.ValueTypeMap {
			for name, v := range v.Map().All() {
				visit(name, v)
			}
		}
	}
	return up, ok
}

// elements returns those of a list, none of anything else.
func elements(v pcommon.Value) iter.Seq2[int, pcommon.Value] {
	if v.Type() != pcommon.ValueTypeSlice {
		return pcommon.NewSlice().All()
	}
	return v.Slice().All()
}
