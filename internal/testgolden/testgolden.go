// Package testgolden compares what a program prints with what files and pages say that it prints, and rewrites them with
// go test -update.
package testgolden

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files, and what pages show of the program")

// File fails the test if the file has another content.
func File(t testing.TB, name, want string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil && string(text) == want {
		return
	}
	if !*update {
		t.Errorf("%s is not what the program prints (%v); if that is right: go test . -update in the package's directory\n%s", name, err, want)
	} else if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Between returns the page with other text between a beginning and an end, which it has once.
func Between(t testing.TB, page, begins, ends, text string) string {
	t.Helper()
	before, rest, found := strings.Cut(page, begins)
	_, after, foundEnd := strings.Cut(rest, ends)
	if !found || !foundEnd {
		t.Fatalf("the page has no %q with a %q after it", begins, ends)
	}
	return before + begins + text + ends + after
}

// Block is Between for the code block between two comments of that name.
func Block(t testing.TB, page, name, text string) string {
	t.Helper()
	return Between(t, page, "<!-- "+name+" -->\n```\n", "```\n<!-- /"+name+" -->\n", text)
}
