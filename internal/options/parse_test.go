package options

import (
	"cmp"
	"maps"
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
	c := r.Config
	if c.Policy != policy.Propagate || c.ExitCode != 137 || c.GracePeriod != 10*time.Second || c.StopSignal != unix.SIGTERM ||
		c.SignalScope != supervisor.ScopeChild || c.Report.FD != 1 || r.LogFile != "" {
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
		if err != nil || !slices.Equal(r.Config.Command, test.command) {
			t.Errorf("%q: command %q, error %v; want %q", test.arguments, r.Config.Command, err, test.command)
		}
	}
}

func TestFlagsWinOverVariables(t *testing.T) {
	r, err := parse([]string{"--policy=kill", "true"}, []string{"OOMINIT_POLICY=stop", "OOMINIT_EXIT_CODE=1"})
	if err != nil || r.Config.Policy != policy.Kill || r.Config.ExitCode != 1 {
		t.Errorf("policy %v, exit code %d, error %v", r.Config.Policy, r.Config.ExitCode, err)
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
		{
			[]string{"--rules=stop com=x; kil role=leaf", "true"}, nil,
			[]string{`--rules: rule 1, column 6: "com" is not allowed`, `--rules: rule 2, column 13: "kil" is not allowed`},
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
		var r Request
		for _, word := range append([]string{o.initial, cmp.Or(o.sample, o.initial)}, o.words...) {
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

func TestParsePairs(t *testing.T) {
	rewrite, err := parseRewrite(" TERM=QUIT,15:SIGINT\tHUP= 1:0 RTMIN+1=10 ")
	want := map[unix.Signal]unix.Signal{15: 2, 1: supervisor.Drop, 35: 10}
	if err != nil || !maps.Equal(rewrite, want) {
		t.Errorf("%v, %v", rewrite, err)
	}
	codes, err := parseExitCodes("143=0, 3:255")
	if err != nil || !maps.Equal(codes, map[int]int{143: 0, 3: 255}) {
		t.Errorf("%v, %v", codes, err)
	}
	for _, text := range []string{"TERM", "=TERM", "FOO=TERM", "TERM=FOO", "TERM=65", "TERM=-1"} {
		if got, err := parseRewrite(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	for _, text := range []string{"1", "1=", "=1", "256=0", "0=256", "-1=0", "1=0=2"} {
		if got, err := parseExitCodes(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestPause(t *testing.T) {
	for _, arguments := range [][]string{{"--pause"}, {"--pause=true"}, {"--pause", "--policy=stop"}} {
		if r, err := parse(arguments, nil); err != nil || !r.Config.Pause {
			t.Errorf("%q: %+v, %v", arguments, r.Config, err)
		}
	}
	if _, err := parse([]string{"--pause", "true"}, nil); err == nil || !strings.Contains(err.Error(), `"true" was given`) {
		t.Errorf("with a command: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("--policy=stop", "OOMINIT_POLICY=kill")
	f.Add("--", "OOMINIT_")
	f.Add("--grace-period", "OOMINIT_GRACE_PERIOD=99999999999h")
	f.Add("--stop-signal=RTMIN+99999999999999999999", "=")
	f.Fuzz(func(t *testing.T, argument, variable string) {
		r, err := parse([]string{argument, "true"}, []string{variable})
		if err == nil && !r.Help && !r.Version && len(r.Config.Command) == 0 && !r.Config.Pause {
			t.Error("neither a command nor a fault")
		}
		if err == nil && (r.Config.ExitCode < 0 || r.Config.ExitCode > 255 || r.Config.GracePeriod < 0) {
			t.Errorf("out of range: %+v", r.Config)
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
	if r, err := parse([]string{"--help"}, []string{"OOMINIT_POLICY=stp", "OOMINIT_X=1"}); err != nil || !r.Help {
		t.Errorf("help %v, %v", r.Help, err)
	}
	if r, err := parse([]string{"--version"}, []string{"OOMINIT_POLICY=stp"}); err != nil || !r.Version {
		t.Errorf("version %v, %v", r.Version, err)
	}
	if _, err := parse([]string{"--help=x"}, nil); err == nil || !strings.Contains(err.Error(), `--help: it takes no value, and "x" was given`) {
		t.Errorf("--help=x: %v", err)
	}
}
