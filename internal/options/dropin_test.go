package options

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/supervisor"
)

const version = "1.2.3"

// The command lines of the other inits, as their users write them.
func TestDropIn(t *testing.T) {
	level := func(name string) report.Level {
		l, _ := report.ParseLevel(name)
		return l
	}
	for _, test := range []struct {
		line, environment string
		command           string
		is                func(c supervisor.Config) bool
	}{
		{"tini -- nginx -g x", "", "nginx -g x", func(c supervisor.Config) bool {
			return c.Report.FD == 2 && c.Group == supervisor.GroupOwn && c.SignalScope == supervisor.ScopeChild && c.Report.Level == level("warn")
		}},
		// tini's getopt takes -E here.
		{"/sbin/tini grep -E x", "", "grep -E x", func(supervisor.Config) bool { return true }},
		{"/usr/bin/tini-static -s -g -- x", "", "x", func(c supervisor.Config) bool { return c.SignalScope == supervisor.ScopeGroup }},
		{"tini -gvv x", "", "x", func(c supervisor.Config) bool {
			return c.SignalScope == supervisor.ScopeGroup && c.Report.Level == level("debug")
		}},
		{"tini -e 143 -e0 -e 1 -- x", "", "x", func(c supervisor.Config) bool {
			return maps.Equal(c.ExitCodes, map[int]int{143: 0, 0: 0, 1: 0})
		}},
		{"tini -p SIGKILL -w x", "", "x", func(c supervisor.Config) bool { return c.ParentDeathSignal == unix.SIGKILL && c.WarnReaped }},
		{"tini -psigterm x", "", "x", func(c supervisor.Config) bool { return c.ParentDeathSignal == unix.SIGTERM }},
		{"tini x", "TINI_SUBREAPER= TINI_KILL_PROCESS_GROUP=1 TINI_VERBOSITY=3", "x", func(c supervisor.Config) bool {
			return c.SignalScope == supervisor.ScopeGroup && c.Report.Level == level("debug")
		}},
		{"tini x", "TINI_VERBOSITY=3 OOMINIT_LOG_LEVEL=error OOMINIT_LOG_OUTPUT=stdout", "x", func(c supervisor.Config) bool {
			return c.Report.Level == level("error") && c.Report.FD == 1
		}},
		{"/sbin/docker-init -- sh -c x", "", "sh -c x", func(c supervisor.Config) bool { return c.Report.FD == 2 }},
		{"catatonit -P", "", "", func(c supervisor.Config) bool { return c.Pause }},
		{"catatonit -g -- x -P", "", "x -P", func(c supervisor.Config) bool { return !c.Pause && c.SignalScope == supervisor.ScopeGroup }},
		{"/run/podman-init -- x", "", "x", func(c supervisor.Config) bool { return c.Report.FD == 2 }},
		{"dumb-init x -c", "", "x -c", func(c supervisor.Config) bool {
			return c.SignalScope == supervisor.ScopeGroup && c.Group == supervisor.GroupSession && c.Rewrite[unix.SIGTSTP] == unix.SIGSTOP
		}},
		{"dumb-init -c -- x", "", "x", func(c supervisor.Config) bool {
			return c.SignalScope == supervisor.ScopeChild && c.Group == supervisor.GroupInherit && len(c.Rewrite) == 0
		}},
		{"dumb-init x", "DUMB_INIT_SETSID=0 DUMB_INIT_DEBUG=1", "x", func(c supervisor.Config) bool {
			return c.Group == supervisor.GroupInherit && c.Report.Level == level("info")
		}},
		{"dumb-init --rewrite 15:3 -r2:0 --rewrite=TERM:QUIT x", "", "x", func(c supervisor.Config) bool {
			return c.Rewrite[15] == 3 && c.Rewrite[2] == supervisor.Drop && len(c.Rewrite) == 3
		}},
		{"dumb-init --single-child --verbose x", "", "x", func(c supervisor.Config) bool { return c.Group == supervisor.GroupInherit }},
	} {
		r, _, err := Parse(strings.Fields(test.line), strings.Fields(test.environment), version)
		if err != nil || !slices.Equal(r.Config.Command, strings.Fields(test.command)) || !test.is(r.Config) {
			t.Errorf("%s %s: %+v, %v", test.environment, test.line, r.Config, err)
		}
	}
}

func TestDropInFaults(t *testing.T) {
	for line, want := range map[string]string{
		"tini -x y":               `unknown option of tini "-x"`,
		"tini --versoin":          `did you mean "--version"?`, //nolint:misspell // what the suggestion is for
		"tini":                    "no command given; use: tini [OPTIONS] [--] COMMAND",
		"tini -e 300 x":           `-e: "300" is not allowed; use CODE`,
		"tini -p FOO x":           `-p: "FOO" is not allowed; use SIGNAL`,
		"tini -e":                 "-e: a value is missing; use CODE",
		"catatonit -P x":          "no command in pause mode",
		"dumb-init -r 99:1 x":     `-r: "99:1" is not allowed; use S:R`,
		"dumb-init -r 15 x":       `"15" is not allowed`,
		"dumb-init --verbose=1 x": "it takes no value",
		"dumb-init --verbos x":    `did you mean "--verbose"?`,
	} {
		_, _, err := Parse(strings.Fields(line), nil, version)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if _, _, err := Parse([]string{"tini", "x"}, []string{"OOMINIT_POLCY=stop"}, version); err == nil {
		t.Error("a misspelt variable is taken")
	}
	if _, _, err := Parse([]string{"tini", "x"}, []string{"TINI_VERBOSITY=loud"}, version); err == nil {
		t.Error("TINI_VERBOSITY=loud is taken")
	}
	if _, _, err := Parse(nil, nil, version); err == nil || !strings.Contains(err.Error(), "no command given") {
		t.Errorf("without even a name: %v", err)
	}
}

// docker and podman read "tini version X" of docker-init --version.
func TestDropInTexts(t *testing.T) {
	for line, want := range map[string]string{
		"docker-init --version": "tini version 0.19.0 (oominit " + version + ")", "dumb-init -V": "dumb-init v1.2.5 (oominit " + version + ")",
		"catatonit -V": "tini version 0.2.1_catatonit (oominit " + version + ")", "oominit --version": "oominit version " + version,
	} {
		r, texts, err := Parse(strings.Fields(line), nil, version)
		if err != nil || !r.Version || texts.Version != want {
			t.Errorf("%s: %q, %v", line, texts.Version, err)
		}
	}
	for _, line := range []string{"tini -h", "catatonit -h", "dumb-init --help"} {
		r, texts, err := Parse(strings.Fields(line), []string{"OOMINIT_X=1"}, version)
		if err != nil || !r.Help || !strings.Contains(texts.Help(), "Usage: "+strings.Fields(line)[0]) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if r, _, err := Parse([]string{"tini", "-l"}, nil, version); err != nil || !r.License {
		t.Errorf("-l: %v", err)
	}
}

func FuzzDropIn(f *testing.F) {
	f.Add("tini", "-gvve5", "--")
	f.Add("dumb-init", "--rewrite=1:2", "-r")
	f.Add("catatonit", "-P", "-\xff")
	f.Fuzz(func(t *testing.T, name, first, second string) {
		r, _, err := Parse([]string{name, first, second, "x"}, nil, version)
		if err == nil && !r.Help && !r.Version && !r.License && len(r.Config.Command) == 0 && !r.Config.Pause {
			t.Error("neither a command nor a fault")
		}
	})
}
