// Package boundaries holds the borders between the rooms of the program: who may import whom, and who alone may do
// certain things. It has tests only.
package boundaries

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/oominit/oominit"

// The rooms that know nothing of each other; the supervisor wires them.
var rooms = []string{
	"reaper", "policy", "internal/memcg", "internal/proctrack", "internal/attribution", "internal/report",
}

// pure rooms decide and do nothing else.
var pure = []string{"policy", "internal/attribution"}

// program is everything that goes into the binary.
var program = append([]string{"cmd/oominit", "supervisor"}, rooms...)

// check returns every breach in the sources, given by file name relative to the module.
func check(sources map[string]string) (breaches []string) {
	for name, source := range sources {
		room := path.Dir(name)
		if !slices.Contains(program, room) || strings.HasSuffix(name, "_test.go") {
			continue
		}
		breach := func(format string, a ...any) { breaches = append(breaches, name+": "+fmt.Sprintf(format, a...)) }
		file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			breach("%v", err)
			continue
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if reason := forbidden(room, imported); reason != "" {
				breach("imports %s: %s", imported, reason)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, _ := selector.X.(*ast.Ident)
			called := selector.Sel.Name
			switch {
			case (called == "Wait4" || called == "Waitid") && room != "reaper":
				breach("calls %s: only the reaper waits", called)
			case of != nil && of.Name == "os" && called == "Exit" && room != "cmd/oominit":
				breach("calls os.Exit: only main ends the program")
			case of != nil && of.Name == "time" && slices.Contains(pure, room) &&
				slices.Contains([]string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick"}, called):
				breach("calls time.%s: time comes in as a value", called)
			}
			return true
		})
	}
	slices.Sort(breaches)
	return breaches
}

// forbidden returns why a room may not import a package, or "".
func forbidden(room, imported string) string {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	below := func(parent string) bool { return imported == parent || strings.HasPrefix(imported, parent+"/") }
	switch {
	case isOwn && slices.Contains(rooms, room):
		return "the rooms do not know each other"
	case isOwn && room == "supervisor" && !slices.Contains(rooms, own):
		return "the supervisor knows the rooms only"
	case isOwn && room == "cmd/oominit" && !slices.Contains([]string{"supervisor", "policy", "internal/report"}, own):
		return "the command knows the supervisor, and the words of policy and report"
	case below("github.com/rs/zerolog") && room != "internal/report":
		return "only report writes"
	case below("os/exec"):
		return "it waits by itself"
	case below("net"), below("log"):
		return "not in an init"
	case below("github.com/containerd/cgroups/v3/cgroup1"), below("github.com/containerd/cgroups/v3/cgroup2"):
		return "eBPF, D-Bus and protobuf stay out of the binary"
	case slices.Contains(pure, room) && (below("os") || below("syscall") || below("golang.org/x/sys")):
		return "this room is pure"
	}
	return ""
}

func TestBoundaries(t *testing.T) {
	sources := map[string]string{}
	root := os.DirFS("../..")
	for _, room := range program {
		entries, err := fs.ReadDir(root, room)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if name := path.Join(room, entry.Name()); strings.HasSuffix(name, ".go") {
				text, err := fs.ReadFile(root, name)
				if err != nil {
					t.Fatal(err)
				}
				sources[name] = string(text)
			}
		}
	}
	if len(sources) < len(program) {
		t.Fatalf("only %d sources found", len(sources))
	}
	for _, breach := range check(sources) {
		t.Error(breach)
	}
}

// The control: each breach is seen.
func TestBreachesAreSeen(t *testing.T) {
	for name, source := range map[string]string{
		"reaper/x.go":               `package x; import _ "github.com/oominit/oominit/policy"`,
		"supervisor/x.go":           `package x; import _ "github.com/oominit/oominit/cmd/oominit"`,
		"cmd/oominit/x.go":          `package x; import _ "github.com/oominit/oominit/internal/memcg"`,
		"internal/memcg/x.go":       `package x; import _ "github.com/rs/zerolog"`,
		"internal/report/x.go":      `package x; import _ "os/exec"`,
		"internal/proctrack/x.go":   `package x; import _ "net/http"`,
		"supervisor/y.go":           `package x; import "golang.org/x/sys/unix"; var _ = unix.Wait4`,
		"supervisor/z.go":           `package x; import "os"; func f() { os.Exit(1) }`,
		"policy/x.go":               `package x; import _ "os"`,
		"policy/y.go":               `package x; import _ "golang.org/x/sys/unix"`,
		"internal/attribution/x.go": `package x; import "time"; var _ = time.Now()`,
		"internal/memcg/y.go":       `package x; import _ "github.com/containerd/cgroups/v3/cgroup1"`,
		"policy/z.go":               `package`,
	} {
		if len(check(map[string]string{name: source})) == 0 {
			t.Errorf("%s: not seen: %s", name, source)
		}
	}
	if breaches := check(map[string]string{
		"supervisor/x.go":  `package x; import _ "github.com/oominit/oominit/policy"`,
		"reaper/x.go":      `package x; import "golang.org/x/sys/unix"; var _ = unix.Wait4`,
		"policy/x_test.go": `package x; import _ "os"`,
	}); len(breaches) > 0 {
		t.Errorf("breaches that are none: %q", breaches)
	}
}

func TestDirectRequirements(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"golang.org/x/sys", "github.com/containerd/cgroups/v3", "github.com/rs/zerolog"} {
		found := false
		for line := range strings.Lines(string(text)) {
			found = found || (strings.Contains(line, want+" v") && !strings.Contains(line, "// indirect"))
		}
		if !found {
			t.Errorf("go.mod does not require %s directly", want)
		}
	}
}
