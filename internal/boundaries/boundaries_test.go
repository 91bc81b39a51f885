package boundaries

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// readSources returns all Go files of the module by name, but those of modules inside it.
func readSources(t *testing.T) map[string]string {
	t.Helper()
	sources := make(map[string]string)
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil || relative == "." {
			return err
		}
		if entry.IsDir() {
			// As the go command does it (go help packages).
			base := entry.Name()
			if base[0] == '.' || base[0] == '_' || base == "testdata" || base == "vendor" {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sources[filepath.ToSlash(relative)] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func TestBordersHold(t *testing.T) {
	sources := readSources(t)
	for _, fault := range Check(sources) {
		t.Error(fault)
	}
	for room := range rooms {
		found := false
		for name := range sources {
			found = found || filepath.ToSlash(filepath.Dir(name)) == room && !strings.HasSuffix(name, "_test.go")
		}
		if !found {
			t.Errorf("room %s has no source: the check looks at nothing there", room)
		}
	}
}

// TestCheckCanFail breaks each rule once.
func TestCheckCanFail(t *testing.T) {
	const own = "github.com/oominit/oominit/"
	imports := func(name string) string { return `import _ "` + name + `"` }
	for _, test := range []struct {
		title string
		file  string
		text  string
		want  string // part of the only fault
	}{
		{"cmd reaches past supervisor", "cmd/oominit/a.go", imports(own + "reaper"), "cmd/oominit imports"},
		{"the program imports what it leaves to another", "cmd/oominit/a.go", imports(own + "internal/explain"), "cmd/oominit imports"},
		{"PID 1 checks", "cmd/oominit/a.go", imports(own + "internal/check"), "cmd/oominit imports"},
		{"PID 1 probes", "supervisor/a.go", imports(own + "internal/probe"), "supervisor imports"},
		{"check imports a room that is not pure", "internal/check/a.go", imports(own + "internal/memcg"), "internal/check imports"},
		{"check reads files", "internal/check/a.go", imports("os"), "it is pure"},
		{"check reads the clock", "internal/check/a.go", `import "time"; var _ = time.Now`, "time.Now"},
		{"probe starts PID 1", "internal/probe/a.go", imports(own + "supervisor"), "internal/probe imports"},
		{"terminal asks a terminal", "internal/terminal/a.go", imports("golang.org/x/sys/unix"), "it is pure"},
		{"explain imports a room", "internal/explain/a.go", imports(own + "internal/report"), "internal/explain imports"},
		{"explain reads files", "internal/explain/a.go", imports("os"), "it is pure"},
		{"supervisor imports cmd", "supervisor/a.go", imports(own + "cmd/oominit"), "supervisor imports"},
		{"supervisor imports test support", "supervisor/a.go", imports(own + "internal/testproc"), "supervisor imports"},
		{"a room imports the module's root", "reaper/a.go", imports("github.com/oominit/oominit"), "reaper imports"},
		{"reaper imports a room", "reaper/a.go", imports(own + "policy"), "reaper imports"},
		{"policy imports a room", "policy/a.go", imports(own + "internal/attribution"), "policy imports"},
		{"memcg imports a room", "internal/memcg/a.go", imports(own + "internal/report"), "internal/memcg imports"},
		{"proctrack imports a room", "internal/proctrack/a.go", imports(own + "reaper"), "internal/proctrack imports"},
		{"attribution imports a room", "internal/attribution/a.go", imports(own + "policy"), "attribution imports"},
		{"report imports a room", "internal/report/a.go", imports(own + "supervisor"), "internal/report imports"},

		{"suggest imports a room", "internal/suggest/a.go", imports(own + "policy"), "internal/suggest imports"},
		{"another room makes suggestions", "supervisor/a.go", imports(own + "internal/suggest"), "supervisor imports"},

		{"policy imports os", "policy/a.go", imports("os"), "it is pure"},
		{"policy imports below os", "policy/a.go", imports("os/signal"), "it is pure"},
		{"policy imports syscall", "policy/a.go", imports("syscall"), "it is pure"},
		{"policy imports x/sys", "policy/a.go", imports("golang.org/x/sys/unix"), "it is pure"},
		{"attribution imports log", "internal/attribution/a.go", imports("log"), "it is pure"},
		{"attribution imports below log", "internal/attribution/a.go", imports("log/slog"), "it is pure"},
		{"suggest imports os", "internal/suggest/a.go", imports("os"), "it is pure"},
		{"policy reads the clock", "policy/a.go", `import "time"; var _ = time.Now`, "time.Now"},
		{"attribution measures time", "internal/attribution/a.go", `import "time"; var _ = time.Since`, "time.Since"},
		{"policy waits by another name", "policy/a.go", `import c "time"; func f() { c.Sleep(1) }`, "time.Sleep"},
		{"attribution waits", "internal/attribution/a.go", `import "time"; func f() { <-time.After(1) }`, "time.After"},
		{"policy has a timer", "policy/a.go", `import "time"; var _ = time.NewTimer(1)`, "time.NewTimer"},

		{"another room imports zerolog", "supervisor/a.go", imports(zerolog), "only internal/report does"},
		{"a tool imports below zerolog", "bench/a.go", imports(zerolog + "/log"), "only internal/report does"},
		{"another room waits", "supervisor/a.go", `import "golang.org/x/sys/unix"; var _ = unix.Wait4`, "only reaper waits"},
		{"another room peeks", "internal/memcg/a.go", `import "golang.org/x/sys/unix"; var _ = unix.Waitid`, "only reaper waits"},
		{"a room waits by number", "supervisor/a.go", `import "syscall"; var _ = syscall.SYS_WAIT4`, "only reaper waits"},
		{"a room makes an os.Process", "supervisor/a.go", `import "os"; var _ = os.StartProcess`, "only reaper waits"},
		{"a room finds an os.Process", "reaper/a.go", `import "os"; var _ = os.FindProcess`, "only reaper waits"},
		{"a room exits", "supervisor/a.go", `import "os"; func f() { os.Exit(1) }`, "only cmd does"},
		{"a room imports os/exec", "cmd/oominit/a.go", imports("os/exec"), "steal statuses"},
		{"a room imports net", "internal/memcg/a.go", imports("net"), "talks to nobody"},
		{"a room imports below net", "internal/report/a.go", imports("net/http"), "talks to nobody"},
		{"a room imports cgroup1", "internal/memcg/a.go", imports("github.com/containerd/cgroups/v3/cgroup1"), "tests only"},
		{"a room imports cgroup2", "supervisor/a.go", imports("github.com/containerd/cgroups/v3/cgroup2/stats"), "tests only"},

		{"a room hides an import", "supervisor/a.go", `import . "time"; var _ = Now`, `as "."`},
		{"a package without a border", "internal/util/a.go", ``, "no border"},
		{"a folder whose name only begins alike", "benches/a.go", ``, "no border"},
		{"a source that is none", "policy/a.go", `import`, "cannot parse"},
	} {
		t.Run(test.title, func(t *testing.T) {
			faults := Check(map[string]string{test.file: "package p\n" + test.text})
			if len(faults) != 1 || !strings.Contains(faults[0], test.want) {
				t.Errorf("faults %q, want one with %q", faults, test.want)
			}
		})
	}
}

func TestCheckAccepts(t *testing.T) {
	faults := Check(map[string]string{
		"cmd/oominit/a.go":          "package p\nimport (\"os\"; _ \"github.com/oominit/oominit/policy\")\nfunc f() { os.Exit(0) }",
		"cmd/oominit-inspect/a.go":  "package p\nimport (\"os\"; _ \"github.com/oominit/oominit/internal/explain\")\nfunc f() { os.Exit(0) }",
		"supervisor/a.go":           "package p\nimport (\"time\"; _ \"github.com/oominit/oominit/reaper\")\nvar _ = time.Now",
		"supervisor/a_test.go":      "package p\nimport _ \"os/exec\"",
		"reaper/a.go":               "package p\nimport \"golang.org/x/sys/unix\"\nvar _, _ = unix.Wait4, unix.Waitid",
		"policy/a.go":               "package p\nimport \"time\"\nfunc after(a, b time.Time) bool { return a.After(b) }",
		"policy/b.go":               "package p\nimport _ \"github.com/oominit/oominit/internal/suggest\"",
		"internal/memcg/a.go":       "package p\nimport _ \"github.com/containerd/cgroups/v3\"",
		"internal/report/a.go":      "package p\nimport _ \"github.com/rs/zerolog\"",
		"internal/testproc/deep.go": "package p\nimport (\"os\"; _ \"os/exec\")\nfunc f() { os.Exit(1) }",
		"README.md":                 "no Go at all",
	})
	if len(faults) > 0 {
		t.Errorf("faults %q, want none", faults)
	}
}

// TestDirectRequirements holds that what the program stands on is named in go.mod as such.
func TestDirectRequirements(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	direct := directRequirements(string(text))
	for _, name := range []string{"golang.org/x/sys", "github.com/containerd/cgroups/v3", "github.com/rs/zerolog"} {
		if !slices.Contains(direct, name) {
			t.Errorf("go.mod does not require %s directly", name)
		}
	}
}

// directRequirements returns the modules that a go.mod requires without the mark "// indirect" (go.dev/ref/mod).
func directRequirements(text string) []string {
	var direct []string
	inBlock := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "require ("):
			inBlock = true
			continue
		case line == ")":
			inBlock = false
		case strings.HasPrefix(line, "require "):
			line = strings.TrimPrefix(line, "require ")
		case !inBlock:
			continue
		}
		fields := strings.Fields(line)
		if len(fields) >= 2 && !strings.Contains(line, "// indirect") {
			direct = append(direct, fields[0])
		}
	}
	return direct
}

func TestDirectRequirementsReads(t *testing.T) {
	const text = "module m\n\ngo 1.26.0\n\nrequire a v1.0.0\nrequire b v1.0.0 // indirect\n" +
		"require (\n\tc v1.0.0\n\td v1.0.0 // indirect\n)\nexclude (\n\te v1.0.0\n)\n"
	if got, want := directRequirements(text), []string{"a", "c"}; !slices.Equal(got, want) {
		t.Errorf("direct requirements %q, want %q", got, want)
	}
}
