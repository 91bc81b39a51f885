package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/internal/suggest"
)

// Texts are what is printed on request.
type Texts struct {
	Help    func() string
	Version string
}

// Parse reads the arguments, the program's own name first, as those of the init that it is called as. All faults are found at
// once, and each is one line of the joined error. The version is that of this program.
func Parse(arguments, environment []string, version string) (Request, Texts, error) {
	if len(arguments) == 0 { // execve(2) allows it
		arguments = []string{"oominit"}
	}
	if d := calledAs(arguments[0]); d != nil {
		r, err := d.parseAs(arguments[1:], environment)
		return r, Texts{d.help, fmt.Sprintf("%s (oominit %s)", d.version, version)}, err
	}
	r, err := parse(arguments[1:], environment)
	return r, Texts{help, "oominit version " + version}, err
}

// parse turns arguments and environment into a Request. Flags win over variables. All faults are found at once, each is
// one line of the joined error, and with any of them nothing is started.
func parse(arguments, environment []string) (Request, error) {
	r, faults := defaults()
	faults = append(faults, r.setVariables(environment)...)
	command, flagFaults := r.parseFlags(arguments)
	if r.Help || r.Version {
		return r, errors.Join(flagFaults...) // help is for those whose variables are wrong
	}
	faults = append(faults, flagFaults...)
	faults = append(faults, r.setCommand(command, "oominit [FLAGS]"))
	return r, errors.Join(faults...)
}

// defaults returns what is asked for by saying nothing.
func defaults() (r Request, faults []error) {
	for _, o := range options {
		if err := o.set(&r, o.initial); err != nil {
			faults = append(faults, fmt.Errorf("%s: the default %q: %w", o.variable(), o.initial, err))
		}
	}
	return r, faults
}

// setVariables takes our variables over.
func (r *Request) setVariables(environment []string) (faults []error) {
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) && !serviceVariable(name) {
			faults = append(faults, r.setVariable(name, value))
		}
	}
	return faults
}

// setCommand takes the command over, and what can only be said once all is known.
func (r *Request) setCommand(command []string, usage string) error {
	r.Config.Command = command
	if r.Config.Report.FD < 0 && r.LogFile == "" {
		r.Config.Report.Level, _ = report.ParseLevel("off") // a name of its own table
	}
	switch {
	case r.Config.Pause && len(command) > 0:
		return fmt.Errorf("there is no command in pause mode, and %q was given", command[0])
	case len(command) == 0 && !r.Config.Pause:
		return fmt.Errorf("no command given; use: %s [--] COMMAND [ARGUMENTS], or set CMD in the image", usage)
	}
	return nil
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

func (r *Request) setVariable(name, value string) error {
	i := slices.IndexFunc(options, func(o option) bool { return o.variable() == name })
	if i < 0 {
		names := make([]string, len(options))
		for i, o := range options {
			names[i] = o.variable()
		}
		return unknown("variable", name, names)
	}
	if err := options[i].set(r, value); err != nil {
		return options[i].describe(name, value, err)
	}
	return nil
}

// parseFlags takes the flags off the arguments, up to the first that is none, and returns the rest: the command.
func (r *Request) parseFlags(arguments []string) (command []string, faults []error) {
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
			r.Help = true
			continue
		case "--version":
			r.Version = true
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
		switch {
		case hasValue:
		case options[i].boolean:
			value = "true"
		default:
			if len(arguments) == 0 {
				faults = append(faults, fmt.Errorf("%s: a value is missing; use %s", flag, options[i].allowed))
				continue
			}
			value, arguments = arguments[0], arguments[1:]
		}
		if err := options[i].set(r, value); err != nil {
			faults = append(faults, options[i].describe(flag, value, err))
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
