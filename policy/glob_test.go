package policy

import (
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, test := range []struct {
		pattern   string
		match, no []string
	}{
		{"java", []string{"java"}, []string{"", "jav", "javac", "Java", "xjava"}},
		{"java*", []string{"java", "javac", "java\x00\n"}, []string{"jav", " java"}},
		{"*", []string{"", "a", "a b/c\xff"}, nil},
		{"**", []string{"", "ab"}, nil},
		{"*-fpm*", []string{"php-fpm", "php-fpm8.2", "-fpm"}, []string{"php-fp"}},
		{"a?c", []string{"abc", "a c", "a\nc", "a\xffc"}, []string{"ac", "aéc"}},
		{"?", []string{"a", "*"}, []string{"", "ab"}},
		{"[a-c]x", []string{"ax", "cx"}, []string{"dx", "-x", "x"}},
		{"[!a-c]x", []string{"dx", "!x", "\xffx"}, []string{"ax", "x"}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{"[-a]", []string{"a", "-"}, []string{"b"}},
		{"[a-c-e]", []string{"b", "-", "e"}, []string{"d"}},
		{`[\]]`, []string{"]"}, []string{`\`}},
		{`[\!a]`, []string{"!", "a"}, []string{"b"}},
		{`[!\]]`, []string{"a"}, []string{"]"}},
		{`[\^]`, []string{"^"}, []string{"a"}},
		{`[a\-c]`, []string{"a", "-", "c"}, []string{"b"}},
		{`[[]`, []string{"["}, []string{"]"}},
		{`[*?]`, []string{"*", "?"}, []string{"a"}},
		{"[\x80-\xff]", []string{"\x80", "\xff"}, []string{"\x7f"}},
		{"]", []string{"]"}, nil},
		{"!a", []string{"!a"}, []string{"b"}},
		{`\*`, []string{"*"}, []string{"a", `\*`}},
		{`\\`, []string{`\`}, []string{`\\`}},
		{`a\bc`, []string{"abc"}, []string{`a\bc`}},
		{"a*b*c", []string{"abc", "aXbXc", "abcbc"}, []string{"ab", "acb", "abcb"}},
		{"*ab", []string{"ab", "aab", "abab"}, []string{"aba"}},
	} {
		if _, fault := glob(test.pattern).check(); fault != "" {
			t.Errorf("%q: %s", test.pattern, fault)
			continue
		}
		for _, text := range test.match {
			if !glob(test.pattern).match(text) {
				t.Errorf("%q does not match %q", test.pattern, text)
			}
		}
		for _, text := range test.no {
			if glob(test.pattern).match(text) {
				t.Errorf("%q matches %q", test.pattern, text)
			}
		}
	}
}

func TestGlobFaults(t *testing.T) {
	for pattern, want := range map[string]string{
		`\`: "backslash", `a\`: "backslash", `[`: "no ]", `[a`: "no ]", `[!`: "no ]", `[a-`: "no ]", `[a\`: "no ]", `[a-\`: "no ]",
		`[\`: "no ]", `[a-]x[`: "no ]", `[a-b`: "no ]", `[]`: "nothing", `[!]`: "nothing", `[]a]`: "nothing", `[z-a]`: "before it begins",
		`[^a]`: "[!…]", `[!^a]`: "[!…]", `*[a]?[`: "no ]",
	} {
		if _, fault := glob(pattern).check(); !strings.Contains(fault, want) {
			t.Errorf("%q: fault %q, want one with %q", pattern, fault, want)
		}
	}
}

func TestGlobLeast(t *testing.T) {
	for pattern, want := range map[string]int{"": 0, "*": 0, "a*b": 2, `\**?[abc]`: 3, "[!a-z]": 1} {
		if least, fault := glob(pattern).check(); least != want || fault != "" {
			t.Errorf("%q: %d %s, want %d", pattern, least, fault, want)
		}
	}
}

// A matcher that tries all ways for all stars would not end this before the tests' own time limit.
func TestGlobIsNotExponential(t *testing.T) {
	if glob(strings.Repeat("*a", 100) + "*b").match(strings.Repeat("a", 4096)) {
		t.Error("matches")
	}
}

// reference matches by filling in the table of all prefixes: slow, and plainly right.
func reference(pattern, text string) bool {
	matched := make([]bool, len(text)+1) // the prefixes of text that what was read of the pattern matches
	matched[0] = true
	for i := 0; i < len(pattern); {
		next := make([]bool, len(text)+1)
		if pattern[i] == '*' {
			some := false
			for j, m := range matched {
				some = some || m
				next[j] = some
			}
			i++
		} else {
			set, end := referenceSet(pattern, i)
			for j := range len(text) {
				next[j+1] = matched[j] && set[text[j]]
			}
			i = end
		}
		matched = next
	}
	return matched[len(text)]
}

// referenceSet returns the bytes that the pattern allows at i, and where it goes on.
func referenceSet(pattern string, i int) (set [256]bool, end int) {
	switch pattern[i] {
	case '?':
		for c := range set {
			set[c] = true
		}
		return set, i + 1
	case '\\':
		set[pattern[i+1]] = true
		return set, i + 2
	case '[':
	default:
		set[pattern[i]] = true
		return set, i + 1
	}
	i++
	not := pattern[i] == '!'
	if not {
		i++
	}
	var members []int // -1 for a - that is not escaped
	for ; pattern[i] != ']'; i++ {
		switch pattern[i] {
		case '\\':
			i++
			members = append(members, int(pattern[i]))
		case '-':
			members = append(members, -1)
		default:
			members = append(members, int(pattern[i]))
		}
	}
	literal := func(m int) int {
		if m < 0 {
			return '-'
		}
		return m
	}
	for len(members) > 0 {
		first, last, n := literal(members[0]), literal(members[0]), 1
		if len(members) > 2 && members[1] < 0 {
			last, n = literal(members[2]), 3
		}
		for c := first; c <= last; c++ {
			set[c] = true
		}
		members = members[n:]
	}
	if not {
		for c := range set {
			set[c] = !set[c]
		}
	}
	return set, i + 1
}

func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{
		{"java*", "javac"}, {"a*b*c", "abcbc"}, {"[!a-c]x", "dx"}, {`[\]-a]`, "^"}, {`\*?`, "*a"}, {"*[", ""}, {"[a--]", "a"}, {"\xff*", "\xff"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 1000 || len(text) > 1000 {
			return
		}
		if _, fault := glob(pattern).check(); fault != "" {
			return
		}
		if got, want := glob(pattern).match(text), reference(pattern, text); got != want {
			t.Errorf("%q with %q: %v, want %v", pattern, text, got, want)
		}
	})
}
