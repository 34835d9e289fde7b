package sentryissue

import (
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/getsentry/sentry-go"
)

const maxFrames = 100

// frames reads a stack trace of Go, the newest call first, and returns it as
// Sentry wants it, the oldest first. Both the format of the runtime and the one
// without arguments are read. It returns nil for a text that is neither.
func (o *Origin) frames(stack string, room *budget) []sentry.Frame {
	var frames []sentry.Frame
	var function string
lines:
	for text := range strings.Lines(stack) {
		text = strings.TrimRight(text, "\r\n")
		position, indented := strings.CutPrefix(text, "\t")
		switch {
		case text == "" || strings.HasPrefix(text, "goroutine ") || strings.HasPrefix(text, "..."):
		case !indented:
			function = functionName(text)
		case function == "":
			return nil
		default:
			file, number, ok := filePosition(position)
			if !ok || !room.take(jsonSize(function)+jsonSize(file)+80) || len(frames) == maxFrames {
				break lines
			}
			frames = append(frames, o.frame(function, file, number))
			function = ""
		}
	}
	slices.Reverse(frames)
	return frames
}

func (o *Origin) frame(function, file string, number int) sentry.Frame {
	f := sentry.NewFrame(runtime.Frame{Function: line(function, maxTitle), File: line(file, maxTitle), Line: number})
	f.InApp = o.inApp(f.Module) && !ofAModule(file)
	return f
}

// ofAModule says whether a file is part of a module at a version, such as
// "…/sentry-go@v0.50.0/http/sentryhttp.go". The name of its function may say
// otherwise: a closure that is inlined is named after the function around it.
func ofAModule(file string) bool {
	_, version, found := strings.Cut(file, "@v")
	return found && version != "" && '0' <= version[0] && version[0] <= '9'
}

// functionName cuts what the runtime adds to a function's name: arguments, and
// who created the goroutine.
func functionName(text string) string {
	text = strings.TrimPrefix(text, "created by ")
	text, _, _ = strings.Cut(text, " in goroutine ")
	if i := strings.LastIndexByte(text, '('); i > 0 && strings.HasSuffix(text, ")") && text[i-1] != '.' {
		text = text[:i]
	}
	return text
}

// filePosition splits "/src/cart/store.go:42 +0x1d".
func filePosition(text string) (file string, number int, ok bool) {
	text, _, _ = strings.Cut(text, " +0x")
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", 0, false
	}
	number, err := strconv.Atoi(text[i+1:])
	return text[:i], number, err == nil
}

// withCaller makes the position of the record the newest of the application's
// own frames, which is where Sentry looks for the culprit.
func withCaller(frames []sentry.Frame, caller sentry.Frame) []sentry.Frame {
	caller.InApp = true // whatever its path looks like
	for i := len(frames) - 1; i >= 0; i-- {
		f := &frames[i]
		if f.Module == caller.Module && f.Function == caller.Function && f.Lineno == caller.Lineno {
			f.InApp = true
			for j := i + 1; j < len(frames); j++ {
				frames[j].InApp = false
			}
			return frames
		}
	}
	return append(frames, caller)
}
