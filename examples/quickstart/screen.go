package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

const widest = 80

// A screen prints within its width, in colour where a person reads it.
type screen struct {
	io.Writer
	width  int
	colour bool
}

// newScreen takes the terminal's width, 80 columns at most, and colours unless
// NO_COLOR is set. A pipe or a file gets plain text of 80 columns.
func newScreen(f *os.File) *screen {
	s := &screen{Writer: f, width: widest}
	if !term.IsTerminal(int(f.Fd())) {
		return s
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.width = min(width, widest)
	}
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

type style string

const (
	plain  style = ""
	title  style = "1;36"
	good   style = "32"
	bad    style = "1;31"
	warned style = "33"
	faint  style = "2"
)

func (s *screen) paint(c style, text string) string {
	if !s.colour || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

func (s *screen) heading(name, text string) {
	s.say(title, "", name)
	s.say(plain, "   ", text)
}

// say prints words behind an indent, wrapped.
func (s *screen) say(c style, indent, text string) { s.item(c, indent, "", text) }

// item prints words behind an indent and a mark. What is wrapped stands behind the
// mark.
func (s *screen) item(c style, indent, mark, text string) {
	line, words := indent+mark, 0
	for _, word := range strings.Fields(text) {
		switch {
		case words == 0:
			line += word
		case columns(line)+1+columns(word) > s.width:
			fmt.Fprintln(s, s.paint(c, line))
			line = indent + strings.Repeat(" ", columns(mark)) + word
		default:
			line += " " + word
		}
		words++
	}
	fmt.Fprintln(s, s.paint(c, line))
}

// row prints a name, a right-aligned figure, and a note: beside them where it
// fits, else below, behind the indent.
func (s *screen) row(name, figure string, c style, note, indent string) {
	const figures = 8
	names := min(38, max(s.width-figures, 10))
	if columns(name) > names {
		name = string([]rune(name)[:names-1]) + "…"
	}
	line := name + strings.Repeat(" ", names-columns(name)) + fmt.Sprintf("%*s", figures, figure)
	if note != "" && columns(line)+2+columns(note) <= s.width {
		fmt.Fprintln(s, line+"  "+s.paint(c, note))
		return
	}
	fmt.Fprintln(s, line)
	if note != "" {
		s.say(c, indent+"  ", note)
	}
}

func columns(text string) int { return utf8.RuneCountInString(text) }
