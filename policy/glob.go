package policy

// A glob is a pattern of bytes: * stands for any number of them, ? for one, [a-z] for one of those and [!a-z] for one of
// the others; a backslash takes from the byte after it what it means. It matches a whole text or not at all.
type glob string

// element reads what the pattern has at i, which is not a *, and says where it ends and whether it matches c. A fault
// says why the pattern is none; end is then of no use.
func (g glob) element(i int, c byte) (end int, matches bool, fault string) {
	switch g[i] {
	case '?':
		return i + 1, true, ""
	case '[':
		return g.class(i+1, c)
	case '\\':
		if i+1 == len(g) {
			return 0, false, "nothing follows its last backslash"
		}
		i++
	}
	return i + 1, g[i] == c, ""
}

// class is element for what is in brackets; i is after the opening one.
func (g glob) class(i int, c byte) (end int, matches bool, fault string) {
	const open = "its [ has no ]"
	others := i < len(g) && g[i] == '!'
	if others {
		i++
	}
	if i < len(g) && g[i] == '^' {
		return 0, false, "all but some are written [!…], and a ^ that is meant is written \\^"
	}
	for from := i; i < len(g); {
		if g[i] == ']' {
			if i == from {
				return 0, false, "nothing is in its brackets; a ] that is meant is written \\]"
			}
			return i + 1, matches != others, ""
		}
		first, next, ok := g.member(i)
		if !ok {
			return 0, false, open
		}
		last := first
		if next+1 < len(g) && g[next] == '-' && g[next+1] != ']' {
			if last, next, ok = g.member(next + 1); !ok {
				return 0, false, open
			}
		}
		if last < first {
			return 0, false, "a range in its brackets ends before it begins"
		}
		matches = matches || first <= c && c <= last
		i = next
	}
	return 0, false, open
}

// member reads one byte in brackets.
func (g glob) member(i int) (c byte, next int, ok bool) {
	if g[i] == '\\' {
		i++
	}
	if i == len(g) {
		return 0, i, false
	}
	return g[i], i + 1, true
}

// check returns how many bytes a text must at least have to match, or why the pattern is none.
func (g glob) check() (least int, fault string) {
	for i := 0; i < len(g); {
		if g[i] == '*' {
			i++
			continue
		}
		i, _, fault = g.element(i, 0)
		if fault != "" {
			return 0, fault
		}
		least++
	}
	return least, ""
}

// match reports whether the pattern, in which check found no fault, matches the text. It takes at most as many steps as
// the product of both lengths: what an earlier * took never has to be looked at again once a later one is reached.
func (g glob) match(text string) bool {
	at, i := 0, 0
	afterStar, taken := -1, 0 // where to go on if this fails: one byte more for the last *
	for i < len(text) {
		if at < len(g) && g[at] == '*' {
			at++
			afterStar, taken = at, i
			continue
		}
		if at < len(g) {
			if end, matches, _ := g.element(at, text[i]); matches {
				at, i = end, i+1
				continue
			}
		}
		if afterStar < 0 {
			return false
		}
		taken++
		at, i = afterStar, taken
	}
	for at < len(g) && g[at] == '*' {
		at++
	}
	return at == len(g)
}
