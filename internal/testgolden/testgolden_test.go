package testgolden

import (
	"os"
	"path/filepath"
	"testing"
)

// failing is a test that only notes that it failed.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper()               {}
func (f *failing) Errorf(string, ...any) { f.failed = true }

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "golden")
	if err := os.WriteFile(name, []byte("right"), 0o600); err != nil {
		t.Fatal(err)
	}
	File(t, name, "right")
	for _, missing := range []string{name, name + "2"} {
		f := &failing{TB: t}
		if File(f, missing, "wrong"); !f.failed {
			t.Errorf("%s is as good as any", missing)
		}
	}
}

func TestBlock(t *testing.T) {
	const page = "a\n<!-- x -->\n```\nold\n```\n<!-- /x -->\nb\n"
	if got, want := Block(t, page, "x", "new\n"), "a\n<!-- x -->\n```\nnew\n```\n<!-- /x -->\nb\n"; got != want {
		t.Errorf("%q", got)
	}
}
