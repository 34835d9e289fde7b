package sentryissueexporter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// An identity makes the ids of events from all that the records say, so that one
// that is sent twice is one event to Sentry: a batch whose answer was lost, the
// queue of a Collector that was killed, a sender that was not answered.
type identity struct {
	buf      []byte
	resource int // bytes of the resource, which all records begin with
}

func (i *identity) setResource(r pcommon.Resource) {
	i.buf = appendMap(i.buf[:0], r.Attributes())
	i.resource = len(i.buf)
}

// of returns the id of a record's event, in the form of a UUID.
func (i *identity) of(scope pcommon.InstrumentationScope, r plog.LogRecord) sentry.EventID {
	b := appendText(i.buf[:i.resource], scope.Name())
	for _, n := range []uint64{uint64(r.Timestamp()), uint64(r.ObservedTimestamp()), uint64(r.SeverityNumber())} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	trace, span := r.TraceID(), r.SpanID()
	b = append(append(b, trace[:]...), span[:]...)
	b = appendText(b, r.EventName())
	b = appendValue(b, r.Body())
	b = appendMap(b, r.Attributes())
	i.buf = b
	sum := sha256.Sum256(b)
	sum[6] = sum[6]&0x0f | 0x80 // version 8, made by a rule of one's own
	sum[8] = sum[8]&0x3f | 0x80
	return sentry.EventID(hex.EncodeToString(sum[:16]))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendMap(b []byte, m pcommon.Map) []byte {
	b = binary.AppendUvarint(b, uint64(m.Len()))
	for k, v := range m.All() {
		b = appendValue(appendText(b, k), v)
	}
	return b
}

func appendValue(b []byte, v pcommon.Value) []byte {
	b = append(b, byte(v.Type()))
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return appendText(b, v.Str())
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case pcommon.ValueTypeInt:
		return binary.BigEndian.AppendUint64(b, uint64(v.Int()))
	case pcommon.ValueTypeDouble:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Double()))
	case pcommon.ValueTypeBytes:
		return appendText(b, string(v.Bytes().AsRaw()))
	case pcommon.ValueTypeMap:
		return appendMap(b, v.Map())
	case pcommon.ValueTypeSlice:
		b = binary.AppendUvarint(b, uint64(v.Slice().Len()))
		for _, item := range v.Slice().All() {
			b = appendValue(b, item)
		}
	}
	return b
}
