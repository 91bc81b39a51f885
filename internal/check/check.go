// Package check says what a container gives oominit before anything goes wrong, and what the configured rules would make of
// a kill. It is pure: internal/probe finds the facts, and this package judges them, words them and says what to change.
// docs/check.md describes it for users, docs/check.schema.json its JSON.
package check

// Facts are what was found. Pointers are nil, and texts empty, where nothing was found. Amounts are in bytes.
type Facts struct {
	Kernel   string    `json:"kernel"`
	Init     Init      `json:"init"`
	Cgroup   *Cgroup   `json:"cgroup,omitempty"`
	Memory   *Memory   `json:"memory,omitempty"`
	Counters Counters  `json:"counters"`
	Evidence Evidence  `json:"evidence"`
	Process  Process   `json:"process"`
	Message  Writable  `json:"termination_log"`
	Proc     ProcMount `json:"proc"`
}

// Init says who is PID 1, and what oominit would be.
type Init struct {
	// PID and ParentPID are those of this process: oominit would have them if it were started like that.
	PID       int `json:"pid"`
	ParentPID int `json:"parent_pid"`
	// PID1 is the name of PID 1, or empty if /proc does not show it.
	PID1 string `json:"pid1_name,omitempty"`
	// IsOominit says that PID 1 is oominit.
	IsOominit bool `json:"pid1_is_oominit"`
	// Subreaper says that a process here can become one.
	Subreaper bool `json:"can_be_subreaper"`
}

// entered reports whether this process was started from outside, beside the PID 1 of the container: its parent is none that
// can be seen from here.
func (i Init) entered() bool { return i.PID != 1 && i.ParentPID == 0 }

// Cgroup is the memory cgroup whose kills are counted.
type Cgroup struct {
	// Version is v1, v2 or hybrid: v1 for memory, and a v2 hierarchy beside it.
	Version string `json:"version"`
	// Path is as in /proc/self/cgroup, Directory where its files are.
	Path      string `json:"path"`
	Directory string `json:"directory"`
	// LevelsUp is how far above the own cgroup it is.
	LevelsUp int `json:"levels_up"`
	// OOMGroup is memory.oom.group; v1 has none.
	OOMGroup bool `json:"oom_group"`
}

// Memory is what the memory cgroup says of memory. A limit that is nil is none.
type Memory struct {
	Limit *uint64 `json:"limit_bytes,omitempty"`
	Usage *uint64 `json:"usage_bytes,omitempty"`
	Peak  *uint64 `json:"peak_bytes,omitempty"`
	// Swap is how much the cgroup may swap, and SwapKnown says that the kernel counts it.
	Swap      *uint64 `json:"swap_limit_bytes,omitempty"`
	SwapKnown bool    `json:"swap_is_counted"`
	// Outer is the lowest limit that a cgroup above sets, where that is lower than the own; only v1 tells.
	Outer *uint64 `json:"outer_limit_bytes,omitempty"`
}

// Counters says whether OOM kills can be counted.
type Counters struct {
	Readable bool `json:"readable"`
	// WokenBy is poll or timer.
	WokenBy string  `json:"woken_by,omitempty"`
	Kills   *uint64 `json:"oom_kills,omitempty"`
	// Cause and Reason say why they cannot be read.
	Cause  Cause  `json:"cause,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Cause is why OOM kills cannot be counted.
type Cause string

// The causes.
const (
	// GVisor shows the files and counts nothing in them.
	GVisor Cause = "gvisor"
	// NoProc says that there is no /proc, or not all of it.
	NoProc Cause = "no_proc"
	// NoMount says that no mount shows the files.
	NoMount Cause = "no_mount"
	// NoCount says that the files are there and do not count.
	NoCount Cause = "no_count"
)

// Evidence is what can be found out about the end of a process. Each was tried on processes that were made for it.
type Evidence struct {
	WaitStatus Trial `json:"wait_status"`
	// ProcExitCode is the exit code in /proc/PID/stat, of a process of the same user and of another one.
	ProcExitCode      Trial `json:"proc_exit_code"`
	ProcExitCodeOther Trial `json:"proc_exit_code_other_user"`
	PidfdOpen         Trial `json:"pidfd_open"`
	// PidfdExitStatus is PIDFD_GET_INFO's, of a process that somebody else reaped.
	PidfdExitStatus Trial `json:"pidfd_exit_status"`
	NewestPID       Trial `json:"newest_pid"`
}

// Trial is how one attempt went.
type Trial struct {
	Works bool `json:"works"`
	// Untried says that it could not be tried, and says nothing about whether it works.
	Untried bool `json:"untried,omitempty"`
	// Reason says why it does not work or could not be tried.
	Reason string `json:"reason,omitempty"`
}

// Process is what a process here may have.
type Process struct {
	OOMScoreAdj int `json:"oom_score_adj"`
	// RaiseOOMScoreAdj was tried on a child.
	RaiseOOMScoreAdj Trial `json:"raise_oom_score_adj"`
	// PidsLimit is nil without a limit. PidsLeft leaves this program's own threads out of account.
	PidsLimit *uint64 `json:"pids_limit,omitempty"`
	PidsLeft  *uint64 `json:"pids_left,omitempty"`
	Files     uint64  `json:"file_limit"`
}

// Writable says whether a file is there and can be written to.
type Writable struct {
	Present  bool `json:"present"`
	Writable bool `json:"writable"`
}

// ProcMount says what /proc hides.
type ProcMount struct {
	// HidePID is the value of the mount option hidepid, or empty.
	HidePID string `json:"hidepid,omitempty"`
	// Others says that the entry of a process of another user can be read, which was tried.
	Others Trial `json:"other_users"`
}
