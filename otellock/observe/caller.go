package observe

import (
	"runtime"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// currentStack returns this goroutine's stack without the innermost functions.
func currentStack(skip int) []uintptr {
	var buffer [stackDepth]uintptr
	return append([]uintptr(nil), buffer[:runtime.Callers(skip+1, buffer[:])]...)
}

// callers returns the frames from the one that called the lock. Where a lock
// releases because its function panicked, what that left on the stack is skipped;
// where the caller had deferred the release, the frames are those of the panic.
func callers(stack []uintptr) []runtime.Frame {
	frames := make([]runtime.Frame, 0, len(stack))
	for next := runtime.CallersFrames(stack); ; {
		frame, more := next.Next()
		frames = append(frames, frame)
		if !more {
			break
		}
	}
	first := 0
	skip := func(match func(function string) bool) {
		for first < len(frames)-1 && match(frames[first].Function) {
			first++
		}
	}
	skip(isLock)
	f := frames[first].Function
	if (f == "runtime.gopanic" || f == "runtime.Goexit") && first > 0 && !isExported(frames[first-1].Function) {
		skip(func(function string) bool { return !isLock(function) })
		skip(isLock)
	}
	skip(func(function string) bool { return strings.HasPrefix(function, "runtime.") })
	return frames[first:]
}

// isLock reports whether a function belongs to this package, to package otellock,
// or to a package that wraps another lock: their names begin with otel.
func isLock(function string) bool {
	const otellock = "github.com/otellock/otellock-go/otellock"
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	switch pkg := function[:slash] + name; {
	case pkg == otellock, pkg == otellock+"/observe":
		return true
	default:
		return strings.HasPrefix(pkg, otellock+"/otel") && !strings.HasSuffix(pkg, "_test")
	}
}

// isExported reports whether other packages can call the function.
func isExported(function string) bool {
	name := strings.TrimSuffix(function, "[...]")
	first, _ := utf8.DecodeRuneInString(name[strings.LastIndexByte(name, '.')+1:])
	return unicode.IsUpper(first)
}

// trail prints functions and lines, and no arguments.
func trail(frames []runtime.Frame) string {
	var text strings.Builder
	text.Grow(128 * len(frames))
	for i, frame := range frames {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(frame.Function)
		text.WriteString("\n\t")
		text.WriteString(frame.File)
		text.WriteByte(':')
		text.WriteString(strconv.Itoa(frame.Line))
	}
	return text.String()
}
