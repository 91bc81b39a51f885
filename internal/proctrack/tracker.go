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
	// Exe is the path of the program; empty until it was read.
	Exe string
	UID uint32
	// ResidentBytes is the resident memory at the last look.
	ResidentBytes uint64
	Origin        Origin
	// AliveAt is when a look last showed that no SIGKILL had been sent to it; zero if no look could show that.
	AliveAt time.Time
	// Age is how long it had lived when its end was noticed; 0 while it lives, or if that is unknown.
	Age time.Duration
	// Ancestors are its parent, the parent's parent and so on, as far as they are known, up to the main child or to the
	// first process of an exec'd session. They are filled in when its end is noticed.
	Ancestors []Ancestor

	session     int
	commOfLine  string // the comm when CommandLine was read: another one now means another program
	pidfd       int    // -1 without
	statFD      int    // /proc/PID/stat, kept open; -1 without
	seen        time.Time
	youth       int  // how many more Looks look at it again: what it is may change at once, by exec
	asked       bool // its command line was asked for
	noLine      int  // how often there was none
	exiting     bool // at the last look
	endReported bool // its status was told: nothing better can follow
}

// Ancestor is a process by which another one was started.
type Ancestor struct {
	PID  int
	Comm string
}

// Tracker keeps the table of processes. It is not safe for concurrent use; only the reading of command lines goes on
// elsewhere, since it can block without end.
type Tracker struct {
	proc    *procfs
	self    int
	init    bool // we are PID 1: everybody in the pid namespace is ours
	main    int
	cgroup  membership
	table   map[int]*Process
	newest  int        // the newest pid that was looked at
	listAt  time.Time  // when to list all processes once; zero after that
	fresh   []freshPID // found, and not looked at yet, or not ours yet
	passed  int        // the first pid that the last look passed over; 0 if there is none
	unseen  []Death    // of processes that were gone before they were looked at; not told of yet
	young   []*Process
	youngAt time.Time  // when the young were looked at last
	zombies []*Process // seen to have ended, and not told of
	// departed may still be the ancestors of somebody whose end is noticed later.
	departed departed
	epoll    int
	events   [64]unix.EpollEvent
	pidfds   pidfdBudget
	lines    *lineReader
	execs    *execWatch // nil without
	page     uint64
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
		lines:  newLineReader(proc.dir),
		pidfds: newPidfdBudget(),
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
	for _, f := range t.fresh {
		t.closePidfd(f.fd)
	}
	_ = unix.Close(t.epoll) // holds no data
	if t.execs != nil {
		_ = unix.Close(t.execs.fd) // only read from
	}
	t.lines.close()
	t.proc.close()
}

// Bound waits until the thread that reads command lines is there.
func (t *Tracker) Bound() {
	if t != nil {
		<-t.lines.bound
	}
}

// SetMain names the main child, right after its start. Who is older than it is looked for a second later, when a listing
// of all processes is not felt any more.
func (t *Tracker) SetMain(pid int, now time.Time) {
	if t != nil {
		t.main, t.newest, t.listAt = pid, pid-1, now.Add(time.Second)
	}
}

// PollFD returns a file descriptor that is readable while Ended has something to tell.
func (t *Tracker) PollFD() (fd int, ok bool) {
	if t == nil {
		return -1, false
	}
	return t.epoll, true
}

// Largest returns the n processes with the most resident memory at the last look, the largest first.
func (t *Tracker) Largest(n int) []Process { return t.LargestInto(make([]Process, 0, n)) }

// LargestInto is Largest for as many processes as the capacity of largest allows, in that memory.
func (t *Tracker) LargestInto(largest []Process) []Process {
	largest = largest[:0]
	if t == nil || cap(largest) == 0 {
		return largest
	}
	for _, p := range t.table {
		if len(largest) < cap(largest) {
			largest = append(largest, *p)
		} else if !smaller(&largest[len(largest)-1], p) {
			continue
		} else {
			largest[len(largest)-1] = *p
		}
		for i := len(largest) - 1; i > 0 && smaller(&largest[i-1], &largest[i]); i-- {
			largest[i-1], largest[i] = largest[i], largest[i-1]
		}
	}
	return largest
}

// LargestLiving returns the process with the most resident memory among those that were not seen to end, and false if there
// is none.
func (t *Tracker) LargestLiving() (largest Process, ok bool) {
	if t == nil {
		return Process{}, false
	}
	var found *Process
	for _, p := range t.table {
		if !p.endReported && !p.exiting && (found == nil || smaller(found, p)) {
			found = p
		}
	}
	if found == nil {
		return Process{}, false
	}
	return *found, true
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
		return Process{PID: pid, pidfd: -1, statFD: -1}
	}
	t.lines.collect(t.learnLine)
	s, found := t.proc.stat(pid, "")
	ok := found == present
	p := t.table[pid]
	if p != nil && (!ok || p.StartTime == s.startTime) {
		known := *p
		if ok {
			known.Comm, known.ParentPID = s.comm, s.ppid
			known.forgetStaleLine()
		}
		t.lineage(&known)
		return known
	}
	child := Process{PID: pid, ParentPID: t.self, pidfd: -1, statFD: -1}
	if ok {
		child.StartTime, child.Comm, child.ParentPID = s.startTime, s.comm, s.ppid
		child.UID = t.proc.uid(pid)
		child.Origin, _ = t.origin(s)
		t.lineage(&child)
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
	t.unwatch(p)
	if p.statFD >= 0 {
		closeRaw(p.statFD)
		p.statFD = -1
		t.pidfds.kept--
	}
	p.youth = 0
	if t.table[p.PID] == p {
		delete(t.table, p.PID)
		t.departed.add(p)
	}
}
