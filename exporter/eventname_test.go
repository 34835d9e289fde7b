package exporter

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// spy is a log processor that does as it is told.
type spy struct {
	onEmit     func(*sdklog.Record) error
	onFlush    func(context.Context) error
	onShutdown func(context.Context) error
	disabled   bool
}

func (s *spy) Enabled(context.Context, sdklog.EnabledParameters) bool { return !s.disabled }

func (s *spy) OnEmit(_ context.Context, r *sdklog.Record) error {
	if s.onEmit == nil {
		return nil
	}
	return s.onEmit(r)
}

func (s *spy) ForceFlush(ctx context.Context) error {
	if s.onFlush == nil {
		return nil
	}
	return s.onFlush(ctx)
}

func (s *spy) Shutdown(ctx context.Context) error {
	if s.onShutdown == nil {
		return nil
	}
	return s.onShutdown(ctx)
}

func emitThrough(t *testing.T, rec log.Record, processors ...sdklog.Processor) {
	t.Helper()
	var opts []sdklog.LoggerProviderOption
	for _, p := range processors {
		opts = append(opts, sdklog.WithProcessor(p))
	}
	sdklog.NewLoggerProvider(opts...).Logger("test").Emit(context.Background(), rec)
}

func TestEventNameIsPromotedFromTheAttribute(t *testing.T) {
	tests := map[string]struct {
		name  string // set on the record by its author
		attrs []attribute.KeyValue
		want  string
	}{
		"from the attribute":           {attrs: []attribute.KeyValue{attribute.Int("a", 1), attribute.String("otel.event.name", "lock.backend_error")}, want: "lock.backend_error"},
		"the record's own name wins":   {name: "own", attrs: []attribute.KeyValue{attribute.String("otel.event.name", "other")}, want: "own"},
		"no attribute":                 {attrs: []attribute.KeyValue{attribute.String("event.name", "x")}},
		"an attribute of another type": {attrs: []attribute.KeyValue{attribute.Int("otel.event.name", 7)}},
		"an empty attribute":           {attrs: []attribute.KeyValue{attribute.String("otel.event.name", "")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var rec log.Record
			rec.SetEventName(tt.name)
			rec.AddAttributes(tt.attrs...)
			seen := false
			emitThrough(t, rec, eventNameProcessor{&spy{onEmit: func(r *sdklog.Record) error {
				seen = true
				if r.EventName() != tt.want {
					t.Errorf("event name %q, want %q", r.EventName(), tt.want)
				}
				if r.AttributesLen() != len(tt.attrs) {
					t.Errorf("%d attributes, want all %d kept", r.AttributesLen(), len(tt.attrs))
				}
				return nil
			}}})
			if !seen {
				t.Error("the record did not pass")
			}
		})
	}
}

func TestSiblingProcessorsSeeTheRecordAsItWasEmitted(t *testing.T) {
	var rec log.Record
	rec.AddAttributes(attribute.String("otel.event.name", "lock.backend_error"))
	var seen []string
	look := &spy{onEmit: func(r *sdklog.Record) error {
		seen = append(seen, r.EventName())
		return nil
	}}
	failing := eventNameProcessor{&spy{onEmit: func(*sdklog.Record) error { return errors.New("full") }}}
	emitThrough(t, rec, look, eventNameProcessor{look}, failing, look)
	if len(seen) != 3 || seen[0] != "" || seen[1] != "lock.backend_error" || seen[2] != "" {
		t.Errorf("seen by the one before, the one behind, the one after: %q", seen)
	}
}

func TestPromotionAllocatesNothing(t *testing.T) {
	var rec log.Record
	rec.AddAttributes(attribute.String("lock.action", "lock.backend_error"), attribute.String("otel.event.name", "lock.backend_error"))
	emitThrough(t, rec, &spy{onEmit: func(r *sdklog.Record) error {
		p := eventNameProcessor{&spy{}}
		if n := testing.AllocsPerRun(100, func() { _ = p.OnEmit(context.Background(), r) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		return nil
	}})
}

func TestEventNameProcessorPassesTheRestOn(t *testing.T) {
	errFlush, errShutdown := errors.New("flush"), errors.New("shutdown")
	p := eventNameProcessor{&spy{
		disabled:   true,
		onFlush:    func(context.Context) error { return errFlush },
		onShutdown: func(context.Context) error { return errShutdown },
	}}
	if p.Enabled(context.Background(), sdklog.EnabledParameters{}) {
		t.Error("enabled before a processor that is not")
	}
	if err := p.ForceFlush(context.Background()); err != errFlush {
		t.Errorf("ForceFlush returned %v", err)
	}
	if err := p.Shutdown(context.Background()); err != errShutdown {
		t.Errorf("Shutdown returned %v", err)
	}
}
