package suggest

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"comm", "cmdline", "exe", "role", "rss", "SIGUSR1", "SIGUSR2"}
	for _, test := range []struct {
		word, want string // no suggestion if empty
	}{
		{"com", "comm"},
		{"COMM", "comm"},
		{"ocmm", "comm"}, // neighbours swapped
		{"cmdlien", "cmdline"},
		{"exec", "exe"},
		{"SIGUSR", "SIGUSR1"}, // of equals, the first
		{"", ""},
		{"x", ""},
		{"entirely different", ""},
		{"cmdline\x00\x1b[0m", ""},
		{strings.Repeat("comm", 1000), ""},
		{"\xff\xfe", ""},
	} {
		got, ok := Nearest(test.word, known)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%.20q: %q %v, want %q", test.word, got, ok, test.want)
		}
	}
	if got, ok := Nearest("comm", nil); ok {
		t.Errorf("%q of no words", got)
	}
}

func TestList(t *testing.T) {
	if got := List([]string{"a", "b", "c"}); got != "a, b or c" {
		t.Errorf("got %q", got)
	}
}

// The distance is symmetric, 0 for equals only, and at most the length of the longer word.
func FuzzEditDistance(f *testing.F) {
	f.Add("comm", "com")
	f.Add("", strings.Repeat("a", 65))
	f.Add("ab", "ba")
	f.Fuzz(func(t *testing.T, a, b string) {
		d := editDistance(a, b)
		if d != editDistance(b, a) || d > max(len(a), len(b)) || (d == 0) != (a == b) && max(len(a), len(b)) <= 64 {
			t.Errorf("%q, %q: %d", a, b, d)
		}
	})
}
