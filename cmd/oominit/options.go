package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/internal/suggest"
	"github.com/oominit/oominit/policy"
	"github.com/oominit/oominit/supervisor"
)

// request is what argv and the environment ask for.
type request struct {
	config  supervisor.Config
	logFile string // where events go, if it is a file; it is opened when everything else is known to be right
	help    bool
	version bool
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
	// set takes a value over. Its error does not repeat the value.
	set func(r *request, value string) error
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
		name: "POLICY", initial: "propagate", words: policy.Actions(), allowed: list(policy.Actions()),
		meaning: "what follows when a process is OOM-killed and the command goes on: `continue` only reports it; " +
			"`propagate` lets the command finish and turns its exit code 0 into OOMINIT_EXIT_CODE; `stop` sends " +
			"OOMINIT_STOP_SIGNAL, and SIGKILL after OOMINIT_GRACE_PERIOD; `kill` sends SIGKILL at once",
		set: func(r *request, value string) (err error) {
			r.config.Policy, err = policy.ParseAction(value)
			return err
		},
	},
	{
		name: "EXIT_CODE", initial: "137", allowed: "0 to 255",
		meaning: "the exit code after an OOM kill, where the policy replaces the command's own",
		set: func(r *request, value string) error {
			code, err := strconv.ParseUint(value, 10, 8)
			r.config.ExitCode = int(code)
			return err
		},
	},
	{
		name: "GRACE_PERIOD", initial: "10s", allowed: "a duration such as 10s or 1m30s, at most 24h",
		meaning: "the time between the stop signal and SIGKILL when the policy stops the container",
		set: func(r *request, value string) (err error) {
			r.config.GracePeriod, err = time.ParseDuration(value)
			if err == nil && (r.config.GracePeriod < 0 || r.config.GracePeriod > 24*time.Hour) {
				return errNotAllowed
			}
			return err
		},
	},
	{
		name: "STOP_SIGNAL", initial: "SIGTERM", allowed: "a signal by name or number, such as SIGQUIT, QUIT or 3",
		words:   signalNames(),
		meaning: "the signal with which the policy `stop` asks the command to end",
		set: func(r *request, value string) (err error) {
			r.config.StopSignal, err = parseSignal(value)
			return err
		},
	},
	{
		name: "SIGNAL_SCOPE", initial: "child", words: supervisor.Scopes(), allowed: list(supervisor.Scopes()),
		meaning: "who gets the signals that oominit gets: the command, its process group, or every process in the container",
		set: func(r *request, value string) error {
			i, err := indexOf(supervisor.Scopes(), value)
			r.config.SignalScope = supervisor.Scope(i)
			return err
		},
	},
	{
		name: "LOG_LEVEL", initial: "warn", words: report.Levels(), allowed: list(report.Levels()),
		meaning: "the least severe events that are written; with `warn`, a container without an OOM kill prints nothing",
		set: func(r *request, value string) error {
			level, ok := report.ParseLevel(value)
			r.config.Report.Level = level
			if !ok {
				return errNotAllowed
			}
			return nil
		},
	},
	{
		name: "LOG_FORMAT", initial: "json", words: []string{"json", "console"}, allowed: list([]string{"json", "console"}),
		meaning: "how events are written: `json` is one object a line, `console` is for people",
		set: func(r *request, value string) error {
			i, err := indexOf([]string{"json", "console"}, value)
			r.config.Report.Format = report.Format(i)
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
		name: "COMMAND_LINE", initial: "redacted", words: report.CommandLineModes(), allowed: list(report.CommandLineModes()),
		meaning: "how much of a victim's command line an event shows: `redacted` hides what looks like a secret, " +
			"`executable` shows the first word only",
		set: func(r *request, value string) error {
			i, err := indexOf(report.CommandLineModes(), value)
			r.config.Report.CommandLines = report.CommandLineMode(i)
			return err
		},
	},
}

func setLogOutput(r *request, value string) error {
	r.logFile = ""
	switch {
	case value == "stdout":
		r.config.Report.FD = 1
	case value == "stderr":
		r.config.Report.FD = 2
	case value == "off":
		r.config.Report.FD = -1
	case strings.HasPrefix(value, "/"):
		r.logFile = value
	default:
		return errNotAllowed
	}
	return nil
}

// list joins words as people do: a, b or c.
func list(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func indexOf(words []string, value string) (int, error) {
	for i, word := range words {
		if word == value {
			return i, nil
		}
	}
	return 0, errNotAllowed
}

// The real-time signals that a program may catch: the C libraries keep the first ones (signal(7)).
const (
	firstRealTimeSignal = 34
	lastSignal          = 64
)

// parseSignal reads SIGTERM, TERM, 15 or RTMIN+3, whatever the case.
func parseSignal(value string) (unix.Signal, error) {
	if n, err := strconv.Atoi(value); err == nil {
		if n < 1 || n > lastSignal {
			return 0, errNotAllowed
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(value)
	name = "SIG" + strings.TrimPrefix(name, "SIG")
	if number := unix.SignalNum(name); number != 0 {
		return number, nil
	}
	offset, fromMin := strings.CutPrefix(name, "SIGRTMIN")
	base, sign := firstRealTimeSignal, "+"
	if !fromMin {
		var fromMax bool
		if offset, fromMax = strings.CutPrefix(name, "SIGRTMAX"); !fromMax {
			return 0, errNotAllowed
		}
		base, sign = lastSignal, "-"
	}
	n := 0
	if offset != "" {
		var err error
		if n, err = strconv.Atoi(offset); err != nil || !strings.HasPrefix(offset, sign) {
			return 0, errNotAllowed
		}
	}
	if base+n < firstRealTimeSignal || base+n > lastSignal {
		return 0, errNotAllowed
	}
	return unix.Signal(base + n), nil
}

func signalNames() (names []string) {
	for n := unix.Signal(1); n < 32; n++ {
		if name := unix.SignalName(n); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// describe says which value was refused, what is allowed, and what was probably meant.
func (o option) describe(given, value string) error {
	text := fmt.Sprintf("%s: %q is not allowed; use %s", given, value, o.allowed)
	if near, ok := suggest.Nearest(value, o.words); ok {
		text += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return errors.New(text)
}
