// Package reaper holds the only wait in the program.
//
// PID 1 is the parent of every orphan, and a wait by anybody else would steal a status that somebody here needs
// (ramr/go-reaper#2, coder/coder#22866). So nothing else in the program calls wait4, waitid or os.Process.Wait, and this
// package knows nothing but pids and wait statuses: who main is, and what a death means, others decide.
package reaper

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Exit is one ended child that has not been reaped yet.
type Exit struct {
	PID int
	// Status is the raw wait status, as wait4(2) will report it.
	Status unix.WaitStatus
}

// ErrNoneEnded says that there are children, and that none of them has ended.
var ErrNoneEnded = errors.New("no child has ended")

// ErrNoChildren says that there is no child at all.
var ErrNoChildren = errors.New("no children")

// Reaper finds ended children and reaps them. The zero value is ready. It is not safe for concurrent use.
//
// Whoever uses it catches SIGCHLD, before the first spawn: a child may end before fork returns (opencontainers/runc#5208).
// SIGCHLDs coalesce (openSUSE/catatonit#4), so that each stands for "look until nobody is left".
type Reaper struct {
	info unix.Siginfo
}

// Peek returns an ended child and leaves it a zombie, so that /proc still describes it and its pid cannot be used anew;
// the same child is returned until it is reaped. Children of clone(2) without SIGCHLD count too. The error is
// ErrNoneEnded, ErrNoChildren, or what waitid(2) answered.
func (r *Reaper) Peek() (Exit, error) {
	for {
		r.info = unix.Siginfo{}
		errno := waitid(unix.P_ALL, 0, &r.info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.ECHILD:
			return Exit{}, ErrNoChildren
		default:
			return Exit{}, os.NewSyscallError("waitid", errno)
		}
		break
	}
	child := (*childInfo)(unsafe.Pointer(&r.info))
	if child.pid == 0 {
		return Exit{}, ErrNoneEnded
	}
	return Exit{PID: int(child.pid), Status: rawStatus(r.info.Code, child.status)}, nil
}

// Reap takes the zombie that Peek returned out of the process table. A child that is not there (any more) is no error: there
// is nothing left to do for it.
func (r *Reaper) Reap(pid int) error { return reap(pid, nil) }

// ReapWithUsage is Reap that also returns what the child used, which costs the kernel a sum over its threads.
func (r *Reaper) ReapWithUsage(pid int) (usage unix.Rusage, err error) {
	err = reap(pid, &usage)
	return usage, err
}

func reap(pid int, usage *unix.Rusage) error {
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(pid), 0, unix.WNOHANG|unix.WALL, uintptr(unsafe.Pointer(usage)), 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case 0, unix.ECHILD:
			return nil
		default:
			return os.NewSyscallError("wait4", errno)
		}
	}
}

// waitid and wait4 are raw, since with WNOHANG they do not block: where many children end, the runtime's monitor thread
// would take the processor away in the middle of every second call and give it back (retake in runtime/proc.go, Go 1.26).
func waitid(idType, id int, info *unix.Siginfo, options int) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_WAITID, uintptr(idType), uintptr(id), uintptr(unsafe.Pointer(info)), uintptr(options), 0, 0)
	return errno
}

// childInfo is siginfo_t as waitid(2) fills it (include/uapi/asm-generic/siginfo.h, Linux 6.18). The union begins at a
// pointer's alignment, and x/sys keeps its content unexported.
type childInfo struct {
	_      [3]int32 // si_signo, si_errno, si_code, in the order of the architecture
	_      [unsafe.Sizeof(uintptr(0)) / 8]int32
	pid    int32
	_      uint32 // si_uid
	status int32
}

// The values of si_code for SIGCHLD; x/sys has no names for them.
const (
	cldExited = 1
	cldDumped = 3
)

// coreFlag marks, in a raw wait status, that a core was dumped.
const coreFlag = 0x80

// rawStatus builds the status that wait4(2) would report from si_code and si_status.
func rawStatus(code, status int32) unix.WaitStatus {
	switch code {
	case cldExited:
		return unix.WaitStatus(uint32(status&0xff) << 8)
	case cldDumped:
		return unix.WaitStatus(uint32(status) | coreFlag)
	default: // CLD_KILLED: nothing else ends a child
		return unix.WaitStatus(uint32(status))
	}
}

// Stopped returns the signal that stopped the child, once for each time that it was stopped.
func (r *Reaper) Stopped(pid int) (sig unix.Signal, stopped bool) {
	r.info = unix.Siginfo{}
	if waitid(unix.P_PID, pid, &r.info, unix.WSTOPPED|unix.WNOHANG) != 0 {
		return 0, false // EINTR cannot be with WNOHANG; ECHILD: it has ended
	}
	child := (*childInfo)(unsafe.Pointer(&r.info))
	return unix.Signal(child.status), child.pid != 0
}
