package main

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/suggest"
	"github.com/oominit/oominit/internal/terminal"
)

// colors are what --color takes.
var colors = []string{"auto", "always", "never"}

// colorNamed returns the value of --color, if it is one.
func colorNamed(value string) (string, error) {
	if slices.Contains(colors, value) {
		return value, nil
	}
	text := fmt.Sprintf("--color: %q is not allowed; use %s", value, suggest.List(colors))
	if near, ok := suggest.Nearest(value, colors); ok {
		text += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return value, fmt.Errorf("%s", text)
}

// widthWithoutTerminal is how wide lines are where nobody says how wide they may be.
const widthWithoutTerminal = 100

// style is how the text has to look where it goes (no-color.org says what NO_COLOR means).
func style(w world, color string) terminal.Style {
	s := terminal.Style{Width: widthWithoutTerminal}
	fd := int(w.stdout.Fd())
	onTerminal := isTerminal(w.stdout.Fd())
	if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); onTerminal && err == nil && size.Col > 0 {
		s.Width = min(int(size.Col), 140) // longer lines are hard to read
	}
	noColor, _ := w.environment("NO_COLOR")
	kind, _ := w.environment("TERM")
	s.Color = color == "always" || color == "auto" && onTerminal && noColor == "" && kind != "dumb"
	return s
}

func isTerminal(fd uintptr) bool {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	return err == nil
}
