package options

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table of variables in the README")

// variablesTable is the table of variables in the README, in Markdown. A test holds the README to it.
func variablesTable() string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | allowed | meaning |\n|---|---|---|---|---|\n")
	for _, o := range options {
		initial := "none"
		if o.initial != "" {
			initial = "`" + o.initial + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", o.variable(), o.flag(), initial, o.allowed, o.meaning)
	}
	return b.String()
}

const (
	tableBegin = "<!-- variables: made by go test ./internal/options -run README -update -->\n"
	tableEnd   = "<!-- /variables -->\n"
)

// The README's table must say what the program does, so it comes from the same rows.
func TestREADMETable(t *testing.T) {
	const name = "../../README.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tableBegin)
	table, after, foundEnd := strings.Cut(rest, tableEnd)
	if !found || !foundEnd {
		t.Fatalf("%s has no %q … %q", name, tableBegin, tableEnd)
	}
	if table == variablesTable() {
		return
	}
	if !*update {
		t.Fatalf("the table of variables in %s is not that of the program; run: go test ./internal/options -run README -update", name)
	}
	if err := os.WriteFile(name, []byte(before+tableBegin+variablesTable()+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
