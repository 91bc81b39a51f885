// Package options turns arguments and environment into one configuration: those of oominit, and those of the inits that it can
// stand in for. One table is the source of the parser, of --help, of the README's table and of the suggestions.
package options

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/internal/suggest"
	"github.com/oominit/oominit/policy"
	"github.com/oominit/oominit/supervisor"
)

// Request is what argv and the environment ask for.
type Request struct {
	Config supervisor.Config
	// LogFile is where events go, if it is a file. It is opened when everything else is known to be right.
	LogFile string
	// Help, Version and License ask for a text and nothing else.
	Help, Version, License bool
}

// option is one row of the table from which come the parser, --help, the table of the README and the suggestions.
type option struct {
	// name is the variable without OOMINIT_; in lower case and with dashes it is the flag.
	name    string
	initial string
	// allowed says what a value may be, for people.
	allowed string
	meaning string
	// words are the values that can be suggested for a misspelt one.
	words []string
	// sample is a value that is allowed, where the default is none.
	sample string
	// boolean says that the flag alone means true.
	boolean bool
	// set takes a value over. Its error does not repeat the value.
	set func(r *Request, value string) error
}

func (o option) variable() string { return prefix + o.name }
func (o option) flag() string {
	return "--" + strings.ToLower(strings.ReplaceAll(o.name, "_", "-"))
}

const prefix = "OOMINIT_"

var errNotAllowed = errors.New("not allowed")

// options is the table.
var options = []option{
	{
		name: "POLICY", initial: "propagate", words: policy.Actions(), allowed: suggest.List(policy.Actions()),
		meaning: "what follows when a process is OOM-killed and the command goes on: `continue` only reports it; " +
			"`propagate` lets the command finish and turns its exit code 0 into OOMINIT_EXIT_CODE; `stop` sends " +
			"OOMINIT_STOP_SIGNAL, and SIGKILL after OOMINIT_GRACE_PERIOD; `kill` sends SIGKILL at once",
		set: func(r *Request, value string) (err error) {
			r.Config.Policy, err = policy.ParseAction(value)
			return err
		},
	},
	{
		name: "RULES", allowed: "`ACTION CONDITION…` separated by `;` or newlines, as in docs/rules.md", sample: "stop comm=java* count>=3 within=10m",
		meaning: "what follows depending on who was killed; the first rule that matches wins, and without one OOMINIT_POLICY does",
		set: func(r *Request, value string) (err error) {
			r.Config.Rules, err = policy.ParseRules(value, policy.Signals{
				Parse: func(name string) (int, error) {
					sig, err := parseSignal(name)
					return int(sig), err
				},
				Names: signalNames(),
			})
			return explained{err}.orNil()
		},
	},
	{
		name: "EXIT_CODE", initial: "137", allowed: "0 to 255",
		meaning: "the exit code after an OOM kill, where the policy replaces the command's own",
		set: func(r *Request, value string) error {
			code, err := strconv.ParseUint(value, 10, 8)
			r.Config.ExitCode = int(code)
			return err
		},
	},
	{
		name: "GRACE_PERIOD", initial: "10s", allowed: durations,
		meaning: "the time between the stop signal and SIGKILL when the policy stops the container",
		set:     func(r *Request, value string) error { return setDuration(&r.Config.GracePeriod, value) },
	},
	{
		name: "STOP_SIGNAL", initial: "SIGTERM", allowed: "a signal by name or number, such as SIGQUIT, QUIT or 3",
		words:   signalNames(),
		meaning: "the signal with which the policy `stop` asks the command to end, and OOMINIT_DRAIN the others",
		set: func(r *Request, value string) (err error) {
			r.Config.StopSignal, err = parseSignal(value)
			return err
		},
	},
	{
		name: "SIGNAL_SCOPE", initial: "child", words: supervisor.Scopes(), allowed: suggest.List(supervisor.Scopes()),
		meaning: "who gets the signals that oominit gets: the command, its process group, or every process in the container",
		set: func(r *Request, value string) error {
			i, err := indexOf(supervisor.Scopes(), value)
			r.Config.SignalScope = supervisor.Scope(i)
			return err
		},
	},
	{
		name: "SIGNAL_REWRITE", allowed: "pairs such as TERM=QUIT, by name or number; HUP= forwards nothing", sample: "TERM=QUIT 15:3 HUP=",
		meaning: "what is forwarded instead of a signal that oominit gets",
		set: func(r *Request, value string) (err error) {
			r.Config.Rewrite, err = parseRewrite(value)
			return err
		},
	},
	{
		name: "STOP_DELAY", initial: "0s", allowed: durations,
		meaning: "how long SIGTERM and OOMINIT_STOP_SIGNAL are held back before they are forwarded, for load balancers that " +
			"still send requests; a second one ends the delay",
		set: func(r *Request, value string) error { return setDuration(&r.Config.StopDelay, value) },
	},
	{
		name: "DRAIN", initial: "0s", allowed: durations,
		meaning: "when the command has ended: how long the processes that are left may take to end on OOMINIT_STOP_SIGNAL, before " +
			"they get SIGKILL; it is over as soon as nobody is left, and a stop signal from outside ends it; with 0s they are killed at once",
		set: func(r *Request, value string) error { return setDuration(&r.Config.Drain, value) },
	},
	{
		name: "EXIT_CODE_MAP", allowed: "pairs such as 143=0, from 0 to 255", sample: "143=0 3=1",
		meaning: "exit codes of the command, 128+n for signal n included, and what is taken for them",
		set: func(r *Request, value string) (err error) {
			r.Config.ExitCodes, err = parseExitCodes(value)
			return err
		},
	},
	{
		name: "PROCESS_GROUP", initial: "own", words: supervisor.Groups(), allowed: suggest.List(supervisor.Groups()),
		meaning: "the command becomes leader of a process group of its `own`, or of a new `session` with the terminal, or stays in " +
			"oominit's (`inherit`)",
		set: func(r *Request, value string) error {
			i, err := indexOf(supervisor.Groups(), value)
			r.Config.Group = supervisor.Group(i)
			return err
		},
	},
	{
		name: "PARENT_DEATH_SIGNAL", allowed: "a signal by name or number", sample: "SIGTERM", words: signalNames(),
		meaning: "the signal that oominit gets when its parent ends, where it is not PID 1",
		set: func(r *Request, value string) (err error) {
			r.Config.ParentDeathSignal = 0
			if value != "" {
				r.Config.ParentDeathSignal, err = parseSignal(value)
			}
			return err
		},
	},
	{
		name: "OOM_SCORE_ADJ", initial: "+0", allowed: "+0 to +1000", sample: "+100",
		meaning: "what is added to the command's oom_score_adj, so that the kernel prefers it and its children to oominit",
		set: func(r *Request, value string) error {
			digits, plus := strings.CutPrefix(value, "+")
			n, err := strconv.ParseUint(digits, 10, 16)
			if err != nil || !plus || n > 1000 {
				return errNotAllowed
			}
			r.Config.OOMScoreAdj = int(n)
			return nil
		},
	},
	{
		name: "PAUSE", initial: "false", words: []string{"true", "false"}, allowed: suggest.List([]string{"true", "false"}), boolean: true,
		meaning: "run no command: reap orphans until SIGTERM or SIGINT comes, and end with 0",
		set: func(r *Request, value string) error {
			i, err := indexOf([]string{"false", "true"}, value)
			r.Config.Pause = i == 1
			return err
		},
	},
	{
		name: "LOG_LEVEL", initial: "warn", words: report.Levels(), allowed: suggest.List(report.Levels()),
		meaning: "the least severe events that are written; with `warn`, a container without an OOM kill prints nothing",
		set: func(r *Request, value string) error {
			level, ok := report.ParseLevel(value)
			r.Config.Report.Level = level
			if !ok {
				return errNotAllowed
			}
			return nil
		},
	},
	{
		name: "LOG_FORMAT", initial: "json", words: []string{"json", "console"}, allowed: suggest.List([]string{"json", "console"}),
		meaning: "how events are written: `json` is one object a line, `console` is for people",
		set: func(r *Request, value string) error {
			i, err := indexOf([]string{"json", "console"}, value)
			r.Config.Report.Format = report.Format(i)
			return err
		},
	},
	{
		name: "LOG_OUTPUT", initial: "stdout", words: []string{"stdout", "stderr", "off"},
		allowed: "stdout, stderr, off, or a file by its absolute path",
		meaning: "where events go",
		set:     setLogOutput,
	},
	{
		name: "TERMINATION_LOG", initial: terminationLog, sample: "/run/termination-log", words: []string{"off"},
		allowed: "a file by its absolute path, or off",
		meaning: "where a container with OOM kills leaves its last words, at most 4096 bytes of them, after the command's own; the " +
			"default is Kubernetes' file, if it exists",
		set: func(r *Request, value string) error {
			r.Config.Report.TerminationLog, r.Config.Report.CreateTerminationLog = value, value != terminationLog
			if value == "off" {
				r.Config.Report.TerminationLog, r.Config.Report.CreateTerminationLog = "", false
				return nil
			}
			return absolute(value)
		},
	},
	{
		name: "METRICS_FILE", sample: "/run/metrics/oominit.prom", allowed: "a file by its absolute path",
		meaning: "where metrics go, in Prometheus' text format, replaced as a whole after each kill and every 10 s",
		set: func(r *Request, value string) error {
			r.Config.Report.MetricsFile = value
			return absolute(value)
		},
	},
	{
		name: "HOOK", sample: "/usr/local/bin/on-oom-kill", allowed: "a program by its absolute path",
		meaning: "what is run for each OOM kill, with the event on its standard input and facts as OOMINIT_EVENT_* in its " +
			"environment; one at a time, for at most 5 s",
		set: func(r *Request, value string) error {
			r.Config.Hook = value
			return absolute(value)
		},
	},
	{
		name: "RECORD_INTERVAL", initial: "0s", allowed: durations,
		meaning: "how often oominit wakes up to record memory use for the last minute before a kill; with 0s it is recorded when " +
			"oominit is awake anyway",
		set: func(r *Request, value string) error { return setDuration(&r.Config.RecordEvery, value) },
	},
	{
		name: "COMMAND_LINE", initial: "redacted", words: report.CommandLineModes(), allowed: suggest.List(report.CommandLineModes()),
		meaning: "how much of a victim's command line an event shows: `redacted` hides what looks like a secret, " +
			"`executable` shows the first word only",
		set: func(r *Request, value string) error {
			i, err := indexOf(report.CommandLineModes(), value)
			r.Config.Report.CommandLines = report.CommandLineMode(i)
			return err
		},
	},
}

// terminationLog is where the kubelet looks by default.
const terminationLog = "/dev/termination-log"

// absolute allows nothing, or an absolute path.
func absolute(path string) error {
	if path != "" && !strings.HasPrefix(path, "/") {
		return errNotAllowed
	}
	return nil
}

const durations = "a duration such as 10s or 1m30s, at most 24h"

func setDuration(to *time.Duration, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > 24*time.Hour {
		return errNotAllowed
	}
	*to = d
	return nil
}

func setLogOutput(r *Request, value string) error {
	r.LogFile = ""
	switch {
	case value == "stdout":
		r.Config.Report.FD = 1
	case value == "stderr":
		r.Config.Report.FD = 2
	case value == "off":
		r.Config.Report.FD = -1
	case strings.HasPrefix(value, "/"):
		r.LogFile = value
	default:
		return errNotAllowed
	}
	return nil
}

func indexOf(words []string, value string) (int, error) {
	for i, word := range words {
		if word == value {
			return i, nil
		}
	}
	return 0, errNotAllowed
}

// explained is an error that says by itself what is wrong with a value, in a line or several.
type explained struct{ error }

func (e explained) orNil() error {
	if e.error == nil {
		return nil
	}
	return e
}

// describe says which value was refused, what is allowed, and what was probably meant.
func (o option) describe(given, value string, err error) error {
	if e, ok := err.(explained); ok { //nolint:errorlint // our own, never wrapped
		return prefixed(given+": ", e.error)
	}
	text := fmt.Sprintf("%s: %q is not allowed; use %s", given, value, o.allowed)
	if near, ok := suggest.Nearest(value, o.words); ok {
		text += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return errors.New(text)
}

// prefixed puts the text before each of the joined errors.
func prefixed(text string, err error) error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return errors.New(text + err.Error())
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, prefixed(text, e))
	}
	return errors.Join(all...)
}
