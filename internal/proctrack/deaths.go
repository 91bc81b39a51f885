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

// Ended calls yield for the processes whose pidfd says that they ended, children of ours excepted: those are the
// reaper's. It blocks never.
func (t *Tracker) Ended(yield func(Death)) {
	if t == nil {
		return
	}
	t.lines.collect(t.learnLine)
	t.tellUnseen(yield)
	for {
		events := epollReady(t.epoll, t.events[:])
		for _, event := range events {
			if p := t.table[int(event.Fd)]; p != nil && p.pidfd >= 0 {
				t.ended(p, yield)
			}
		}
		if len(events) < len(t.events) {
			return
		}
	}
}

// tellUnseen tells of the processes that were found, and gone before they were looked at.
func (t *Tracker) tellUnseen(yield func(Death)) {
	for _, d := range t.unseen {
		yield(d)
	}
	t.unseen = t.unseen[:0]
}

// ended handles a process whose pidfd became ready: a zombie now, or already reaped.
func (t *Tracker) ended(p *Process, yield func(Death)) {
	if s, found := t.look(p); found == present {
		if s.ppid == t.self {
			return
		}
		p.Comm = s.comm // it may have another name than at the last look
		if t.dying(p, s, yield); s.zombie() && !p.endReported {
			t.zombies = append(t.zombies, p)
		}
		return
	}
	t.gone(p, yield)
}

// AllClear says that no kill is counted that waits for its victim, as of a moment after the last call of Ended: who was
// seen to have ended is nobody's victim then, and need not be watched until somebody reaps it.
func (t *Tracker) AllClear() {
	if t == nil {
		return
	}
	for _, p := range t.zombies {
		t.drop(p) // harmless for one that was dropped before
	}
	clear(t.zombies)
	t.zombies = t.zombies[:0]
}

// look reads the process's stat. It is absent only if it is gone for certain: a pid that is hidden or somebody else's
// by now is told apart.
func (t *Tracker) look(p *Process) (stat, presence) {
	var s stat
	var found presence
	if p.statFD >= 0 {
		s, found = t.proc.keptStat(p.statFD, p.Comm)
	} else {
		s, found = t.proc.stat(p.PID, p.Comm)
	}
	switch found {
	case present:
		if s.startTime != p.StartTime {
			return stat{}, absent
		}
	case absent:
		if p.pidfd >= 0 && !ended(p.pidfd) || p.pidfd < 0 && unix.Kill(p.PID, 0) != unix.ESRCH {
			return stat{}, unsure
		}
	case unsure:
	}
	return s, found
}

// Scan looks at every known process for one that is dying or gone, and calls yield for it; zombies that the last Look
// passed over are looked at too. It costs some reads for each, so it is for the moment after a kill was counted.
func (t *Tracker) Scan(now time.Time, yield func(Death)) {
	if t == nil {
		return
	}
	t.lookAtFresh(now, true)
	if t.passed > 0 {
		for pid := t.passed; pid <= t.newest; pid++ {
			t.discover(pid, now, true)
		}
		t.passed = 0
	}
	t.tellUnseen(yield)
	for _, p := range t.table {
		switch s, found := t.look(p); found {
		case present:
			t.learn(p, s, now)
			t.dying(p, s, yield)
		case absent:
			t.gone(p, yield)
		case unsure:
		}
	}
}

// ScanKept is Scan for the processes whose stat file is kept open. It takes no memory.
func (t *Tracker) ScanKept(now time.Time, yield func(Death)) {
	if t == nil {
		return
	}
	for _, p := range t.table {
		if p.statFD < 0 {
			continue
		}
		if s, found := t.look(p); found == present {
			t.learn(p, s, now)
			t.dying(p, s, yield)
		}
	}
}

// Dying reports whether a process that was seen to have been killed still holds its memory, or may do so. It takes no
// memory.
func (t *Tracker) Dying() bool {
	if t == nil {
		return false
	}
	for _, p := range t.table {
		if !p.endReported {
			continue
		}
		if p.statFD < 0 {
			return true
		}
		if s, found := t.proc.keptStat(p.statFD, p.Comm); found == unsure || found == present && !s.zombie() {
			return true
		}
	}
	return false
}

// AllAliveSince reports whether a look after the given time has shown of everybody who is here that no SIGKILL had been sent
// to them, or how they end.
func (t *Tracker) AllAliveSince(at time.Time) bool {
	if t == nil || len(t.fresh) > 0 || t.passed > 0 {
		return false
	}
	for _, p := range t.table {
		if !p.endReported && !p.AliveAt.After(at) {
			return false
		}
	}
	return true
}

// AllKept reports whether ScanKept looks at everybody there is. It takes no memory.
func (t *Tracker) AllKept() bool {
	if t == nil || len(t.fresh) > 0 || t.passed > 0 || t.pidfds.kept != len(t.table) {
		return false
	}
	newest, ok := t.proc.newest()
	return ok && newest == t.newest
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

// gone reports a process that has left the process table. A child of ours leaves it by our own hand only, and the reaper
// tells how.
func (t *Tracker) gone(p *Process, yield func(Death)) {
	if !p.endReported && p.ParentPID != t.self {
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
	t.lineage(&d.Process)
	yield(d)
}
