package otellock_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/otellock"
)

// The lock's spans are the caller's children, the backend's nest in them, and fn
// goes on in the caller's own span, with the caller's baggage.
func TestSpansNestAsTheCallsDo(t *testing.T) {
	tel, b := newTelemetry(), newScripted()
	tracer := tel.Tracers.Tracer("test")
	inner := func(ctx context.Context, call func() error) error {
		_, span := tracer.Start(ctx, "backend")
		defer span.End()
		return call()
	}
	b.Script(func() { b.OnAcquire, b.OnExtend, b.OnRelease = []fault{inner}, []fault{inner}, []fault{inner} })
	projects := declare(t, tel.Locker(t, b), "projects")

	member, err := baggage.NewMember("tenant", "acme")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx, caller := tracer.Start(baggage.ContextWithBaggage(t.Context(), bag), "request")
	err = projects.Mutex("7").Do(ctx, func(ctx context.Context) error {
		if trace.SpanFromContext(ctx) != caller {
			t.Error("fn does not run in the caller's span")
		}
		if baggage.FromContext(ctx).Member("tenant").Value() != "acme" {
			t.Error("fn has lost the caller's baggage")
		}
		lease := otellock.LeaseFromContext(ctx)
		return lease.Extend(ctx, 10e9)
	})
	caller.End()
	if err != nil {
		t.Fatal(err)
	}
	var backends []trace.SpanID
	for _, s := range tel.Ended("backend") {
		backends = append(backends, s.Parent().SpanID())
	}
	for i, name := range []string{"acquire projects", "extend projects", "release projects"} {
		spans := tel.Ended(name)
		if len(spans) != 1 || len(backends) != 3 {
			t.Fatalf("%d spans %q and %d of the backend", len(spans), name, len(backends))
		}
		if spans[0].Parent().SpanID() != caller.SpanContext().SpanID() {
			t.Errorf("%q is not the caller's child", name)
		}
		if backends[i] != spans[0].SpanContext().SpanID() {
			t.Errorf("the backend's span %d is not the child of %q", i, name)
		}
		if spans[0].Status().Code != codes.Unset {
			t.Errorf("%q has the status %v", name, spans[0].Status())
		}
	}
}

func TestSpanEventsCanBeTurnedOff(t *testing.T) {
	for _, on := range []bool{true, false} {
		tel, b := newTelemetry(), newScripted()
		l := tel.Locker(t, b, otellock.WithSpanEvents(on))
		b.Script(func() { b.OnAcquire = []fault{answers(errRefused)} })
		if err := declare(t, l, "projects").Mutex("7").Do(t.Context(), nothing); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		span := tel.Ended("acquire projects")[0]
		if got := len(span.Events()) == 1; got != on {
			t.Errorf("WithSpanEvents(%t): the span has %d events", on, len(span.Events()))
		}
		if span.Status().Code != codes.Error || len(tel.Warnings()) != 1 {
			t.Errorf("WithSpanEvents(%t): status %v, %d warnings", on, span.Status(), len(tel.Warnings()))
		}
	}
}
