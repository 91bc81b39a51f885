// Package proctrack knows who is alive and who died of what.
//
// PID 1 is told only of its own children and of orphans. Everybody else is reaped by a parent that may say nothing. So
// this package finds processes while they live, keeps a last look at each (name, memory, ancestry), and holds a pidfd
// on each: it becomes readable when the process ends and, from Linux 6.15, tells the wait status even of a process that
// somebody else reaped. Nothing here needs a privilege, and everything has a fallback.
package proctrack

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Origin says where a process comes from.
type Origin int

// The origins.
const (
	// Tree is everything below the main child, and orphans.
	Tree Origin = iota
	// Exec is a session that was entered from outside (docker exec, kubectl exec): its first process has the parent
	// pid 0.
	Exec
)

// Process is the last look at a process.
type Process struct {
	PID       int
	ParentPID int
	// StartTime is in clock ticks since boot; with the pid it names the process for as long as the machine runs.
	StartTime uint64
	// Comm is the name, at most 15 bytes, chosen by the process: any bytes.
	Comm string
	// CommandLine is the raw /proc/PID/cmdline, cut at 4 KiB; empty until it was read.
	CommandLine string
	UID         uint32
	// ResidentBytes is the resident memory at the last look.
	ResidentBytes uint64
	Origin        Origin

	session     int
	commOfLine  string // the comm when CommandLine was read: another one now means another program
	pidfd       int    // -1 without
	seen        time.Time
	youth       int  // how many more Looks look at it again: what it is may change at once, by exec
	asked       bool // its command line was asked for
	endReported bool // its status was told: nothing better can follow
}

// Tracker keeps the table of processes. It is not safe for concurrent use; only the reading of command lines goes on
// elsewhere, since it can block without end.
type Tracker struct {
	proc   *procfs
	self   int
	init   bool // we are PID 1: everybody in the pid namespace is ours
	main   int
	table  map[int]*Process
	newest int // the newest pid that was looked at; 0 before the first look
	young  []*Process
	epoll  int
	events [64]unix.EpollEvent
	lines  *lineReader
	execs  *execWatch // nil without
	// pidfds says whether pidfd_open works here (Linux 5.3, and a seccomp profile may refuse it).
	pidfds bool
	page   uint64
}

// New returns a tracker that reads the proc file system at mount, "/proc" except in tests. An error means that nothing
// can be tracked here; a nil Tracker is then a valid one that knows nobody.
func New(mount string) (*Tracker, error) {
	proc, err := openProcfs(mount)
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		proc.close()
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &Tracker{
		proc:   proc,
		self:   os.Getpid(),
		init:   os.Getpid() == 1,
		table:  make(map[int]*Process),
		epoll:  epoll,
		lines:  newLineReader(mount),
		pidfds: true,
		page:   uint64(os.Getpagesize()),
	}, nil
}

// Close gives back the file descriptors. The program itself never calls it.
func (t *Tracker) Close() {
	if t == nil {
		return
	}
	for _, p := range t.table {
		t.drop(p)
	}
	_ = unix.Close(t.epoll) // holds no data
	if t.execs != nil {
		_ = unix.Close(t.execs.fd) // only read from
	}
	t.proc.close()
	t.lines.close()
}

// SetMain names the main child.
func (t *Tracker) SetMain(pid int) {
	if t != nil {
		t.main = pid
	}
}

// PollFD returns a file descriptor that is readable while Ended has something to tell.
func (t *Tracker) PollFD() (fd int, ok bool) {
	if t == nil {
		return -1, false
	}
	return t.epoll, true
}

// Look finds the processes that were born since the last look. Where nothing was forked it costs one read; the first
// look, and one after the pids have wrapped, reads the directory. It reports whether somebody was found.
func (t *Tracker) Look(now time.Time) (found bool) {
	if t == nil {
		return false
	}
	// What a process is right after its fork, its parent's image, is not what it will be: look some more times.
	young := t.young[:0]
	for _, p := range t.young {
		if p.youth > 0 {
			t.refresh(p, now)
			if p.youth--; p.youth > 0 {
				young = append(young, p)
			}
		}
	}
	known := len(young)
	t.young = young
	t.lines.collect(t.learnLine)

	newest, ok := t.proc.newest()
	switch {
	case ok && newest == t.newest:
		return false
	case ok && t.newest > 0 && newest > t.newest && newest-t.newest <= mostNew:
		for pid := t.newest + 1; pid <= newest; pid++ {
			t.discover(pid, now)
		}
	default:
		// An error leaves who is known as they are; the next look tries again.
		_ = t.proc.pids(func(pid int) { t.discover(pid, now) })
	}
	t.newest = newest
	return len(t.young) > known
}

// mostNew is how many new pids are looked at one by one. Beyond that, listing who is there is cheaper.
const mostNew = 1 << 15

// looksAtYoung is how many Looks after the one that found it look at a process again.
const looksAtYoung = 4

// discover adds the process to the table, unless it is known, a stranger, or already gone.
func (t *Tracker) discover(pid int, now time.Time) {
	if pid == t.self {
		return
	}
	known := t.table[pid]
	s, ok := t.proc.stat(pid)
	if !ok {
		return
	}
	if known != nil {
		if known.StartTime == s.startTime {
			return
		}
		t.drop(known) // the pid is somebody else now
	}
	origin, ours := t.origin(s)
	// A zombie that no signal ended is nobody's victim, and there may be tens of thousands.
	if !ours || (s.zombie() && s.exitCode == 0 && s.flags&flagSignaled == 0) {
		return
	}
	p := &Process{PID: pid, StartTime: s.startTime, UID: t.proc.uid(pid), Origin: origin, pidfd: -1, youth: looksAtYoung}
	if !t.watch(p) {
		return
	}
	t.learn(p, s, now)
	t.table[pid] = p
	t.young = append(t.young, p)
	t.askLine(p)
}

// origin says where a process that is seen for the first time comes from, and whether it is ours at all.
func (t *Tracker) origin(s stat) (origin Origin, ours bool) {
	if s.ppid == 0 {
		return Exec, t.init
	}
	if s.pid == t.main {
		return Tree, true
	}
	if parent := t.table[s.ppid]; parent != nil {
		return parent.Origin, true
	}
	// An orphan, or a child whose parent was never seen: the leader of its session is the best relative left.
	if leader := t.table[s.session]; leader != nil {
		return leader.Origin, true
	}
	return Tree, t.init || s.ppid == t.self
}

// learn takes over what a look showed.
func (t *Tracker) learn(p *Process, s stat, now time.Time) {
	p.ParentPID, p.Comm, p.session, p.seen = s.ppid, s.comm, s.session, now
	if !s.zombie() && s.flags&flagExiting == 0 {
		p.ResidentBytes = s.rssPages * t.page
	}
}

// refresh looks at a known process again. It returns false if the process is gone.
func (t *Tracker) refresh(p *Process, now time.Time) bool {
	s, ok := t.proc.stat(p.PID)
	if !ok || s.startTime != p.StartTime {
		return false
	}
	t.learn(p, s, now)
	if !p.asked || p.commOfLine != p.Comm {
		t.askLine(p)
	}
	return true
}

// refreshAtMost bounds the processes that one Refresh looks at.
const refreshAtMost = 256

// Refresh looks at the memory of the processes again, of at most 256 of them in one call, those first that were not
// looked at for the longest time.
func (t *Tracker) Refresh(now time.Time) {
	if t == nil {
		return
	}
	refreshed := 0
	for _, p := range t.table { // a map's order is random, which makes the bound fair over time
		if refreshed++; refreshed > refreshAtMost {
			return
		}
		t.refresh(p, now)
	}
}

// Largest returns the n processes with the most resident memory at the last look, the largest first.
func (t *Tracker) Largest(n int) []Process {
	if t == nil {
		return nil
	}
	largest := make([]Process, 0, n)
	for _, p := range t.table {
		if len(largest) < n {
			largest = append(largest, *p)
		} else if n == 0 || !smaller(&largest[n-1], p) {
			continue
		} else {
			largest[n-1] = *p
		}
		for i := len(largest) - 1; i > 0 && smaller(&largest[i-1], &largest[i]); i-- {
			largest[i-1], largest[i] = largest[i], largest[i-1]
		}
	}
	return largest
}

// smaller orders by memory; of equals the one with the higher pid is the smaller.
func smaller(a, b *Process) bool {
	if a.ResidentBytes != b.ResidentBytes {
		return a.ResidentBytes < b.ResidentBytes
	}
	return a.PID > b.PID
}

// Len returns how many processes are tracked.
func (t *Tracker) Len() int {
	if t == nil {
		return 0
	}
	return len(t.table)
}

// Child returns what is known of a child of ours that has ended and is not reaped yet. The zombie itself still tells its
// name; the rest is from the last look, if there was one.
func (t *Tracker) Child(pid int) Process {
	if t == nil {
		return Process{PID: pid}
	}
	t.lines.collect(t.learnLine)
	s, ok := t.proc.stat(pid)
	p := t.table[pid]
	if p != nil && (!ok || p.StartTime == s.startTime) {
		known := *p
		if ok {
			known.Comm, known.ParentPID = s.comm, s.ppid
			known.forgetStaleLine()
		}
		return known
	}
	child := Process{PID: pid, ParentPID: t.self, pidfd: -1}
	if ok {
		child.StartTime, child.Comm, child.ParentPID = s.startTime, s.comm, s.ppid
		child.UID = t.proc.uid(pid)
		child.Origin, _ = t.origin(s)
	}
	return child
}

// Forget removes a process from the table, because it was reaped.
func (t *Tracker) Forget(pid int) {
	if t == nil {
		return
	}
	if p := t.table[pid]; p != nil {
		t.drop(p)
	}
}

func (t *Tracker) drop(p *Process) {
	if p.pidfd >= 0 {
		_ = unix.Close(p.pidfd) // takes it out of the epoll set too: nobody else has this descriptor
		p.pidfd = -1
	}
	p.youth = 0
	if t.table[p.PID] == p {
		delete(t.table, p.PID)
	}
}
