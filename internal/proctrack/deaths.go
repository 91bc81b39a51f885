package proctrack

import (
	"time"

	"golang.org/x/sys/unix"
)

// Knowledge says how much a Death tells.
type Knowledge int

// The kinds of knowledge.
const (
	// Vanished: the process is gone, and nobody saw how.
	Vanished Knowledge = iota
	// Signaled: the kernel's public flags say that a signal ends it.
	Signaled
	// StatCode: /proc/PID/stat shows the status with which it ends.
	StatCode
	// PidfdStatus: PIDFD_GET_INFO told the status with which it ended.
	PidfdStatus
)

// Death is the end of a process that is not our child.
type Death struct {
	Process   Process
	Knowledge Knowledge
	// Status is the raw wait status; only StatCode and PidfdStatus come with one.
	Status unix.WaitStatus
}

// watch opens a pidfd on the process and adds it to the epoll set. Without one its end is noticed by Scan. It returns
// false for a thread: threads take their ids from the same row as processes, and /proc shows them to whoever asks for
// the number, though it does not list them.
func (t *Tracker) watch(p *Process) (process bool) {
	if !t.pidfds {
		return t.proc.leader(p.PID)
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	switch err {
	case nil:
	case unix.EINVAL, unix.ENOENT:
		return false // not the leader of a thread group (pidfd_open(2); ENOENT since Linux 6.15)
	case unix.ESRCH:
		return true // gone since: what was read of it may still be the victim's
	case unix.ENOSYS, unix.EPERM:
		t.pidfds = false
		return t.proc.leader(p.PID)
	default: // EMFILE, ENFILE, ENOMEM
		return t.proc.leader(p.PID)
	}
	// Edge-triggered: the descriptor is ready when the process becomes a zombie and again when it was reaped.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(p.PID)}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		_ = unix.Close(fd) // nothing was written to it
		return true
	}
	p.pidfd = fd
	return true
}

// Ended calls yield for the processes whose pidfd says that they ended, children of ours excepted: those are the
// reaper's. It blocks never.
func (t *Tracker) Ended(yield func(Death)) {
	if t == nil {
		return
	}
	t.lines.collect(t.learnLine)
	for {
		n, err := unix.EpollWait(t.epoll, t.events[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		for _, event := range t.events[:n] {
			if p := t.table[int(event.Fd)]; p != nil && p.pidfd >= 0 {
				t.ended(p, yield)
			}
		}
		if n < len(t.events) {
			return
		}
	}
}

// ended handles a process whose pidfd became ready: a zombie now, or already reaped.
func (t *Tracker) ended(p *Process, yield func(Death)) {
	if s, ok := t.proc.stat(p.PID); ok && s.startTime == p.StartTime {
		if s.ppid != t.self {
			t.dying(p, s, yield)
		}
		return
	}
	t.gone(p, yield)
}

// Scan looks at every known process for one that is dying or gone, and calls yield for it. It costs one read for each,
// so it is for the moment after a kill was counted.
func (t *Tracker) Scan(now time.Time, yield func(Death)) {
	if t == nil {
		return
	}
	for _, p := range t.table {
		s, ok := t.proc.stat(p.PID)
		if !ok || s.startTime != p.StartTime {
			t.gone(p, yield)
			continue
		}
		t.learn(p, s, now)
		t.dying(p, s, yield)
	}
}

// dying reports a process that still has its entry in /proc but will not live on. The kernel sets the exit code of the
// whole group the moment a SIGKILL is sent (complete_signal in kernel/signal.c), and /proc/PID/stat shows it since
// Linux 5.17 to whoever may ptrace the process: the same user suffices.
func (t *Tracker) dying(p *Process, s stat, yield func(Death)) {
	switch {
	case p.endReported:
	case s.exitCode != 0 && (s.zombie() || s.flags&flagExiting != 0 || s.exitCode.Signaled()):
		if s.exitCode.Stopped() || s.exitCode.Continued() {
			return // the same field holds the signal of a job control stop
		}
		t.report(p, Death{Knowledge: StatCode, Status: s.exitCode}, yield)
	case s.flags&flagSignaled != 0 && s.zombie():
		t.report(p, Death{Knowledge: Signaled}, yield)
	}
}

// gone reports a process that has left the process table.
func (t *Tracker) gone(p *Process, yield func(Death)) {
	if !p.endReported {
		if status, ok := exitStatus(p.pidfd); ok {
			t.report(p, Death{Knowledge: PidfdStatus, Status: status}, yield)
		} else {
			t.report(p, Death{Knowledge: Vanished}, yield)
		}
	}
	t.drop(p)
}

func (t *Tracker) report(p *Process, d Death, yield func(Death)) {
	p.endReported = d.Knowledge >= StatCode
	d.Process = *p
	d.Process.forgetStaleLine()
	yield(d)
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
