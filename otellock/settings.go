package otellock

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// settings are a family with a resolved configuration, and what their spans
// start with.
type settings struct {
	lockConfig
	family *family

	starts [4][]trace.SpanStartOption // wait, try, release, extend
}

type mode uint8

const (
	modeWait mode = iota
	modeTry
)

var modeAttrs = [...]attribute.KeyValue{modeWait: semconv.LockModeWait, modeTry: semconv.LockModeTry}

func newSettings(f *family, c lockConfig) *settings {
	s := &settings{lockConfig: c, family: f}
	s.starts[modeWait] = f.startWaiting(c.wait)
	s.starts[modeTry] = f.start(opAcquire, modeAttrs[modeTry])
	s.starts[2] = f.start(opRelease)
	s.starts[3] = f.start(opExtend)
	return s
}

func (f *family) startWaiting(limit time.Duration) []trace.SpanStartOption {
	return f.start(opAcquire, modeAttrs[modeWait], semconv.LockWaitTimeout(limit.Seconds()))
}

// start is what a span of the operation starts with.
func (f *family) start(op operation, attrs ...attribute.KeyValue) []trace.SpanStartOption {
	attrs = append(attrs, operationAttrs[op])
	return []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindInternal),
		trace.WithAttributes(append(attrs, f.common...)...),
	}
}

func (s *settings) startOptions(op operation, m mode) []trace.SpanStartOption {
	switch op {
	case opRelease:
		return s.starts[2]
	case opExtend:
		return s.starts[3]
	}
	return s.starts[m]
}

func (s *settings) with(opts []LockOption) (*settings, error) {
	c, err := s.lockConfig.with(opts)
	if err != nil {
		return nil, err
	}
	changed := *s
	changed.lockConfig = c
	if c.wait != s.wait {
		changed.starts[modeWait] = s.family.startWaiting(c.wait)
	}
	return &changed, nil
}
