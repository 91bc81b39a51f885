package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m) }

// installed copies the program into a folder of its own and returns its path there.
func installed(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(testproc.Build(t))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "oominit")
	if err := os.WriteFile(name, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// script makes a program that says how it was called.
func script(t *testing.T, name, says string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho "+says+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// execute runs the program with folder in PATH.
func execute(t *testing.T, folder, program string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(program, arguments...)
	cmd.Env = []string{"PATH=" + folder + ":/bin:/usr/bin"}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// A subcommand goes to the program beside this one, found even through a symbolic link.
func TestInspect(t *testing.T) {
	program := installed(t)
	script(t, filepath.Join(filepath.Dir(program), "oominit-inspect"), "inspector")
	commands := t.TempDir()
	for _, name := range []string{"explain", "check", "explained"} {
		script(t, filepath.Join(commands, name), "command "+name)
	}
	link := filepath.Join(commands, "oominit")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		program   string
		arguments []string
		want      string
	}{
		{program, []string{"explain", "--json", "x"}, "inspector explain --json x\n"},
		{program, []string{"check"}, "inspector check\n"},
		{link, []string{"explain"}, "inspector explain\n"},
		{program, []string{"--", "explain", "x"}, "command explain x\n"},
		{program, []string{"--", "check"}, "command check\n"},
		{program, []string{"--policy=stop", "explain"}, "command explain\n"},
		{program, []string{"explained", "explain"}, "command explained explain\n"},
	} {
		code, stdout, stderr := execute(t, commands, test.program, test.arguments...)
		if code != 0 || stdout != test.want || stderr != "" {
			t.Errorf("%q: exit code %d, %q, %q; want %q", test.arguments, code, stdout, stderr, test.want)
		}
	}
}

func TestInspectorIsMissing(t *testing.T) {
	program := installed(t)
	inspector := filepath.Join(filepath.Dir(program), "oominit-inspect")
	code, stdout, stderr := execute(t, "", program, "explain")
	if code != 127 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, inspector) {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if err := os.Mkdir(inspector, 0o755); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = execute(t, "", program, "explain")
	if code != 126 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, inspector) {
		t.Errorf("a folder: exit code %d, %q", code, stderr)
	}
}
