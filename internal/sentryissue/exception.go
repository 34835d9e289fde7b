package sentryissue

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/getsentry/sentry-go"
)

func (f *facts) exception(o *Origin, room *budget, body string) (_ []sentry.Exception, stackRead bool) {
	x := sentry.Exception{Mechanism: &sentry.Mechanism{Type: "otel.log", Handled: sentry.Pointer(true)}}
	switch {
	case f.isSummary():
		x.Type, x.Value = lockPrefix+f.action, f.summary()
	case f.aboutLock():
		x.Type, x.Value = f.eventName, f.title()
	case f.eventName != "":
		x.Type, x.Value = f.eventName, cmp.Or(f.exceptionMessage, body)
	case f.exceptionType != "":
		x.Type, x.Value = f.exceptionType, cmp.Or(f.exceptionMessage, body)
	default:
		return nil, false // a plain message
	}
	x.Type, x.Value = line(x.Type, maxTag), line(x.Value, maxTitle)
	room, done := room.limit(maxStack)
	defer done()
	frames := o.frames(f.stack, room)
	stackRead = len(frames) > 0
	if f.function != "" || f.file != "" {
		frames = withCaller(frames, o.frame(f.function, f.file, int(f.line)))
	}
	if len(frames) > 0 {
		x.Stacktrace = &sentry.Stacktrace{Frames: frames}
	}
	return []sentry.Exception{x}, stackRead
}

// title says what failed and how, and which errors that an operator must act
// upon a throttle suppressed before it.
func (f *facts) title() string {
	title := f.target
	if f.errorType != "" {
		title += ": " + words(f.errorType)
	}
	var also []string
	for _, t := range f.suppressedTypes {
		if urgent(t) && t != f.errorType {
			also = append(also, words(t))
		}
	}
	if len(also) > 0 {
		title += " (before it: " + strings.Join(also, ", ") + ")"
	}
	return title
}

// summary says how often a lock failed after the last warning, between when and
// when, and with which errors, the urgent ones first.
func (f *facts) summary() string {
	var s strings.Builder
	s.WriteString(f.target + ": " + strconv.FormatInt(f.suppressed, 10) + " more")
	if f.since != "" {
		s.WriteString(" since " + f.since)
	}
	if f.until != "" {
		s.WriteString(" until " + f.until)
	}
	var first, last []string
	for _, t := range f.suppressedTypes {
		if urgent(t) {
			first = append(first, words(t))
		} else {
			last = append(last, words(t))
		}
	}
	if types := append(first, last...); len(types) > 0 {
		s.WriteString(": " + strings.Join(types, ", "))
	}
	return s.String()
}
