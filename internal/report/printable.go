package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable returns the text with everything replaced that could act on a terminal, split a line or turn its direction,
// cut at maxText bytes.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) || c == utf8.RuneError {
			return '?'
		}
		return c
	}, cut(s))
}

// maxPath bounds the path of a program in an event, in bytes.
const maxPath = 128

// maxText bounds a free text in an event, in bytes: six times as much in JSON must stay below PIPE_BUF.
const maxText = 512

func cut(s string) string { return cutAt(s, maxText) }

func cutAt(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// humanBytes writes an amount the way people say it: 1.5 GiB.
func humanBytes(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
