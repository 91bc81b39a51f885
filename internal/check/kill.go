package check

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oominit/oominit/internal/suggest"
	"github.com/oominit/oominit/policy"
)

// Kill is a kill that did not happen, as --kill describes it.
type Kill struct {
	// Text is what the user wrote.
	Text    string
	Verdict policy.Verdict
	// Count is how many such kills there are, 1 or more, and Within the time from the first to the last.
	Count  int
	Within time.Duration
}

// maxKills bounds Count, ten times as high as a rule can count.
const maxKills = 10000

// killFact is one word before the = of a fact.
type killFact struct {
	name string
	// words are the values that it takes; if there are none, value says what it takes.
	words []string
	value string
	set   func(k *Kill, value string) bool
}

// killFacts is the table of facts.
var killFacts = []killFact{
	{name: "comm", value: "NAME, of at most 15 bytes, as the kernel keeps it", set: func(k *Kill, value string) bool {
		k.Verdict.Comm = value
		return len(value) <= policy.CommSize
	}},
	{name: "exe", value: "PATH", set: func(k *Kill, value string) bool {
		k.Verdict.Exe = value
		return true
	}},
	{name: "cmdline", value: "TEXT", set: func(k *Kill, value string) bool {
		k.Verdict.CommandLine = value
		return true
	}},
	{name: "ancestor", value: "NAME, of at most 15 bytes, as the kernel keeps it", set: func(k *Kill, value string) bool {
		k.Verdict.Ancestors = append(k.Verdict.Ancestors, value)
		return len(value) <= policy.CommSize
	}},
	{name: "role", words: []string{"main", "leaf"}, set: func(k *Kill, value string) bool {
		k.Verdict.Main = value == "main"
		return true
	}},
	{name: "origin", words: []string{"tree", "exec"}, set: func(k *Kill, value string) bool {
		k.Verdict.Exec = value == "exec"
		return true
	}},
	{name: "limit", words: []string{"own", "nested", "above", "unknown"}, set: func(k *Kill, value string) bool {
		k.Verdict.Limit = policy.Limit(value)
		return true
	}},
	{name: "certainty", words: []string{"certain", "probable", "unattributed"}, set: func(k *Kill, value string) bool {
		k.Verdict.Certainty = policy.Certainty(value)
		return true
	}},
	{name: "rss", value: "SIZE, such as 64M, 1GiB or 4096", set: func(k *Kill, value string) (ok bool) {
		k.Verdict.ResidentBytes, ok = policy.ParseSize(value)
		return ok
	}},
	{name: "cause", words: []string{"oom", "sigkill"}, set: func(k *Kill, value string) bool {
		k.Verdict.OOM = value == "oom"
		return true
	}},
	{name: "count", value: "NUMBER, from 1 to " + strconv.Itoa(maxKills), set: func(k *Kill, value string) bool {
		n, err := strconv.ParseUint(value, 10, 16)
		k.Count = int(n)
		return err == nil && n >= 1 && n <= maxKills
	}},
	{name: "within", value: "DURATION, such as 90s or 10m", set: func(k *Kill, value string) bool {
		var err error
		k.Within, err = time.ParseDuration(value)
		return err == nil && k.Within >= 0
	}},
}

func (f *killFact) usage() string {
	if f.words == nil {
		return f.name + "=" + f.value
	}
	return f.name + "=" + suggest.List(f.words)
}

// ParseKill reads facts, FACT=VALUE separated by commas. A value that has a comma, or blanks at an end, is in double quotes; there \" is a
// double quote and \\ a backslash. What is not said is as in the most common kill: a leaf of the tree, OOM-killed for
// certain because of the container's own limit. All faults are found at once, each is one line of the joined error.
func ParseKill(text string) (Kill, error) {
	k := Kill{Text: text, Count: 1, Verdict: policy.Verdict{OOM: true, Limit: policy.OwnLimit, Certainty: policy.Certain}}
	var faults []error
	given := map[string]bool{}
	for _, part := range split(text) {
		if strings.TrimSpace(part) == "" {
			faults = append(faults, errors.New(`a fact is missing; use FACT=VALUE, separated by commas, such as comm=java,count=3`))
			continue
		}
		if err := k.fact(strings.TrimSpace(part), given); err != nil {
			faults = append(faults, err)
		}
	}
	switch {
	case len(faults) > 0:
		return Kill{}, errors.Join(faults...)
	case k.Within > 0 && k.Count < 2:
		return Kill{}, errors.New(`"within" is of no use alone; use it with count=NUMBER, of 2 or more`)
	case !k.Verdict.OOM && given["limit"]:
		return Kill{}, errors.New(`"limit" is of no use with cause=sigkill: no limit ran out`)
	case !k.Verdict.OOM && k.Verdict.Certainty == policy.Unattributed:
		return Kill{}, errors.New(`certainty=unattributed cannot be with cause=sigkill: its victim is always known`)
	case !k.Verdict.OOM:
		k.Verdict.Limit = ""
	}
	return k, nil
}

// fact takes one over.
func (k *Kill) fact(part string, given map[string]bool) error {
	name, value, hasValue := strings.Cut(part, "=")
	names := make([]string, len(killFacts))
	for i := range killFacts {
		names[i] = killFacts[i].name
	}
	i := slices.Index(names, name)
	if i < 0 {
		return errors.New("unknown fact " + strconv.Quote(name) + "; known: " + strings.Join(names, ", ") + didYouMean(name, names, ""))
	}
	f := &killFacts[i]
	if given[name] && name != "ancestor" {
		return fmt.Errorf("%q is one %s too many; only ancestor may be there more than once", part, name)
	}
	given[name] = true
	value, quotesRight := unquote(value)
	switch {
	case !quotesRight:
		return fmt.Errorf(`%q: a value is in double quotes from its beginning to its end, and \" is one inside; or it has none`, part)
	case !hasValue || value == "":
		return fmt.Errorf("%q has no value; use %s", part, f.usage())
	case f.words != nil && !slices.Contains(f.words, value):
		return fmt.Errorf("%q is not allowed; use %s%s", part, f.usage(), didYouMean(value, f.words, name+"="))
	case !f.set(k, value):
		return fmt.Errorf("%q is not allowed; use %s", part, f.usage())
	}
	return nil
}

func didYouMean(word string, known []string, before string) string {
	if near, ok := suggest.Nearest(word, known); ok {
		return " (did you mean " + strconv.Quote(before+near) + "?)"
	}
	return ""
}

// split takes the text apart at the commas that stand outside of double quotes.
func split(text string) (parts []string) {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '\\' && quoted:
			i++
		case text[i] == ',' && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// unquote returns what a value stands for: what is between double quotes, with a backslash before a double quote or another
// backslash taken away, or itself, if it has none.
func unquote(value string) (text string, ok bool) {
	if value == "" || value[0] != '"' {
		return value, strings.IndexByte(value, '"') < 0
	}
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '"':
			return b.String(), i == len(value)-1
		case value[i] == '\\' && i+1 < len(value) && (value[i+1] == '"' || value[i+1] == '\\'):
			i++
		}
		b.WriteByte(value[i])
	}
	return "", false
}
