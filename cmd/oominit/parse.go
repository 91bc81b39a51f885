package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/internal/suggest"
)

// parse turns arguments and environment into a request. Flags win over variables. All faults are found at once, each is
// one line of the joined error, and with any of them nothing is started.
func parse(arguments, environment []string) (request, error) {
	var r request
	var faults []error
	for _, o := range options {
		if err := o.set(&r, o.initial); err != nil {
			faults = append(faults, fmt.Errorf("%s: the default %q: %w", o.variable(), o.initial, err))
		}
	}
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || serviceVariable(name) {
			continue
		}
		faults = append(faults, r.setVariable(name, value))
	}
	command, flagFaults := r.parseFlags(arguments)
	faults = append(faults, flagFaults...)
	if len(command) == 0 {
		faults = append(faults, errors.New("no command given; use: oominit [FLAGS] [--] COMMAND [ARGUMENTS], "+
			"or set CMD in the image"))
	}
	if r.help || r.version {
		return r, errors.Join(flagFaults...) // help is for those whose variables are wrong
	}
	r.config.Command = command
	if r.config.Report.FD < 0 && r.logFile == "" {
		r.config.Report.Level, _ = report.ParseLevel("off") // a name of its own table
	}
	return r, errors.Join(faults...)
}

// serviceVariable reports whether the name is one of those that Kubernetes puts into every container of a namespace with
// a Service whose name begins with oominit (OOMINIT_SERVICE_HOST, OOMINIT_PORT_80_TCP_ADDR and so on): nobody wrote it.
func serviceVariable(name string) bool {
	name = strings.TrimPrefix(name, strings.TrimSuffix(prefix, "_"))
	if strings.HasSuffix(name, "_SERVICE_HOST") || strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_SERVICE_PORT_") {
		return true
	}
	_, port, found := strings.Cut(name, "_PORT_")
	return found && port != "" && port[0] >= '0' && port[0] <= '9'
}

func (r *request) setVariable(name, value string) error {
	i := slices.IndexFunc(options, func(o option) bool { return o.variable() == name })
	if i < 0 {
		names := make([]string, len(options))
		for i, o := range options {
			names[i] = o.variable()
		}
		return unknown("variable", name, names)
	}
	if options[i].set(r, value) != nil {
		return options[i].describe(name, value)
	}
	return nil
}

// parseFlags takes the flags off the arguments, up to the first that is none, and returns the rest: the command.
func (r *request) parseFlags(arguments []string) (command []string, faults []error) {
	for len(arguments) > 0 {
		argument := arguments[0]
		if argument == "--" {
			return arguments[1:], faults
		}
		if !strings.HasPrefix(argument, "-") || argument == "-" {
			return arguments, faults
		}
		arguments = arguments[1:]
		switch argument {
		case "-h", "--help":
			r.help = true
			continue
		case "--version":
			r.version = true
			continue
		}
		flag, value, hasValue := strings.Cut(argument, "=")
		i := slices.IndexFunc(options, func(o option) bool { return o.flag() == flag })
		if hasValue && (flag == "--help" || flag == "--version") {
			faults = append(faults, fmt.Errorf("%s: it takes no value, and %q was given", flag, value))
			continue
		}
		if i < 0 {
			names := []string{"--help", "--version"}
			for _, o := range options {
				names = append(names, o.flag())
			}
			faults = append(faults, unknown("flag", flag, names))
			continue
		}
		if !hasValue {
			if len(arguments) == 0 {
				faults = append(faults, fmt.Errorf("%s: a value is missing; use %s", flag, options[i].allowed))
				continue
			}
			value, arguments = arguments[0], arguments[1:]
		}
		if options[i].set(r, value) != nil {
			faults = append(faults, options[i].describe(flag, value))
		}
	}
	return nil, faults
}

func unknown(kind, name string, known []string) error {
	text := fmt.Sprintf("unknown %s %q", kind, name)
	if near, ok := suggest.Nearest(name, known); ok {
		return fmt.Errorf("%s; did you mean %q?", text, near)
	}
	return fmt.Errorf("%s; known: %s", text, strings.Join(known, ", "))
}
