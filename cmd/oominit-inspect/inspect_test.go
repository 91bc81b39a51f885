package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const someKill = `{"level":"error","time":"2026-11-24T05:23:15.854428Z","event":"oom_kill","process":{"pid":13,"parent_pid":12,"executable":{"name":"tail"}},"role":"leaf","origin":"tree","certainty":"certain","evidence":["counter_rise"],"limit":"own","oom_kills":1,"memory":{"limit_bytes":67108864,"usage_bytes":5},"message":"m"}` + "\n"

// called runs the program on an input.
func called(t *testing.T, input string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	file := func(text string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		return f
	}
	w := world{file(input), file(""), file(""), environment(nil), nil}
	code = run(w, arguments)
	text := func(f *os.File) string {
		out, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	return code, text(w.stdout), text(w.stderr)
}

func environment(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, isSet := variables[name]
		return value, isSet
	}
}

// Each mistake is one line that says what was given, what is allowed and what was probably meant.
func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		want      []string
	}{
		{nil, []string{"missing", "explain"}},
		{[]string{"explan"}, []string{`"explan"`, "known: explain, check", `did you mean "explain"?`}},
		{[]string{"zzz"}, []string{`"zzz"`, "known: explain, check"}},
		{[]string{"a\nb\x1b[0m"}, []string{`"a\nb\x1b[0m"`}},
		{[]string{"explain", "--jsn"}, []string{`"--jsn"`, "known: --color, --json, --svg", `did you mean "--json"?`}},
		{[]string{"explain", "--json=x"}, []string{"--json", `"x"`}},
		{[]string{"explain", "--color=alwys"}, []string{`"alwys"`, "auto, always or never", `did you mean "always"?`}},
		{[]string{"explain", "--color"}, []string{"--color", "missing"}},
		{[]string{"explain", "--svg"}, []string{"--svg", "missing"}},
		{[]string{"explain", "--svg="}, []string{"--svg", `""`}},
		{[]string{"explain", "--svg=-", "--json"}, []string{"--json", "--svg=-"}},
		{[]string{"explain", "container.log"}, []string{`"container.log"`, "< FILE"}},
	} {
		code, stdout, stderr := called(t, someKill, test.arguments...)
		if code != 125 || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d, %q, %q", test.arguments, code, stdout, stderr)
		}
		for _, want := range test.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: %q has no %q", test.arguments, stderr, want)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "a.svg")
	for _, test := range []struct {
		input     string
		arguments []string
		code      int
		stdout    string // the beginning of it
		stderr    string // part of it
	}{
		{someKill, []string{"explain"}, 0, "container: tail was OOM-killed", ""},
		{someKill, []string{"explain", "--color", "always"}, 0, "\x1b[1;31mcontainer", ""},
		{someKill, []string{"explain", "--json", "--svg", picture}, 0, `{"lines":1`, ""},
		{someKill, []string{"explain", "--svg=-"}, 0, "<svg", ""},
		{"hello\n", []string{"explain", "--svg", picture + ".none"}, 1, "", "no event of oominit's in the log\n"},
		{"", []string{"explain"}, 1, "", "no event"},
		{"2026-11-24T14:59:02.519509Z oominit: error: tail (pid 10) was OOM-killed\n", []string{"explain"}, 1, "", "OOMINIT_LOG_FORMAT=json"},
		{someKill, []string{"explain", "--svg=/nowhere/a.svg"}, 125, "container: tail", `cannot write "/nowhere/a.svg"`},
		{someKill, []string{"explain", "--help"}, 0, "oominit explain reads", ""},
		{"", []string{"--help"}, 0, "oominit-inspect is", ""},
	} {
		code, stdout, stderr := called(t, test.input, test.arguments...)
		if code != test.code || !strings.HasPrefix(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) ||
			(test.stdout == "") != (stdout == "") || (test.stderr == "") != (stderr == "") {
			t.Errorf("%q: exit code %d, %q, %q", test.arguments, code, stdout, stderr)
		}
	}
	if text, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(text), "<svg") {
		t.Errorf("the picture: %.20q, %v", text, err)
	}
	if _, err := os.Stat(picture + ".none"); err == nil {
		t.Error("a picture of nothing was written")
	}
}

func TestLogThatCannotBeRead(t *testing.T) {
	folder, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if code := run(world{folder, null, null, environment(nil), nil}, []string{"explain"}); code != 125 {
		t.Errorf("exit code %d", code)
	}
}

// Colours and the width come from a terminal only.
func TestStyle(t *testing.T) {
	terminal := openTerminal(t)
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 72}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, test := range []struct {
		stdout    *os.File
		color     string
		variables map[string]string
		want      bool
	}{
		{terminal, "auto", nil, true},
		{terminal, "auto", map[string]string{"NO_COLOR": "", "TERM": "xterm"}, true},
		{terminal, "auto", map[string]string{"NO_COLOR": "1"}, false},
		{terminal, "auto", map[string]string{"TERM": "dumb"}, false},
		{terminal, "never", nil, false},
		{terminal, "always", map[string]string{"NO_COLOR": "1", "TERM": "dumb"}, true},
		{file, "auto", nil, false},
		{file, "always", nil, true},
	} {
		s := style(world{stdout: test.stdout, environment: environment(test.variables)}, test.color)
		width := 72
		if test.stdout == file {
			width = 100
		}
		if s.Color != test.want || s.Width != width {
			t.Errorf("%s, %q, %v: %+v", test.stdout.Name(), test.color, test.variables, s)
		}
	}
}

// openTerminal returns a pseudo-terminal (pty(7)).
func openTerminal(t *testing.T) *os.File {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { _ = control.Close() })
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return terminal
}

func TestWriteFile(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "a.svg")
	writes := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			if _, writeErr := io.WriteString(w, text); writeErr != nil {
				return writeErr
			}
			return err
		}
	}
	holds := func(want string, entries int) {
		t.Helper()
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("it holds %q, %v; want %q", text, err, want)
		}
		if all, err := os.ReadDir(folder); err != nil || len(all) != entries {
			t.Errorf("the folder has %v, %v", all, err)
		}
	}
	if err := writeFile(name, writes("one", nil)); err != nil {
		t.Fatal(err)
	}
	holds("one", 1)
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("half of it")
	if err := writeFile(name, writes("tw", failure)); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
	holds("one", 1)
	link := filepath.Join(folder, "link")
	if err := os.Symlink("a.svg", link); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(link, writes("three", nil)); err != nil {
		t.Fatal(err)
	}
	holds("three", 2)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become %v, %v", info, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode has become %v, %v", info, err)
	}
	for _, other := range []string{folder, os.DevNull} {
		if err := writeFile(other, writes("x", nil)); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v", other, err)
		}
	}
}
