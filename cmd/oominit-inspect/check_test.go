package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/probe"
	"github.com/oominit/oominit/internal/testgolden"
	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) {
	if probe.Act(os.Args) {
		return
	}
	testproc.Main(m)
}

// Each fault is a line, those of the configuration and of --kill among them.
func TestCheckMistakes(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		want      []string
	}{
		{[]string{"--jsn"}, []string{`did you mean "--json"?`}},
		{[]string{"--polcy=stop"}, []string{`did you mean "--policy"?`}},
		{[]string{"--policy=stp", "--exit-code"}, []string{`did you mean "stop"?`, "--exit-code: a value is missing"}},
		{[]string{"--rules", "stop com=a; stp"}, []string{`did you mean "comm"?`, "rule 2"}},
		{[]string{"--kill", "com=a,role=x"}, []string{`--kill: unknown fact "com"`, "--kill: \"role=x\""}},
		{[]string{"--kill"}, []string{"--kill: a value is missing"}},
		{[]string{"--json=1", "--color=red"}, []string{"--json: it takes no value", `"red" is not allowed`}},
		{[]string{"--rules"}, []string{"--rules: a value is missing"}},
		{[]string{"--pause", "nginx"}, []string{"there is no command in pause mode"}},
		{[]string{"--kill=comm=a\x1b[0m\n"}, nil},
	} {
		code, stdout, stderr := called(t, "", append([]string{"check"}, test.arguments...)...)
		if len(test.want) == 0 { // no mistake, and yet nothing for a terminal
			if code != 0 || strings.ContainsAny(stdout, "\x1b") {
				t.Errorf("%q: exit code %d, %q", test.arguments, code, stdout)
			}
			continue
		}
		lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		if code != 125 || stdout != "" || len(lines) != len(test.want) {
			t.Errorf("%q: exit code %d, %q, %q", test.arguments, code, stdout, stderr)
			continue
		}
		for i, want := range test.want {
			if !strings.HasPrefix(lines[i], "oominit check: ") || !strings.Contains(lines[i], want) {
				t.Errorf("%q: %q has no %q", test.arguments, lines[i], want)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	code, stdout, _ := called(t, "", "check", "--help")
	if code != 0 || !strings.HasPrefix(stdout, "oominit check says") {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	// A flag of oominit's takes the next argument, whatever it looks like; what follows the command is its own.
	code, stdout, stderr := called(t, "", "check", "--json", "--rules", "continue comm=--kill", "--kill=comm=x", "--", "nginx", "--json=x")
	report := testproc.Valid(t, "check.schema.json", stdout)
	if command, _ := json.Marshal(report["configuration"].(map[string]any)["command"]); code != 0 || string(command) != `["nginx","--json=x"]` {
		t.Errorf("exit code %d, command %s, %s", code, command, stderr)
	}
	code, stdout, stderr = called(t, "", "check", "--json")
	if result := testproc.Valid(t, "check.schema.json", stdout)["result"]; (code == 0) != (result == "certain") || code > 1 || stderr != "" {
		t.Errorf("exit code %d, result %v, %s", code, result, stderr)
	}
}

func TestCheckReadsTheEnvironment(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	for variable, want := range map[string]int{"OOMINIT_POLICY=stop": 0, "OOMINIT_POLCY=stop": 125, "OOMINIT_RULES=stp": 125} {
		w := world{null, null, null, environment(nil), []string{variable}}
		if code := run(w, []string{"check", "--kill=comm=a"}); code != want {
			t.Errorf("%s: exit code %d", variable, code)
		}
	}
}

// words takes a command line apart as a shell does, as far as the examples need it.
func words(line string) (all []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}

// The dry runs in docs/check.md say what the program says.
func TestCheckDocumentation(t *testing.T) {
	const page, begins, ends = "../../docs/check.md", "<!-- kill -->\n```\n", "```\n<!-- /kill -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), begins)
	if len(parts) != 3 {
		t.Fatalf("%d examples", len(parts)-1)
	}
	for i := range parts[1:] {
		example, after, found := strings.Cut(parts[i+1], ends)
		line, _, _ := strings.Cut(example, "\n")
		arguments := words(line)
		if !found || len(arguments) < 4 || arguments[0] != "$" || arguments[1] != "oominit" {
			t.Fatalf("the example begins with %q", line)
		}
		code, stdout, stderr := called(t, "", arguments[2:]...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
		parts[i+1] = line + "\n" + stdout + ends + after
	}
	testgolden.File(t, page, strings.Join(parts, begins))
}
