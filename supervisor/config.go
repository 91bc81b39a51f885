package supervisor

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/policy"
)

// Config is what a Supervisor is told. Every field is set: the defaults belong to the table of options in cmd/oominit.
type Config struct {
	// Command is the main child's program and its arguments.
	Command []string
	// Policy is what follows from an OOM kill for which there is no rule.
	Policy policy.Action
	// Rules say what follows from the kills that they match.
	Rules policy.Rules
	// ExitCode replaces a 0 after an OOM kill, and any code when the policy ended the container.
	ExitCode int
	// GracePeriod is the time between the stop signal and SIGKILL when the policy stops the container.
	GracePeriod time.Duration
	// StopSignal is what the policy sends to stop the main child.
	StopSignal unix.Signal
	// SignalScope says who gets the signals that we get.
	SignalScope Scope
	// Report says where events go.
	Report report.Options
}

// Scope says who gets a forwarded signal.
type Scope int

// The scopes.
const (
	// ScopeChild is the main child alone.
	ScopeChild Scope = iota
	// ScopeGroup is the main child's process group.
	ScopeGroup
	// ScopeAll is every process in the container; where we are not PID 1, it is the main child's process group.
	ScopeAll
)

// Scopes lists the names of the scopes, in their order.
func Scopes() []string { return []string{"child", "group", "all"} }
