package proctrack

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// stat is what this package needs of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	pid       int
	comm      string // any bytes; ')', blanks and newlines among them
	state     byte
	ppid      int
	session   int
	flags     uint64 // PF_* of include/linux/sched.h
	threads   uint64
	startTime uint64 // clock ticks since boot
	rssPages  uint64
	exitCode  unix.WaitStatus
	// open says that the kernel shows us what only who may ptrace the process sees, such as its exit code. For others it
	// prints 1 as the address where the program's code begins (do_task_stat in fs/proc/array.c, Linux 6.18).
	open bool
	// killPending says that a SIGKILL was sent and not acted upon yet, whoever asks. Before Linux 5.17 nothing else does.
	killPending bool
}

// Flags in field 9. They are public whoever asks.
const (
	flagExiting  = 0x4   // PF_EXITING: being torn down
	flagSignaled = 0x400 // PF_SIGNALED: a signal ends it
)

// Positions of fields after the comm, counted from 0 at the state (field 3 of the manual page).
const (
	fieldState     = 0 // field 3
	fieldPPID      = 4 - 3
	fieldSession   = 6 - 3
	fieldFlags     = 9 - 3
	fieldThreads   = 20 - 3
	fieldStartTime = 22 - 3
	fieldRSS       = 24 - 3
	fieldStartCode = 26 - 3
	fieldSignals   = 31 - 3
	fieldExitCode  = 52 - 3
)

// parseStat reads one /proc/PID/stat. The comm is chosen by the process and may imitate what follows it, so it ends at
// the last ')' of the text. The exit code stays 0 where the kernel does not show it: it is guarded by the access mode
// PTRACE_MODE_READ_FSCREDS, and denied looks the same as a clean end. Only another value means something.
//
// A process that is still called as known takes no memory: there may be none when it is looked at.
func parseStat(text []byte, known string) (s stat, ok bool) {
	open := bytes.IndexByte(text, '(')
	closing := bytes.LastIndexByte(text, ')')
	if open < 1 || closing < open {
		return stat{}, false
	}
	s.pid = int(number(bytes.TrimRight(text[:open], " ")))
	if s.pid <= 0 {
		return stat{}, false
	}
	if comm := text[open+1 : closing]; string(comm) == known {
		s.comm = known
	} else {
		s.comm = string(comm)
	}
	rest := text[closing+1:]
	for position := 0; ; position++ {
		var field []byte
		field, rest = firstField(rest)
		if len(field) == 0 {
			// Kernels append fields; one that ends before the resident size is none.
			return s, position > fieldRSS
		}
		switch position {
		case fieldState:
			s.state = field[0]
		case fieldPPID:
			s.ppid = int(number(field))
		case fieldSession:
			s.session = int(number(field))
		case fieldFlags:
			s.flags = number(field)
		case fieldThreads:
			s.threads = number(field)
		case fieldStartTime:
			s.startTime = number(field)
		case fieldRSS:
			s.rssPages = number(field)
		case fieldStartCode:
			s.open = number(field) > 1
		case fieldSignals:
			s.killPending = number(field)&(1<<(unix.SIGKILL-1)) != 0
		case fieldExitCode:
			s.exitCode = unix.WaitStatus(number(field))
		}
	}
}

// firstField returns the first field of a text that is separated by blanks, and what comes after it. It is bytes.FieldsSeq
// without a closure, which would take memory.
func firstField(text []byte) (field, rest []byte) {
	begin := 0
	for begin < len(text) && (text[begin] == ' ' || text[begin] == '\n') {
		begin++
	}
	end := begin
	for end < len(text) && text[end] != ' ' && text[end] != '\n' {
		end++
	}
	return text[begin:end], text[end:]
}

// number reads decimal digits up to the first other byte; a negative or overlong number gives 0.
func number(digits []byte) (value uint64) {
	if len(digits) > 20 {
		return 0
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0
		}
		value = value*10 + uint64(c-'0')
	}
	return value
}

// zombie reports whether the process has ended and waits to be reaped. One whose first thread has ended while others go
// on looks the same but for their number.
func (s stat) zombie() bool { return (s.state == 'Z' || s.state == 'X') && s.threads <= 1 }

// newestPID returns the last field of /proc/loadavg: the pid that was given out last in the reader's own pid namespace
// (loadavg_proc_show in fs/proc/loadavg.c, Linux 6.18).
func newestPID(loadavg []byte) (pid int, ok bool) {
	loadavg = bytes.TrimRight(loadavg, "\n")
	last := bytes.LastIndexByte(loadavg, ' ')
	if last < 0 {
		return 0, false
	}
	pid = int(number(loadavg[last+1:]))
	return pid, pid > 0
}
