package proctrack

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// pidfdBudget bounds the pidfds, so that a container with thousands of processes does not take the descriptors that the
// program itself needs.
type pidfdBudget struct {
	open, most int
	// kept is how many stat files are held open besides, at most maxKept.
	kept int
	// refused says that pidfd_open does not work here: before Linux 5.3, or a seccomp profile forbids it.
	refused bool
}

// reservedFiles is what the program itself has open at most, with room for those that it opens in passing.
const reservedFiles = 24

func newPidfdBudget() pidfdBudget {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return pidfdBudget{most: 1024 - reservedFiles}
	}
	const enough = 1 << 16 // each costs about 1 KiB of kernel memory
	if limit.Cur > enough {
		limit.Cur = enough
	}
	return pidfdBudget{most: max(0, int(limit.Cur)-reservedFiles)}
}

// maxKept bounds the stat files that are kept open: each takes about 5 KiB of the container's memory.
const maxKept = 32

// keep opens the stat file of a process for as long as it is known, if there is room, and reads it once. In a small
// container everybody's is then read without taking memory, also when there is none.
func (t *Tracker) keep(p *Process) {
	b := &t.pidfds
	if b.kept >= maxKept || b.open+b.kept >= b.most {
		return
	}
	if p.statFD = t.proc.keepStat(p.PID); p.statFD >= 0 {
		b.kept++
		_, _ = t.proc.keptStat(p.statFD, p.Comm) // the buffer is made now
	}
}

// openPidfd opens a pidfd if the budget allows one, and otherwise returns -1. It reports false if there is no process
// by that number: it is gone, or it is a thread's. Threads take their ids from the same row as processes, and /proc
// shows them to whoever asks for the number, though it does not list them.
func (t *Tracker) openPidfd(pid int) (fd int, process bool) {
	b := &t.pidfds
	if b.refused || b.open+b.kept >= b.most {
		return -1, t.proc.leader(pid)
	}
	fd, errno := pidfdOpen(pid)
	switch errno {
	case 0:
		b.open++
		return fd, true
	case unix.EINVAL, unix.ENOENT, unix.ESRCH:
		return -1, false // no leader of a thread group (pidfd_open(2); ENOENT since Linux 6.15), or nobody
	case unix.EMFILE:
		b.most = b.open + b.kept
	case unix.ENOSYS, unix.EPERM:
		b.refused = true
	default: // ENFILE, ENOMEM: the next one may be had
	}
	return -1, t.proc.leader(pid)
}

func (t *Tracker) closePidfd(fd int) {
	if fd >= 0 {
		closeRaw(fd) // takes it out of the epoll set too: nobody else has this descriptor
		t.pidfds.open--
	}
}

// watch has the process's end noticed by its pidfd, if it has one; without, by Scan and Sweep.
func (t *Tracker) watch(p *Process, fd int) {
	if fd < 0 {
		return
	}
	// Edge-triggered: the descriptor is ready when the process becomes a zombie and again when it was reaped.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(p.PID)}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		t.closePidfd(fd) // ENOSPC: the user's limit on watches (max_user_watches)
		return
	}
	p.pidfd = fd
}

func (t *Tracker) unwatch(p *Process) {
	t.closePidfd(p.pidfd)
	p.pidfd = -1
}

// ended reports whether the process of a pidfd is a zombie or reaped.
func ended(pidfd int) bool {
	poll := unix.PollFd{Fd: int32(pidfd), Events: unix.POLLIN}
	var timeout unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	return errno == 0 && n > 0
}

// exitStatus asks a pidfd for the wait status of a process that was reaped, whoever reaped it: PIDFD_GET_INFO with
// PIDFD_INFO_EXIT, Linux 6.15. Older kernels answer ENOTTY, EINVAL or ESRCH, or leave the bit out of the mask.
func exitStatus(pidfd int) (unix.WaitStatus, bool) {
	if pidfd < 0 {
		return 0, false
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return 0, false
	}
	return unix.WaitStatus(info.Exit_code), true
}
