package documents

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/options"
	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m) }

const root = "../.."

// pages are all that a reader of the project may open, by their path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/design/*.md", "examples/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no page is %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = string(text)
		}
	}
	return found
}

// claim says which blocks of the pages a check is for. A block is claimed once.
type claim struct {
	pages  string // a pattern, as filepath.Match has it
	begins string // the block's first line does
	check  func(t *testing.T, page string, b block)
}

var claims = []claim{
	{"README.md", "make ", wantTargets},
	{"CONTRIBUTING.md", "make ", wantTargets},
	{"README.md", "COPY ", wantLinesIn("examples/nginx/Dockerfile")}, // which the recipes' test builds
	{"README.md", `{"level"`, wantEvent},
	{"README.md", "OOMINIT_RULES=", wantConfiguration},
	{"README.md", "dockerd --init-path", heldBy("test/e2e/init_path_test.go", "TestEngineInit", "TestPodmanInit")},
	{"README.md", "docker logs", heldBy("test/e2e/pages_test.go", "TestPages")},
	{"docs/check.md", "docker run", heldBy("test/e2e/pages_test.go", "TestPages")},
	{"docs/check.md", "An OOM kill", heldBy("internal/check/check_test.go", "TestDocumentation")},
	{"docs/check.md", "$ oominit", heldBy("cmd/oominit-inspect/check_test.go", "TestCheckDocumentation")},
	{"docs/explain.md", "docker logs", heldBy("test/e2e/pages_test.go", "TestPages")},
	{"docs/explain.md", "", heldBy("internal/explain/golden_test.go", "TestDocumentation")},
	{"docs/reliability.md", "go test", wantTests},
	{"docs/rules.md", "rule 1, column", wantFault},
	{"docs/rules.md", "", heldBy("policy/parse_test.go", "TestDocumentedRules")},
	{"examples/*/README.md", "", heldBy("test/e2e/recipes_test.go", "TestRecipePostgreSQL", "TestRecipeMake")},
}

// Each block of each page is held by a test, and each claim by a block.
func TestEachBlockIsClaimed(t *testing.T) {
	used := make([]bool, len(claims))
	for page, text := range pages(t) {
		for _, b := range blocksOf(text) {
			i := slices.IndexFunc(claims, func(c claim) bool {
				matches, err := filepath.Match(c.pages, page)
				return err == nil && matches && strings.HasPrefix(b.first(), c.begins)
			})
			if i < 0 {
				t.Errorf("%s:%d: no test holds %q", page, b.line, b.first())
				continue
			}
			used[i] = true
			testproc.Events(t, b.text) // which are what the schema says, wherever they stand
			t.Run(fmt.Sprintf("%s:%d", page, b.line), func(t *testing.T) { claims[i].check(t, page, b) })
		}
	}
	for i, c := range claims {
		if !used[i] {
			t.Errorf("no page like %s has a block that begins with %q", c.pages, c.begins)
		}
	}
}

// heldBy is for what a test of another package holds; it must be there.
func heldBy(file string, tests ...string) func(*testing.T, string, block) {
	return func(t *testing.T, _ string, _ block) {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range tests {
			if !strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)") {
				t.Errorf("%s has no %s", file, name)
			}
		}
	}
}

// wantTargets has make say what it would do.
func wantTargets(t *testing.T, _ string, b block) {
	for line := range strings.Lines(b.text) {
		dryRun(t, line)
	}
}

func dryRun(t *testing.T, command string) {
	t.Helper()
	words := strings.Fields(command)
	cmd := exec.Command(words[0], append([]string{"-n"}, words[1:]...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "MAKEFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// wantLinesIn is for an excerpt of a file that is tested as a whole.
func wantLinesIn(file string) func(*testing.T, string, block) {
	return func(t *testing.T, _ string, b block) {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.text) {
			if !strings.Contains("\n"+string(text), "\n"+line) {
				t.Errorf("%s has no line %q", file, line)
			}
		}
	}
}

// wantEvent is for an event that is broken into lines.
func wantEvent(t *testing.T, _ string, b block) {
	line := strings.Join(strings.Split(b.text, "\n"), "")
	if !json.Valid([]byte(line)) {
		t.Fatalf("no JSON: %s", line)
	}
	if len(testproc.Events(t, line+"\n")) != 1 {
		t.Errorf("no event: %s", line)
	}
}

// wantConfiguration starts the program with it.
func wantConfiguration(t *testing.T, _ string, b block) {
	name, value, _ := strings.Cut(strings.TrimSpace(b.text), "=")
	cmd := exec.Command(testproc.Build(t), "--", "true")
	cmd.Env = append(environment(), name+"="+strings.Trim(value, "'"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// environment is that of the tests, without the variables that are for them.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "OOMINIT_") })
}

// wantFault is for what is said of a wrong rule, with […] for what is left out.
func wantFault(t *testing.T, _ string, b block) {
	cmd := exec.Command(testproc.Build(t), "--rules", "continue com=php-fpm", "--", "true")
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	begin, end, _ := strings.Cut(strings.TrimSpace(b.text), "[…]")
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 125 || !strings.Contains(string(out), begin) ||
		!strings.HasSuffix(string(out), end+"\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// wantTests has go list the tests that a command would run.
func wantTests(t *testing.T, _ string, b block) {
	for line := range strings.Lines(b.text) {
		words := strings.Fields(strings.NewReplacer("'", "", "RELIABILITY_LONG=1 ", "").Replace(line))
		pattern := "."
		if i := slices.Index(words, "-run"); i > 0 {
			pattern = words[i+1]
			words = slices.Delete(words, i, i+2)
		}
		cmd := exec.Command(words[0], append(words[1:], "-list", pattern)...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "Test") {
			t.Errorf("%s lists no test: %v\n%s", line, err, out)
		}
	}
}

var (
	variable   = regexp.MustCompile(`OOMINIT_[A-Z_]+[A-Z]`)
	setting    = regexp.MustCompile(`^OOMINIT_[A-Z_]+=\S+$`)
	flagOfOurs = regexp.MustCompile(`^oominit (--[a-z-]+)`)
	testName   = regexp.MustCompile(`^Test[A-Z]\w*`)
)

// ofTests are variables that only the tests read; those that begin with the last are the hook's.
var ofTests = []string{"OOMINIT_REQUIRE", "OOMINIT_EVENT"}

// What stands between backticks in the text of a page is there too: our variables and their values, flags, targets of make,
// files, tests.
func TestEachSpanIsTrue(t *testing.T) {
	help, err := exec.Command(testproc.Build(t), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	for page, text := range pages(t) {
		for _, name := range variable.FindAllString(text, -1) {
			if !strings.Contains(string(help), name) && !slices.ContainsFunc(ofTests, func(p string) bool { return strings.HasPrefix(name, p) }) {
				t.Errorf("%s: %s is no variable", page, name)
			}
		}
		if page == "CHANGELOG.md" {
			continue // what was there once need not be there now
		}
		for _, span := range spans(text) {
			switch {
			case setting.MatchString(span) && !strings.Contains(span, "…") && !strings.HasPrefix(span, "OOMINIT_REQUIRE="):
				if _, err := options.ParseConfiguration([]string{"oominit", "--", "true"}, []string{span}); err != nil {
					t.Errorf("%s: %s: %v", page, span, err)
				}
			case strings.HasPrefix(span, "make ") && !strings.Contains(span, "…") && !strings.Contains(span, " -j"):
				dryRun(t, span)
			case flagOfOurs.MatchString(span):
				if flag := flagOfOurs.FindStringSubmatch(span)[1]; !strings.Contains(string(help), flag) {
					t.Errorf("%s: oominit has no flag %s", page, flag)
				}
			case testName.MatchString(span):
				if name := testName.FindString(span); !slices.Contains(tests, name) {
					t.Errorf("%s: there is no test %s", page, name)
				}
			}
		}
		for _, match := range regexp.MustCompile(`\]\(([^)#: ]+)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(page), match[1])); err != nil {
				t.Errorf("%s: a link to %s: %v", page, match[1], err)
			}
		}
	}
}

// testNames are those of all tests of the project.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range declared.FindAllStringSubmatch(string(text), -1) {
			names = append(names, match[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A page that a comment names is there.
func TestPagesThatCommentsName(t *testing.T) {
	page := regexp.MustCompile(`docs/[\w./-]*\.(md|json|svg)`)
	found := 0
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".s") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range page.FindAllString(string(text), -1) {
			found++
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("%s names %s: %v", path, name, err)
			}
		}
		return err
	})
	if err != nil || found == 0 {
		t.Fatalf("%d pages named: %v", found, err)
	}
}
