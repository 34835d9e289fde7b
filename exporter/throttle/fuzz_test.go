package throttle_test

import (
	"context"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otellock/otellock-go/exporter/throttle"
)

// FuzzOnEmit walks attributes of every kind, in any order and nested. Whatever
// comes, a record either passes untouched every time, or once; and what is held
// back is accounted for.
func FuzzOnEmit(f *testing.F) {
	f.Add([]byte{0, 4, 'a', 1, 4, 'b'}, int8(13))
	f.Add([]byte{2, 4, 't', 0, 4, 'a', 1, 4, 'b', 3, 1, 9}, int8(14))
	f.Add([]byte{9, 7, 0, 4, 'a', 1, 4, 'b', 3, 1, 200}, int8(16))
	f.Add([]byte{0, 1, 7, 1, 4, 'b', 5, 5, 'x', 4, 4, '2'}, int8(13))
	f.Fuzz(func(t *testing.T, data []byte, severity int8) {
		synctest.Test(t, func(t *testing.T) {
			attrs := decode(data, 0)
			next := &sink{}
			p, err := throttle.NewProcessor(next)
			if err != nil {
				t.Fatal(err)
			}
			factory := factory(attrs...)
			factory.Severity = log.Severity(severity)
			const n = 3
			for range n {
				r := factory.NewRecord()
				if err := p.OnEmit(context.Background(), &r); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			records := next.take()
			switch len(records) {
			case n:
				if p.Pending() != 0 || records[0].AttributesLen() > len(attrs) {
					t.Errorf("passed, and yet %d pending and %d attributes of %d", p.Pending(), records[0].AttributesLen(), len(attrs))
				}
				return
			case 1:
			default:
				t.Fatalf("%d of %d passed", len(records), n)
			}
			if severity < 13 || severity > 16 {
				t.Errorf("severity %d was throttled", severity)
			}
			carried := suppressed(t, &records[0]) // by each of the records alike, if upstream
			if got := carried + p.Pending(); got < n-1 || carried == 0 && got > n-1 && !mentionsCount(data) {
				t.Errorf("%d carried and %d pending of %d held back", carried, p.Pending(), n-1)
			}
			pending := p.Pending()
			if err := p.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := suppressed(t, next.one(t)); got != pending {
				t.Errorf("the summary carries %d, want %d", got, pending)
			}
		})
	})
}

var fuzzKeys = []attribute.Key{
	"lock.action", "lock.target", "error.type",
	"lock.report.suppressed_count", "lock.report.suppressed_since", "lock.report.suppressed_error_types",
	"lock.key_pattern", "lock.backend.name", "otel.event.name", "app",
}

func mentionsCount(data []byte) bool {
	for _, b := range data {
		if int(b)%len(fuzzKeys) == 3 {
			return true
		}
	}
	return false
}

// decode makes attributes of data: a key, a type and a value each.
func decode(data []byte, depth int) (attrs []attribute.KeyValue) {
	for len(data) >= 3 {
		key, kind, value := fuzzKeys[int(data[0])%len(fuzzKeys)], data[1]%9, data[2]
		data = data[3:]
		switch kind {
		case 0:
			attrs = append(attrs, key.Bool(value%2 == 0))
		case 1:
			attrs = append(attrs, key.Int64(int64(int8(value))))
		case 2:
			attrs = append(attrs, key.Int64(int64(binary.BigEndian.Uint64([]byte{value, 255, 255, 255, 255, 255, 255, 255}))))
		case 3:
			attrs = append(attrs, key.Float64(float64(value)))
		case 4:
			n := min(int(value)%16, len(data))
			attrs = append(attrs, key.String(string(data[:n])))
			data = data[n:]
		case 5:
			attrs = append(attrs, key.StringSlice([]string{string(rune(value)), "timeout"}))
		case 6:
			attrs = append(attrs, key.Slice(attribute.StringValue("eof"), attribute.Int64Value(int64(value))))
		case 7:
			if depth < 3 {
				n := min(int(value), len(data))
				attrs = append(attrs, attribute.KeyValue{Key: key, Value: attribute.MapValue(decode(data[:n], depth+1)...)})
				data = data[n:]
			}
		case 8:
			attrs = append(attrs, attribute.KeyValue{Key: key})
		}
	}
	return attrs
}
