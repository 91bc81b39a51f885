package policy

// Exit codes of our own, as shells, Docker and chroot(1) use them.
const (
	// ExitFailure says that oominit itself could not start: bad configuration, or no process to be had.
	ExitFailure = 125
	// ExitNotExecutable says that the command was found but cannot be executed.
	ExitNotExecutable = 126
	// ExitNotFound says that the command was not found.
	ExitNotFound = 127
	// signalBase is added to the number of the signal that ended a process.
	signalBase = 128
)

// Status is how the main child ended.
type Status struct {
	// Signal is the number of the signal that ended it, or 0.
	Signal int
	// Code is what it passed to exit(2), if Signal is 0.
	Code int
}

// ExitCode returns the code that stands for the status alone: the child's own, or 128+n for signal n.
func (s Status) ExitCode() int {
	if s.Signal != 0 {
		return signalBase + s.Signal
	}
	return s.Code
}

// Reason says where an exit code comes from.
type Reason string

// The reasons.
const (
	// ReasonMainExited says that the code is what the main child passed to exit(2).
	ReasonMainExited Reason = "main_exited"
	// ReasonMainSignaled says that a signal ended the main child, and the code is 128+n.
	ReasonMainSignaled Reason = "main_signaled"
	// ReasonMapped says that the configuration has the code in place of the main child's own.
	ReasonMapped Reason = "mapped"
	// ReasonPolicy says that the policy put its code in place of the main child's own.
	ReasonPolicy Reason = "policy"
)

// ExitCode returns the exit code of the container: the main child's own, or what codes has for it, unless the harshest action
// that was decided replaces that by replacement. Propagate replaces a 0 and nothing else, since any other code already tells
// of a failure; Stop and Kill replace every code, since the end was the policy's doing.
func ExitCode(main Status, codes map[int]int, harshest Action, replacement int) (int, Reason) {
	own := main.ExitCode()
	code, mapped := codes[own]
	if !mapped {
		code = own
	}
	switch harshest {
	case Stop, Kill:
		return replacement, ReasonPolicy
	case Propagate:
		if code == 0 {
			return replacement, ReasonPolicy
		}
	case Continue:
	}
	switch {
	case mapped:
		return code, ReasonMapped
	case main.Signal != 0:
		return code, ReasonMainSignaled
	default:
		return code, ReasonMainExited
	}
}
