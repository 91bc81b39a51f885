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
	// Rewrite has, by number, what is forwarded instead of a received signal; Drop for nothing. Who is not in it is forwarded
	// as it came.
	Rewrite map[unix.Signal]unix.Signal
	// StopDelay is how long SIGTERM and StopSignal are held back before they are forwarded; a second one ends the delay.
	StopDelay time.Duration
	// Drain is how long those who are left when the main child has ended may take to end on the stop signal; 0 kills them at
	// once, as the kernel does when PID 1 ends.
	Drain time.Duration
	// Group says which process group and session the main child gets.
	Group Group
	// ParentDeathSignal is sent to us when our parent ends; 0 for none.
	ParentDeathSignal unix.Signal
	// Pause has no main child: orphans are reaped until SIGTERM or SIGINT comes.
	Pause bool
	// OOMScoreAdj is added to the oom_score_adj of the main child (proc_pid_oom_score_adj(5)), up to 1000 in all.
	OOMScoreAdj int
	// ExitCodes has, by the main child's own exit code, the one that is taken for it.
	ExitCodes map[int]int
	// Hook is the program that is run for each OOM kill; empty for none.
	Hook string
	// RecordEvery is how often we wake up to record memory; 0 records when we are awake anyway.
	RecordEvery time.Duration
	// WarnReaped reports each orphan that was reaped at warn instead of debug.
	WarnReaped bool
	// Report says where events go.
	Report report.Options
}

// Drop in Config.Rewrite stands for no signal.
const Drop unix.Signal = 0

// Group says which process group and session the main child gets.
type Group int

// The groups.
const (
	// GroupOwn makes it the leader of a process group of its own, which gets the terminal if we have it.
	GroupOwn Group = iota
	// GroupSession makes it the leader of a session of its own, with the terminal as its controlling one.
	GroupSession
	// GroupInherit leaves it in ours.
	GroupInherit
)

// Groups lists the names of the groups, in their order.
func Groups() []string { return []string{"own", "session", "inherit"} }

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
