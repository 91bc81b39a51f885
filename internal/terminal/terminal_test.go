package terminal

import (
	"strings"
	"testing"
)

func TestPaint(t *testing.T) {
	for _, test := range []struct {
		style       Style
		color, text string
		want        string
	}{
		{Style{Color: true}, Red, "a", "\x1b[31ma\x1b[0m"},
		{Style{}, Red, "a", "a"},
		{Style{Color: true}, Plain, "a", "a"},
		{Style{Color: true}, Red, "", ""},
	} {
		if got := test.style.Paint(test.color, test.text); got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		Printable("a\x1b[0m\n\u202e"):              `a\x1b[0m\n\u202e`,
		strings.Join(Wrap("aa bb cccccc", 5), "|"): "aa bb|ccccc|c",
		strings.Join(Wrap("日本 語", 4), "|"):         "日本|語",
		Shorten("abcdef", 4):                       "abc…",
		HumanBytes(1536):                           "1.5 KiB",
		HumanSeconds(61):                           "1m 01s",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
