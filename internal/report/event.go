// Package report turns what happened into lines for people and programs: JSON events through zerolog, or a console
// format. It never blocks the caller: lines go into a bounded queue that a thread of its own empties.
//
// docs/events.schema.json describes every event. Names of processes and command lines are chosen by those processes;
// they are data here and reach the output escaped.
package report

import (
	"time"

	"github.com/rs/zerolog"
)

// Process describes a process in an event. The joined names of its keys are OpenTelemetry's.
type Process struct {
	PID       int
	ParentPID int
	// Comm is the kernel's name of the process, at most 15 bytes; written as process.executable.name.
	Comm string
	// CommandLine is the raw command line, arguments ended by NUL. It is written as CommandLineMode says.
	CommandLine string
	// Exe is the path of the program, written as process.executable.path.
	Exe string
	UID uint32
	// UIDKnown says that UID means something.
	UIDKnown bool
	// ResidentBytes is the memory when it was last seen alive; 0 is unknown and not written.
	ResidentBytes uint64
	// Age is how long it had lived; 0 is unknown and not written.
	Age time.Duration
	// Ancestors are its parent, the parent's parent and so on, as far as they are known.
	Ancestors []Ancestor
}

// Ancestor is a process by which another one was started.
type Ancestor struct {
	PID  int
	Comm string
}

// Memory describes the memory cgroup. What is 0 is unknown and not written; a limit that is not set is not written
// either.
type Memory struct {
	LimitBytes uint64
	UsageBytes uint64
	PeakBytes  uint64
}

// Cgroup describes how OOM kills are counted.
type Cgroup struct {
	Version string
	Path    string
	Dir     string
	// OOMGroup says that an OOM kill takes the whole container, and nothing can then be reported from inside.
	OOMGroup bool
	// WokenBy is how changes are noticed: "poll" or "timer".
	WokenBy string
}

// Started is the event "started", at info: the main child runs.
type Started struct {
	Main      *Process // nil if there is none, in pause mode
	PID       int
	Subreaper bool
	Policy    string
	Cgroup    *Cgroup // nil where nothing can be counted
	Memory    Memory
}

// OOMKill is the event "oom_kill", at error: exactly one for each counted kill.
type OOMKill struct {
	// Victim is nil if nobody was found; then Candidates holds the largest processes of the last look.
	Victim     *Process
	Candidates []Process
	Role       string
	Origin     string
	Certainty  string
	Evidence   []string
	Limit      string
	Memory     Memory
	// Kills is how many kills were counted so far, this one included.
	Kills uint64
	// Recorded says how memory grew before the kill. At most 16 samples and 3 processes are written.
	Recorded Recorded
}

// Recorded is what was recorded of memory, the oldest first.
type Recorded struct {
	Samples []Sample
	Largest []RecordedProcess
}

// Sample is the usage of the memory cgroup at a moment before the kill.
type Sample struct {
	Before     time.Duration
	UsageBytes uint64
}

// RecordedProcess is one of the largest processes, at its first and its last sample.
type RecordedProcess struct {
	PID                     int
	Comm                    string
	FirstBefore, LastBefore time.Duration
	FirstBytes, LastBytes   uint64
}

// SIGKILL is the event "sigkill", at info: a process died of a SIGKILL that was no OOM kill.
type SIGKILL struct {
	Process  Process
	Role     string
	Origin   string
	Evidence []string
}

// Observation is the event "observation", at debug: what a verdict will rest on. Either Kills is above 0, for a rise of the
// counter, or Knowledge and Evidence say what was seen of the process.
type Observation struct {
	Kills     uint64
	Limit     string
	Process   Process
	StartTime uint64 // in clock ticks since boot
	AliveAt   time.Time
	Knowledge string
	Evidence  string
}

// LimitHit is the event "memory_limit_hit", at info: usage reached the limit and the kernel reclaims.
type LimitHit struct {
	Hits   uint64
	Memory Memory
}

// Policy is the event "policy", at warn: what follows from a kill, unless it is nothing and no rule said so.
type Policy struct {
	Action      string
	Victim      *Process // nil if nobody was found
	Rule        int      // the number of the rule that decided; 0 if none matched
	RuleText    string
	Signal      string // what is sent to the main child; empty if nothing
	GracePeriod time.Duration
	ExitCode    int
}

// DecidedBy is the kill that an exit code follows from.
type DecidedBy struct {
	Kill     uint64 // which of the OOM kills it was, counted from 1
	PID      int    // 0 if nobody was found
	Parent   int    // its parent, or 0
	Comm     string
	Action   string
	Rule     int // as in Policy
	RuleText string
}

// Unsupported is the event "unsupported", at warn: something this program exists for is not to be had here.
type Unsupported struct{ Reason string }

// Ending says how a process ended.
type Ending struct {
	PID int
	// Signal is the name of the signal that ended it; if it is empty, Code is its exit code.
	Signal string
	Code   int
}

// Exit is the event "exit": at warn after an OOM kill or when events were lost, at info otherwise.
type Exit struct {
	Code   int
	Reason string
	Main   *Ending // nil if there was none, in pause mode
	// DecidedBy is set if the policy replaced the code.
	DecidedBy *DecidedBy
	Kills     uint64
	Memory    Memory
}

// Reaped is the event "reaped": an orphan ended and was reaped. It is at debug, or at warn.
type Reaped struct {
	Child Ending
	Warn  bool
}

// Warning is the event "warning", at warn: something went wrong that changes nothing for the container.
type Warning struct{ Text string }

// Level is the severity from which on events are written.
type Level = zerolog.Level

// Levels lists the names that OOMINIT_LOG_LEVEL takes.
func Levels() []string { return []string{"debug", "info", "warn", "error", "off"} }

// ParseLevel returns the level of that name.
func ParseLevel(name string) (Level, bool) {
	levels := map[string]Level{
		"debug": zerolog.DebugLevel, "info": zerolog.InfoLevel, "warn": zerolog.WarnLevel, "error": zerolog.ErrorLevel,
		"off": zerolog.Disabled,
	}
	level, ok := levels[name]
	return level, ok
}
