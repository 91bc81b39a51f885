// Package terminal has what all texts for people need: characters that cannot harm a terminal, lines that fit its width,
// colours, and amounts the way people say them. It is pure: who asks the terminal itself is cmd/oominit-inspect.
package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style is how a text looks.
type Style struct {
	// Width is how many columns a line may take; what is below Narrowest counts as that.
	Width int
	// Color allows escape sequences for colours.
	Color bool
}

// Narrowest is the least width that texts are made for.
const Narrowest = 60

// The colours, as parameters of ECMA-48's SGR.
const (
	Plain  = ""
	Bold   = "1"
	Dim    = "2"
	Red    = "31"
	Strong = "1;31"
	Green  = "32"
	Yellow = "33"
)

// Paint puts the text into the colour, if the style allows colours.
func (s Style) Paint(color, text string) string {
	if !s.Color || color == Plain || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// maxText bounds a text of somebody else's where it is shown, in characters.
const maxText = 500

// Printable returns the text with everything written as an escape that could act on a terminal, split a line or turn its
// direction.
func Printable(text string) string {
	var b strings.Builder
	n := 0
	for _, c := range text {
		if n++; n > maxText {
			b.WriteString("…")
			break
		}
		if strconv.IsPrint(c) {
			b.WriteRune(c)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(c), "'"))
		}
	}
	return b.String()
}

// wide are the ranges of characters that take two columns of a terminal (Unicode Standard Annex #11, W and F).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

// Columns is how many columns of a terminal the text takes.
func Columns(text string) (n int) {
	for _, c := range text {
		n += columnsOf(c)
	}
	return n
}

func columnsOf(c rune) int {
	switch {
	case c < 0x300:
		return 1
	case unicode.In(c, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, c):
		return 2
	}
	return 1
}

// Wrap breaks a text into lines of at most width columns: at blanks, and inside of words that are longer than a line.
func Wrap(text string, width int) (lines []string) {
	line, used := "", 0
	flush := func() { lines, line, used = append(lines, line), "", 0 }
	for word := range strings.FieldsSeq(text) {
		n := Columns(word)
		if used > 0 && used+1+n > width {
			flush()
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		for _, c := range word {
			if used > 0 && used+columnsOf(c) > width {
				flush()
			}
			line, used = line+string(c), used+columnsOf(c)
		}
	}
	return append(lines, line)
}

// Shorten cuts a text to at most width columns.
func Shorten(text string, width int) string {
	if Columns(text) <= width {
		return text
	}
	for Columns(text) > width-1 {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text + "…"
}

// HumanBytes writes an amount the way people say it: 1.5 GiB.
func HumanBytes(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := Scale(float64(n))
	return fmt.Sprintf("%.1f %s", value, unit)
}

// Scale returns an amount of bytes in the largest unit of which it is at least one.
func Scale(n float64) (value float64, unit string) {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	for value = n; value >= 1024 && i < len(units)-1; i++ {
		value /= 1024
	}
	return value, units[i]
}

// HumanSeconds writes a time span the way people say it, the more exactly the shorter it is.
func HumanSeconds(seconds float64) string {
	sign := ""
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	whole := int64(min(seconds, 1e15))
	switch {
	case seconds < 59.9995:
		return fmt.Sprintf("%s%.3f s", sign, seconds)
	case seconds < 3600:
		return fmt.Sprintf("%s%dm %02ds", sign, whole/60, whole%60)
	case seconds < 86400:
		return fmt.Sprintf("%s%dh %02dm %02ds", sign, whole/3600, whole/60%60, whole%60)
	}
	return fmt.Sprintf("%s%dd %02dh %02dm", sign, whole/86400, whole/3600%24, whole/60%60)
}
