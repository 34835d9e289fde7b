package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/semconv"
)

// How deep a trace is printed. What a command does to get its connection is left
// out.
const (
	toLocks    = 1
	toCommands = 2
)

// A tree is a trace as it is printed: how long each span took, what became of a
// lock, and the warning that points to it.
type tree struct {
	out      *screen
	children map[trace.SpanID][]sdktrace.ReadOnlySpan
	warnings map[trace.SpanID]string
	deepest  int
}

func (s *screen) printTrace(seen *capture, id trace.TraceID, deepest int) {
	t := tree{s, map[trace.SpanID][]sdktrace.ReadOnlySpan{}, seen.warnings(), deepest}
	for _, span := range seen.trace(id) {
		parent := span.Parent().SpanID()
		t.children[parent] = append(t.children[parent], span)
	}
	for _, root := range t.children[trace.SpanID{}] {
		t.print(root, 1, 0, "   ", "   ")
	}
	fmt.Fprintln(s)
}

// print prints a span that stands for count alike ones, and what is below it.
func (t tree) print(s sdktrace.ReadOnlySpan, count, depth int, branch, indent string) {
	name := branch + s.Name()
	if count > 1 {
		name += fmt.Sprintf(" ×%d", count)
	}
	c, note := noteOn(s)
	t.out.row(name, round(s.EndTime().Sub(s.StartTime())), c, note, indent)
	if warning := t.warnings[s.SpanContext().SpanID()]; warning != "" {
		t.warn(indent, warning)
	}
	if depth == t.deepest {
		return
	}
	below := t.children[s.SpanContext().SpanID()]
	slices.SortFunc(below, func(a, b sdktrace.ReadOnlySpan) int {
		return cmp.Or(a.StartTime().Compare(b.StartTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for len(below) > 0 {
		alike := 1
		for depth+1 == toCommands && alike < len(below) && below[alike].Name() == below[0].Name() {
			alike++
		}
		if alike == len(below) {
			t.print(below[0], alike, depth+1, indent+"└─ ", indent+"   ")
		} else {
			t.print(below[0], alike, depth+1, indent+"├─ ", indent+"│  ")
		}
		below = below[alike:]
	}
}

func (t tree) warn(indent, warning string) { t.out.item(warned, indent, "! ", warning) }

// noteOn says in words what became of a request or of a lock.
func noteOn(s sdktrace.ReadOnlySpan) (style, string) {
	said := map[attribute.Key]attribute.Value{}
	for _, kv := range s.Attributes() {
		said[kv.Key] = kv.Value
	}
	if !s.Parent().IsValid() {
		return faint, s.SpanContext().TraceID().String()
	}
	outcome, ok := said[semconv.LockOutcomeKey]
	if !ok {
		return plain, ""
	}
	c, words := good, outcome.AsString()
	switch {
	case s.Status().Code == codes.Error:
		c, words = bad, strings.ToUpper(words)+" "+said[semconv.ErrorTypeKey].AsString()
		if outcome == semconv.LockOutcomeBackendError.Value && said[semconv.LockFailurePolicyKey] == semconv.LockFailurePolicyOpen.Value {
			words += ", unprotected"
		}
	case outcome == semconv.LockOutcomeContended.Value || outcome == semconv.LockOutcomeSkipped.Value:
		c = warned
	}
	if n := said[semconv.LockRetriesKey].AsInt64(); n == 1 {
		words += " after 1 retry"
	} else if n > 1 {
		words += fmt.Sprintf(" after %d retries", n)
	}
	if holders := s.Links(); len(holders) > 0 { // the lock links to whoever had it
		words += fmt.Sprintf(", behind trace %.4s…", holders[len(holders)-1].SpanContext.TraceID())
		if n := len(holders) - 1; n > 0 {
			words += fmt.Sprintf(" and %d before it", n)
		}
	}
	if held, ok := said[semconv.LockHoldUtilizationKey]; ok {
		words += fmt.Sprintf(", held %.3g%% of its TTL", 100*held.AsFloat64())
	}
	return c, words
}

func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
