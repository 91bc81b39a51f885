package options

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/supervisor"
)

// dropIn is another init whose command lines are understood, by the name that this program is called by.
type dropIn struct {
	names   []string
	version string // what scripts read from its --version
	options []dropInOption
	// begin sets what that program does without any option; variables looks one of its own variables up.
	begin func(r *Request, variable func(name string) (string, bool)) error
}

// dropInOption is one of its options. A short one is a letter, a long one a word.
type dropInOption struct {
	short   byte
	long    string
	value   string // what it is followed by; empty if nothing
	meaning string
	set     func(r *Request, value string) error
}

// dropIns are the inits. Their options are those of tini 0.19, catatonit 0.2 and dumb-init 1.2.
var dropIns = []dropIn{
	{
		names: []string{"tini", "tini-static", "docker-init"}, version: "tini version 0.19.0",
		options: []dropInOption{
			{short: 's', meaning: "become a subreaper, which oominit always does where it is not PID 1", set: func(*Request, string) error { return nil }},
			{short: 'p', value: "SIGNAL", meaning: "the signal that it gets when its parent ends", set: func(r *Request, value string) (err error) {
				r.Config.ParentDeathSignal, err = parseSignal(value)
				return err
			}},
			{short: 'v', meaning: "more events: once for info, twice for debug", set: func(r *Request, _ string) error { return r.verbose() }},
			{short: 'w', meaning: "an event for each orphan that was reaped", set: func(r *Request, _ string) error {
				r.Config.WarnReaped = true
				return nil
			}},
			{short: 'g', meaning: "signals go to the command's process group", set: toGroup},
			{short: 'e', value: "CODE", meaning: "an exit code that is taken for 0; may be given several times", set: func(r *Request, value string) error {
				code, err := strconv.ParseUint(value, 10, 8)
				if r.Config.ExitCodes == nil {
					r.Config.ExitCodes = map[int]int{}
				}
				r.Config.ExitCodes[int(code)] = 0
				return err
			}},
			helpOption('h', ""), licenseOption('l'), versionOption(0),
		},
		begin: func(r *Request, variable func(string) (string, bool)) error {
			if _, set := variable("TINI_KILL_PROCESS_GROUP"); set {
				r.Config.SignalScope = supervisor.ScopeGroup
			}
			value, set := variable("TINI_VERBOSITY")
			if !set {
				return nil
			}
			levels := []string{"error", "warn", "info", "debug"}
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return fmt.Errorf("TINI_VERBOSITY: %q is not allowed; use 0 to 3", value)
			}
			r.Config.Report.Level, _ = report.ParseLevel(levels[min(n, len(levels)-1)]) // a name of its own table
			return nil
		},
	},
	{
		names: []string{"catatonit", "podman-init"}, version: "tini version 0.2.1_catatonit",
		options: []dropInOption{
			{short: 'P', meaning: "no command: reap orphans until SIGTERM or SIGINT comes", set: func(r *Request, _ string) error {
				r.Config.Pause = true
				return nil
			}},
			{short: 'g', meaning: "signals go to the command's process group", set: toGroup},
			helpOption('h', ""), licenseOption('L'), versionOption('V'),
		},
		begin: func(*Request, func(string) (string, bool)) error { return nil },
	},
	{
		names: []string{"dumb-init"}, version: "dumb-init v1.2.5",
		options: []dropInOption{
			{short: 'c', long: "single-child", meaning: "signals go to the command alone, and it gets no session of its own", set: func(r *Request, _ string) error {
				r.singleChild()
				return nil
			}},
			{short: 'r', long: "rewrite", value: "S:R", meaning: "signal R is forwarded instead of S; 0 for none; may be given several times", set: func(r *Request, value string) error {
				rewrite, err := parseRewrite(value)
				for from, to := range rewrite {
					r.Config.Rewrite[from] = to
				}
				return err
			}},
			{short: 'v', long: "verbose", meaning: "more events: once for info, twice for debug", set: func(r *Request, _ string) error { return r.verbose() }},
			helpOption('h', "help"), versionOption('V'),
		},
		begin: func(r *Request, variable func(string) (string, bool)) error {
			r.Config.SignalScope, r.Config.Group = supervisor.ScopeGroup, supervisor.GroupSession
			// A session without a shell has nobody who could continue what SIGTSTP stops, but SIGSTOP stops for sure.
			r.Config.Rewrite = map[unix.Signal]unix.Signal{unix.SIGTSTP: unix.SIGSTOP}
			if value, _ := variable("DUMB_INIT_SETSID"); value == "0" {
				r.singleChild()
			}
			if value, _ := variable("DUMB_INIT_DEBUG"); value == "1" {
				return r.verbose()
			}
			return nil
		},
	},
}

func toGroup(r *Request, _ string) error {
	r.Config.SignalScope = supervisor.ScopeGroup
	return nil
}

func helpOption(short byte, long string) dropInOption {
	return dropInOption{short: short, long: long, meaning: "print this text", set: func(r *Request, _ string) error {
		r.Help = true
		return nil
	}}
}

func versionOption(short byte) dropInOption {
	return dropInOption{short: short, long: "version", meaning: "print the version", set: func(r *Request, _ string) error {
		r.Version = true
		return nil
	}}
}

func licenseOption(short byte) dropInOption {
	return dropInOption{short: short, meaning: "print the license", set: func(r *Request, _ string) error {
		r.License = true
		return nil
	}}
}

// singleChild is dumb-init without a session.
func (r *Request) singleChild() {
	r.Config.SignalScope, r.Config.Group = supervisor.ScopeChild, supervisor.GroupInherit
	delete(r.Config.Rewrite, unix.SIGTSTP)
}

// verbose has one more kind of events written.
func (r *Request) verbose() error {
	info, _ := report.ParseLevel("info") // names of its own table
	debug, _ := report.ParseLevel("debug")
	if r.Config.Report.Level > info {
		r.Config.Report.Level = info
	} else {
		r.Config.Report.Level = debug
	}
	return nil
}

// calledAs returns the init that this program is called as, or nil.
func calledAs(argv0 string) *dropIn {
	name := path.Base(argv0)
	for i := range dropIns {
		if slices.Contains(dropIns[i].names, name) {
			return &dropIns[i]
		}
	}
	return nil
}

// parseOptions takes the init's options off the arguments, as getopt(3) reads them, up to the first word that is none. It
// returns the rest: the command.
func (d *dropIn) parseOptions(r *Request, arguments []string) (command []string, faults []error) {
	for len(arguments) > 0 {
		argument := arguments[0]
		if argument == "--" {
			return arguments[1:], faults
		}
		if !strings.HasPrefix(argument, "-") || argument == "-" {
			return arguments, faults
		}
		arguments = arguments[1:]
		if long, isLong := strings.CutPrefix(argument, "--"); isLong {
			name, value, hasValue := strings.Cut(long, "=")
			o := d.option(func(o dropInOption) bool { return o.long == name })
			var fault error
			arguments, fault = d.take(r, o, "--"+name, value, hasValue, arguments)
			faults = append(faults, fault)
			continue
		}
		for letters := argument[1:]; letters != ""; {
			letter := letters[0]
			letters = letters[1:]
			o := d.option(func(o dropInOption) bool { return o.short == letter })
			value, hasValue := "", false
			if o != nil && o.value != "" && letters != "" { // it is the rest of the word
				value, hasValue, letters = letters, true, ""
			}
			var fault error
			arguments, fault = d.take(r, o, "-"+string(letter), value, hasValue, arguments)
			faults = append(faults, fault)
		}
	}
	return nil, faults
}

func (d *dropIn) option(is func(dropInOption) bool) *dropInOption {
	i := slices.IndexFunc(d.options, is)
	if i < 0 {
		return nil
	}
	return &d.options[i]
}

// take sets one option, whose value may be the next of the arguments.
func (d *dropIn) take(r *Request, o *dropInOption, given, value string, hasValue bool, arguments []string) (rest []string, fault error) {
	switch {
	case o == nil:
		var known []string
		for _, o := range d.options {
			known = append(known, o.names()...)
		}
		return arguments, unknown("option of "+d.names[0], given, known)
	case o.value == "" && hasValue:
		return arguments, fmt.Errorf("%s: it takes no value, and %q was given", given, value)
	case o.value != "" && !hasValue:
		if len(arguments) == 0 {
			return nil, fmt.Errorf("%s: a value is missing; use %s", given, o.value)
		}
		value, arguments = arguments[0], arguments[1:]
	}
	if o.set(r, value) != nil {
		return arguments, fmt.Errorf("%s: %q is not allowed; use %s", given, value, o.value)
	}
	return arguments, nil
}

func (o dropInOption) names() (names []string) {
	if o.short != 0 {
		names = append(names, "-"+string(o.short))
	}
	if o.long != "" {
		names = append(names, "--"+o.long)
	}
	return names
}

// help is the text of -h.
func (d *dropIn) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, by oominit, which is called as %s here.\n\nUsage: %s [OPTIONS] [--] COMMAND [ARGUMENTS]\n\n", d.version, d.names[0], d.names[0])
	for _, o := range d.options {
		fmt.Fprintf(&b, "  %s %s\n", strings.Join(o.names(), ", "), o.value)
		for _, line := range wrap(o.meaning, 70) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	b.WriteString("\nThe variables OOMINIT_* count too: see oominit --help. Events go to stderr here.\n")
	return b.String()
}

// parseAs is parse for a command line of another init. Its own variables come first, then ours, then the options.
func (d *dropIn) parseAs(arguments, environment []string) (Request, error) {
	r, faults := defaults()
	r.Config.Report.FD = 2
	faults = append(faults, d.begin(&r, func(name string) (string, bool) {
		for _, entry := range environment {
			if value, found := strings.CutPrefix(entry, name+"="); found {
				return value, true
			}
		}
		return "", false
	}))
	faults = append(faults, r.setVariables(environment)...)
	if r.Config.Rewrite == nil { // -r adds to it
		r.Config.Rewrite = map[unix.Signal]unix.Signal{}
	}
	command, optionFaults := d.parseOptions(&r, arguments)
	if r.Help || r.Version || r.License {
		return r, errors.Join(optionFaults...)
	}
	faults = append(faults, optionFaults...)
	faults = append(faults, r.setCommand(command, d.names[0]+" [OPTIONS]"))
	return r, errors.Join(faults...)
}
