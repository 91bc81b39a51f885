// Package attribution says which process an OOM kill took. It is pure: deaths and counter rises in, verdicts out, and
// time comes in as a value, so that every case it must get right can be written down as a table.
//
// The kernel counts a kill before it sends the SIGKILL (__oom_kill_process in mm/oom_kill.c, Linux 6.18). The caller
// therefore reads the counter after it has seen a death and reports the rise, if any, before the death is judged. Then a
// SIGKILL death that finds no unclaimed rise was not a counted OOM kill, whatever it looks like.
package attribution

import "time"

// ID names a process for as long as the machine runs: a pid alone may be used again.
type ID struct {
	PID int
	// StartTime is in clock ticks since boot (field 22 of /proc/PID/stat), 0 when unknown.
	StartTime uint64
}

// Process is what is known of a process that died.
type Process struct {
	ID
	ParentPID int
	Comm      string
	// CommandLine is the raw /proc/PID/cmdline, arguments ended by NUL; empty when it was not read in time.
	CommandLine string
	// Exe is the path of the program; empty when it was not read in time.
	Exe string
	// ResidentBytes is the resident memory when it was last seen alive; 0 when it never was.
	ResidentBytes uint64
	// PeakBytes is the largest resident size on record. The kernel's figure includes the image before exec.
	PeakBytes uint64
	UID       uint32
	// AliveAt is when it was last seen with no SIGKILL sent to it, by whoever could have seen one; zero if it never was.
	AliveAt time.Time
	// Age is how long it had lived; 0 when unknown.
	Age  time.Duration
	Main bool
	Exec bool
	// Ancestors are its parent, the parent's parent and so on, as far as they are known.
	Ancestors []Ancestor
}

// Ancestor is a process by which another one was started.
type Ancestor struct {
	PID  int
	Comm string
}

// Knowledge says how much is known of a death. Better knowledge has a higher value.
type Knowledge int

// The kinds of knowledge.
const (
	// Vanished: the process was there and is gone, and nobody saw how.
	Vanished Knowledge = iota
	// Signaled: the kernel's public flags say that a signal ends it (PF_SIGNALED), but not which.
	Signaled
	// KilledByUs: this program sent the SIGKILL.
	KilledByUs
	// Killed: a status says SIGKILL, and this program did not send it.
	Killed
	// Ended: a status says anything but SIGKILL. Such a process was no OOM victim.
	Ended
)

// Knowledges lists the names of the kinds of knowledge, in their order.
func Knowledges() []string {
	return []string{"vanished", "signaled", "killed_by_us", "killed", "ended"}
}

// String returns the name.
func (k Knowledge) String() string { return Knowledges()[k] }

// Evidence is one observation that a verdict rests on.
type Evidence string

// The evidence.
const (
	// CounterRise is a rise of the memory cgroup's oom_kill.
	CounterRise Evidence = "counter_rise"
	// WaitStatus is the status that our own wait reported.
	WaitStatus Evidence = "wait_status"
	// PidfdStatus is the status that PIDFD_GET_INFO reported of a process that somebody else reaped.
	PidfdStatus Evidence = "pidfd_exit_status"
	// StatCode is the exit code in /proc/PID/stat, which is there from the moment of the SIGKILL.
	StatCode Evidence = "proc_exit_code"
	// SignaledFlag is PF_SIGNALED in /proc/PID/stat.
	SignaledFlag Evidence = "signaled_flag"
	// Gone says that the process stopped existing.
	Gone Evidence = "vanished"
	// Largest says that there were more candidates than kills, and this one was the largest.
	Largest Evidence = "largest_candidate"
)

// Death is one observation that a process died or is about to. The same process may be observed several times.
type Death struct {
	Process   Process
	Knowledge Knowledge
	Evidence  Evidence
	At        time.Time
}

// Limit says whose limit ran out.
type Limit string

// The limits.
const (
	// OwnLimit is the limit of our own memory cgroup.
	OwnLimit Limit = "own"
	// NestedLimit is the limit of a cgroup below ours.
	NestedLimit Limit = "nested"
	// LimitAbove is a limit of an ancestor, or the host's memory.
	LimitAbove Limit = "above"
	// LimitUnknown says that the kernel offers no way to tell.
	LimitUnknown Limit = "unknown"
)

// Certainty says how sure a verdict is.
type Certainty string

// The certainties.
const (
	// Certain: a SIGKILL status, not of our sending, and a counter rise that accounts for it alone.
	Certain Certainty = "certain"
	// Probable: a counter rise, and a process that fits it best.
	Probable Certainty = "probable"
	// Unattributed: a counter rise, and nobody who could have been the victim.
	Unattributed Certainty = "unattributed"
)

// Verdict is the judgement of one counted kill, or of one SIGKILL that was none.
type Verdict struct {
	// OOM says that this was an OOM kill. If it is false, Process died of a SIGKILL that was not.
	OOM bool
	// Process is the victim; it is empty if Certainty is Unattributed.
	Process   Process
	Certainty Certainty
	Evidence  []Evidence
	Limit     Limit
	// ByUs says that this program sent the SIGKILL.
	ByUs bool
}
