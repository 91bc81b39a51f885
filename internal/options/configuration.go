package options

import (
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// ParseConfiguration is Parse for who wants to know what is configured and starts nothing: a command may be missing, and
// the arguments begin after the program's name. All faults are found at once, and each is one line of the joined error.
func ParseConfiguration(arguments, environment []string) (Request, error) {
	r, faults := defaults()
	faults = append(faults, r.setVariables(environment)...)
	command, flagFaults := r.parseFlags(arguments)
	faults = append(faults, flagFaults...)
	if len(command) > 0 {
		faults = append(faults, r.setCommand(command, ""))
	}
	return r, errors.Join(faults...)
}

// TakesNext reports whether the argument is a flag of oominit's whose value is the next argument.
func TakesNext(argument string) bool {
	i := slices.IndexFunc(options, func(o option) bool { return o.flag() == argument })
	return i >= 0 && !options[i].boolean
}

// Flags returns the names of all flags that have a variable.
func Flags() []string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.flag()
	}
	return names
}

// SignalName returns the name of a signal as parseSignal reads it: SIGTERM, or SIGRTMIN+3 for one that has none.
func SignalName(sig unix.Signal) string {
	switch name := unix.SignalName(sig); {
	case name != "":
		return name
	case sig >= firstRealTimeSignal:
		return "SIGRTMIN+" + strconv.Itoa(int(sig)-firstRealTimeSignal)
	}
	return strconv.Itoa(int(sig))
}
