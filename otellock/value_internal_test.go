package otellock

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

func inSpan(flags trace.TraceFlags) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x83, 0x79, 15: 1}, SpanID: trace.SpanID{0xab, 7: 2}, TraceFlags: flags,
	}))
}

func TestAValueSaysWhoHoldsTheLock(t *testing.T) {
	c := &mutexConfig{lockConfig: lockConfig{ttl: 10*time.Second + 1}}
	s := c.newValue(inSpan(1))
	if words := strings.Split(s, " "); len(words) != 5 || words[0] != "otellock/1" || len(words[1]) != 26 ||
		words[2] != "00-83790000000000000000000000000001-ab00000000000002-01" || words[3] != "10001ms" || words[4] != instance {
		t.Errorf("the value is %q", s)
	}
	v, ok := parseValue(s)
	want := value{span: "00-83790000000000000000000000000001-ab00000000000002-01", ttl: 10001 * time.Millisecond, instance: instance}
	if !ok || v != want {
		t.Errorf("parsed %+v, %t; want %+v", v, ok, want)
	}
	if again := c.newValue(inSpan(1)); again == s {
		t.Error("two values are the same")
	}
}

func TestAValueWithoutASpanAndOneWithoutHolderInfo(t *testing.T) {
	c := &mutexConfig{lockConfig: lockConfig{ttl: time.Second}}
	if v, ok := parseValue(c.newValue(context.Background())); !ok || v.span != "" || v.ttl != time.Second {
		t.Errorf("without a span: %+v, %t", v, ok)
	}
	c.anonymous = true
	s := c.newValue(inSpan(1))
	if len(s) != tokenLen || !all(s, isTokenByte) {
		t.Errorf("without holder info: %q", s)
	}
	if _, ok := parseValue(s); ok {
		t.Error("a token alone says who holds it")
	}
}

func TestAValueIsNeverLongerThan200Bytes(t *testing.T) {
	defer func(was string) { instance = was }(instance)
	for _, host := range []string{"", strings.Repeat("h", 300), "ein host\n\x00\"ü@", "web-1.example.com"} {
		instance = instanceName(1<<22, host)
		s := (&mutexConfig{lockConfig: lockConfig{ttl: maxTTL}}).newValue(inSpan(255))
		if _, ok := parseValue(s); !ok || len(s) > maxValueLen {
			t.Errorf("host %q: %d bytes, parsed %t: %q", host, len(s), ok, s)
		}
	}
}

const goodValue = "otellock/1 ZK5XQ7R2PUCJLWM3NDVTY4HAEB 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 10000ms 4711@web-1"

func TestWhatIsNoValueSaysNothing(t *testing.T) {
	if _, ok := parseValue(goodValue); !ok {
		t.Fatal("the model of this test is no value itself")
	}
	for _, s := range []string{
		"", " ", "    ", "kept ", "kept kept " + goodValue, "otellock/1", "ZK5XQ7R2PUCJLWM3NDVTY4HAEB", strings.Repeat("x", 1<<20),
		goodValue + " ", " " + goodValue, goodValue + "\n", goodValue + " tracestate", goodValue + strings.Repeat("x", 100),
		strings.Replace(goodValue, "/1", "/2", 1),
		strings.Replace(goodValue, "ZK5X", "zk5x", 1),
		strings.Replace(goodValue, "ZK5X", "K5X", 1),
		strings.Replace(goodValue, "00-0af", "01-0af", 1),
		strings.Replace(goodValue, "0af7", "0AF7", 1),
		strings.Replace(goodValue, "0af7651916cd43dd8448eb211c80319c", zeroTraceID, 1),
		strings.Replace(goodValue, "b7ad6b7169203331", zeroTraceID[:16], 1),
		strings.Replace(goodValue, "-01 ", "-01-x ", 1),
		strings.Replace(goodValue, "10000ms", "10000", 1),
		strings.Replace(goodValue, "10000ms", "0ms", 1),
		strings.Replace(goodValue, "10000ms", "010000ms", 1),
		strings.Replace(goodValue, "10000ms", "+10000ms", 1),
		strings.Replace(goodValue, "10000ms", "-1ms", 1),
		strings.Replace(goodValue, "10000ms", "9223372036854775807ms", 1),
		strings.Replace(goodValue, "10000ms", "99999999999999999999ms", 1),
		strings.Replace(goodValue, "10000ms", "ms", 1),
		strings.Replace(goodValue, " 4711", "  4711", 1),
		strings.Replace(goodValue, "web-1", "web\x001", 1),
		strings.Replace(goodValue, "4711@web-1", "", 1),
	} {
		if v, ok := parseValue(s); ok {
			t.Errorf("%.120q says %+v", s, v)
		}
	}
}

func FuzzParseValue(f *testing.F) {
	f.Add(goodValue)
	f.Add("otellock/1 ZK5XQ7R2PUCJLWM3NDVTY4HAEB - 1ms 1@a")
	f.Add("kept " + goodValue)
	f.Add("ZK5XQ7R2PUCJLWM3NDVTY4HAEB")
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := parseValue(s)
		if !ok {
			if v != (value{}) {
				t.Errorf("%q is no value and says %+v", s, v)
			}
			return
		}
		if len(s) > maxValueLen || v.ttl < time.Millisecond || v.ttl > maxTTL || len(v.instance) > maxInstance || len(v.span) != 0 && len(v.span) != 55 {
			t.Errorf("%q says %+v", s, v)
		}
		kept := ""
		if s, v.kept = strings.CutPrefix(s, "kept "); v.kept {
			kept = "kept "
		}
		span := v.span
		if span == "" {
			span = "-"
		}
		if made := fmt.Sprintf("%s %s %s %dms %s", valueVersion, s[11:37], span, v.ttl.Milliseconds(), v.instance); made != s {
			t.Errorf("%q was read as %q", s, made)
		}
		if holder, _ := holderOf(Held{Token: kept + s, Left: v.ttl / 2}, time.Now()); holder == nil || holder.Instance != v.instance {
			t.Errorf("%q: the holder is %+v", s, holder)
		}
	})
}
