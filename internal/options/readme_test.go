package options

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testgolden"
)

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
	testgolden.File(t, name, testgolden.Between(t, string(text), tableBegin, tableEnd, variablesTable()))
}
