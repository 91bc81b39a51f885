package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/policy"
	"github.com/oominit/oominit/supervisor"
)

func TestParseDefaults(t *testing.T) {
	r, err := parse([]string{"true"}, []string{"PATH=/bin", "HOME=/"})
	if err != nil {
		t.Fatal(err)
	}
	c := r.config
	if c.Policy != policy.Propagate || c.ExitCode != 137 || c.GracePeriod != 10*time.Second || c.StopSignal != unix.SIGTERM ||
		c.SignalScope != supervisor.ScopeChild || c.Report.FD != 1 || r.logFile != "" {
		t.Errorf("defaults: %+v", r)
	}
}

func TestParseCommand(t *testing.T) {
	for _, test := range []struct {
		arguments, command []string
	}{
		{[]string{"true"}, []string{"true"}},
		{[]string{"--", "true"}, []string{"true"}},
		{[]string{"--", "--version"}, []string{"--version"}},
		// Options end at the first word that is none: tini's getopt takes -E here (krallin/tini, `tini grep -E x`).
		{[]string{"grep", "-E", "x"}, []string{"grep", "-E", "x"}},
		{[]string{"--policy", "stop", "grep", "--policy"}, []string{"grep", "--policy"}},
		{[]string{"--policy=stop", "--", "--", "x"}, []string{"--", "x"}},
		{[]string{"-"}, []string{"-"}},
	} {
		r, err := parse(test.arguments, nil)
		if err != nil || !slices.Equal(r.config.Command, test.command) {
			t.Errorf("%q: command %q, error %v; want %q", test.arguments, r.config.Command, err, test.command)
		}
	}
}

func TestFlagsWinOverVariables(t *testing.T) {
	r, err := parse([]string{"--policy=kill", "true"}, []string{"OOMINIT_POLICY=stop", "OOMINIT_EXIT_CODE=1"})
	if err != nil || r.config.Policy != policy.Kill || r.config.ExitCode != 1 {
		t.Errorf("policy %v, exit code %d, error %v", r.config.Policy, r.config.ExitCode, err)
	}
}

// Each fault is one line that names what was given, what is allowed and what was probably meant; all come at once.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		arguments, environment []string
		want                   []string // one for each line, each a part of it
	}{
		{nil, nil, []string{"no command given"}},
		{[]string{"--polcy=stop", "true"}, nil, []string{`unknown flag "--polcy"; did you mean "--policy"?`}},
		{[]string{"--zzz", "true"}, nil, []string{`unknown flag "--zzz"; known: --help`}},
		{[]string{"true"}, []string{"OOMINIT_POLCY=stop"}, []string{`unknown variable "OOMINIT_POLCY"; did you mean "OOMINIT_POLICY"?`}},
		{[]string{"true"}, []string{"OOMINIT_POLICY=stp"}, []string{`OOMINIT_POLICY: "stp" is not allowed; use continue, propagate, stop or kill (did you mean "stop"?)`}},
		{[]string{"true"}, []string{"OOMINIT_EXIT_CODE=256"}, []string{`"256" is not allowed; use 0 to 255`}},
		{[]string{"true"}, []string{"OOMINIT_EXIT_CODE=-1"}, []string{`"-1"`}},
		{[]string{"true"}, []string{"OOMINIT_GRACE_PERIOD=10"}, []string{`"10" is not allowed; use a duration`}},
		{[]string{"true"}, []string{"OOMINIT_GRACE_PERIOD=-1s"}, []string{`"-1s"`}},
		{[]string{"true"}, []string{"OOMINIT_STOP_SIGNAL=SIGTREM"}, []string{`did you mean "SIGTERM"?`}},
		{[]string{"true"}, []string{"OOMINIT_LOG_OUTPUT=stdot"}, []string{`did you mean "stdout"?`}},
		{[]string{"true"}, []string{"OOMINIT_LOG_LEVEL="}, []string{`OOMINIT_LOG_LEVEL: "" is not allowed`}},
		{[]string{"--policy"}, nil, []string{"--policy: a value is missing", "no command given"}},
		{
			[]string{"--signal-scope=al"}, []string{"OOMINIT_FOO=1", "OOMINIT_LOG_FORMAT=xml"},
			[]string{`"OOMINIT_FOO"`, `"xml"`, `"al"`, "no command given"},
		},
		{[]string{"true"}, []string{"OOMINIT_POLICY=a\nb\x1b[0m"}, []string{`"a\nb\x1b[0m"`}},
	} {
		_, err := parse(test.arguments, test.environment)
		if err == nil {
			t.Errorf("%q %q: no error", test.arguments, test.environment)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(test.want) {
			t.Errorf("%q %q: %d lines, want %d: %v", test.arguments, test.environment, len(lines), len(test.want), err)
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%q %q: line %q does not contain %q", test.arguments, test.environment, lines[i], want)
			}
		}
	}
}

func TestParseSignal(t *testing.T) {
	for value, want := range map[string]unix.Signal{
		"SIGTERM": 15, "TERM": 15, "term": 15, "15": 15, "SIGRTMIN": 34, "RTMIN+3": 37, "RTMAX": 64, "SIGRTMAX-1": 63,
	} {
		if got, err := parseSignal(value); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", value, got, err, want)
		}
	}
	for _, value := range []string{"", "0", "65", "-1", "SIG", "SIGFOO", "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMIN+", "15x"} {
		if got, err := parseSignal(value); err == nil {
			t.Errorf("%q: %d, want an error", value, got)
		}
	}
}

// Every word that can be suggested must be one that is allowed, and every row must be able to refuse.
func TestOptionsTable(t *testing.T) {
	for _, o := range options {
		var r request
		for _, word := range append([]string{o.initial}, o.words...) {
			if err := o.set(&r, word); err != nil {
				t.Errorf("%s refuses its own word %q: %v", o.name, word, err)
			}
		}
		if o.set(&r, "\x00nonsense") == nil {
			t.Errorf("%s takes everything", o.name)
		}
		if !strings.Contains(help(), o.variable()) || !strings.Contains(help(), o.flag()) {
			t.Errorf("--help lacks %s", o.name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("--policy=stop", "OOMINIT_POLICY=kill")
	f.Add("--", "OOMINIT_")
	f.Add("--grace-period", "OOMINIT_GRACE_PERIOD=99999999999h")
	f.Add("--stop-signal=RTMIN+99999999999999999999", "=")
	f.Fuzz(func(t *testing.T, argument, variable string) {
		r, err := parse([]string{argument, "true"}, []string{variable})
		if err == nil && !r.help && !r.version && len(r.config.Command) == 0 {
			t.Error("neither a command nor a fault")
		}
		if err == nil && (r.config.ExitCode < 0 || r.config.ExitCode > 255 || r.config.GracePeriod < 0) {
			t.Errorf("out of range: %+v", r.config)
		}
		if err != nil {
			for _, c := range err.Error() {
				if c != '\n' && c < ' ' {
					t.Errorf("a control character in %q", err)
				}
			}
		}
	})
}

// Kubernetes puts variables for each Service of the namespace into every container: a Service that is called oominit must
// not keep the container from starting.
func TestServiceVariables(t *testing.T) {
	for _, name := range []string{
		"OOMINIT_SERVICE_HOST", "OOMINIT_SERVICE_PORT", "OOMINIT_SERVICE_PORT_HTTP", "OOMINIT_PORT", "OOMINIT_PORT_80_TCP",
		"OOMINIT_PORT_80_TCP_ADDR", "OOMINIT_WEB_SERVICE_HOST", "OOMINIT_WEB_PORT_9_UDP_PROTO",
	} {
		if _, err := parse([]string{"true"}, []string{name + "=tcp://10.0.0.1:80"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"OOMINIT_PORTS", "OOMINIT_PORT_", "OOMINIT_PORT_X", "OOMINIT_SERVICE", "OOMINIT_EXPORT", "OOMINIT_"} {
		if _, err := parse([]string{"true"}, []string{name + "=1"}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Help is for those whose variables are wrong.
func TestHelpInSpiteOfFaults(t *testing.T) {
	if r, err := parse([]string{"--help"}, []string{"OOMINIT_POLICY=stp", "OOMINIT_X=1"}); err != nil || !r.help {
		t.Errorf("help %v, %v", r.help, err)
	}
	if r, err := parse([]string{"--version"}, []string{"OOMINIT_POLICY=stp"}); err != nil || !r.version {
		t.Errorf("version %v, %v", r.version, err)
	}
	if _, err := parse([]string{"--help=x"}, nil); err == nil || !strings.Contains(err.Error(), `--help: it takes no value, and "x" was given`) {
		t.Errorf("--help=x: %v", err)
	}
}
