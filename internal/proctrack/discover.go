package proctrack

import "time"

// Look finds the processes that were born since the last look. Where nothing was forked it costs one read; one look a
// second after the start, and those after the pids have wrapped, read the directory. It reports whether somebody was
// found.
//
// Zombies are passed over: a kill is counted before it is done, so with no counted kill to be explained a zombie is
// nobody's victim, and there may be tens of thousands. Scan looks at all of them if the counter has moved meanwhile.
//
// Most processes live for a moment. Without near, who was found is opened only, and looked at by a Look that comes at
// least 2 ms later: every look into /proc/PID leaves entries in the kernel's caches that make the reaping of the process
// several times dearer (proc_flush_pid in fs/proc/base.c, Linux 6.18). With near, memory is so near to its limit that
// somebody could be killed before that.
func (t *Tracker) Look(now time.Time, near bool) (found bool) {
	if t == nil {
		return false
	}
	t.refreshYoung(now)
	known := len(t.young)
	t.lines.collect(t.learnLine)
	t.passed = 0
	t.lookAtFresh(now, near)

	newest, ok := t.proc.newest()
	list := !t.listAt.IsZero() && now.After(t.listAt)
	switch {
	case ok && newest == t.newest && !list:
	case ok && t.newest > 0 && newest > t.newest && newest-t.newest <= mostNew && !list:
		for pid := t.newest + 1; pid <= newest; pid++ {
			t.discover(pid, now, near)
		}
		t.newest = newest
	default:
		t.listAt = time.Time{}
		// An error leaves who is known as they are; the next look tries again.
		_ = t.proc.pids(func(pid int) { t.discover(pid, now, true) })
		t.newest = newest
	}
	return len(t.young) > known || len(t.fresh) > 0
}

// freshPID is a process that was found and not yet looked at, or that was none of ours at the last look.
type freshPID struct {
	pid, fd int
	found   time.Time
	lookAt  time.Time // not before that
}

// strangerFor is how long a process that is none of ours is looked at again: an engine makes the first process of an exec'd
// session in the container's pid namespace, and moves it into the cgroup after that.
const strangerFor = time.Second

// lookAtFresh looks at those who were found a while ago and still live, or at all of them.
func (t *Tracker) lookAtFresh(now time.Time, all bool) {
	fresh := t.fresh[:0]
	for _, f := range t.fresh {
		switch {
		case !all && ended(f.fd):
			t.pass(f.pid)
			t.closePidfd(f.fd)
		case all || !now.Before(f.lookAt):
			if t.adopt(f.pid, f.fd, now) {
				continue
			}
			if f, again := t.stranger(f, now); again {
				fresh = append(fresh, f)
			}
		default:
			fresh = append(fresh, f)
		}
	}
	t.fresh = fresh
}

// stranger says when to look again at a process that is none of ours, if so.
func (t *Tracker) stranger(f freshPID, now time.Time) (freshPID, bool) {
	age := now.Sub(f.found)
	if f.fd >= 0 && ended(f.fd) || age > strangerFor {
		t.closePidfd(f.fd)
		return f, false
	}
	f.lookAt = now.Add(max(youngEvery, age)) // twice as old each time
	return f, true
}

// pass remembers that a process was not looked at because it has ended.
func (t *Tracker) pass(pid int) {
	if t.passed == 0 || pid < t.passed {
		t.passed = pid
	}
}

// refreshYoung looks again at those who were found lately: what a process is right after its fork, its parent's image,
// is not what it will be.
func (t *Tracker) refreshYoung(now time.Time) {
	if now.Sub(t.youngAt) < youngEvery {
		return
	}
	t.youngAt = now
	young := t.young[:0]
	for _, p := range t.young {
		if p.youth > 0 {
			t.refresh(p, now)
			if p.youth--; p.youth > 0 {
				young = append(young, p)
			}
		}
	}
	clear(t.young[len(young):])
	t.young = young
}

// youngEvery bounds how often refreshYoung looks, however often Look is called.
const youngEvery = 2 * time.Millisecond

// mostNew is how many new pids are looked at one by one. Beyond that, listing who is there is cheaper.
const mostNew = 1 << 15

// looksAtYoung is how many Looks after the one that found it look at a process again.
const looksAtYoung = 4

// discover opens the process, unless it is known, gone, or has ended: then it is passed over. With atOnce, it is looked at
// now, whatever it is.
func (t *Tracker) discover(pid int, now time.Time, atOnce bool) {
	if pid == t.self {
		return
	}
	if known := t.table[pid]; known != nil {
		if s, found := t.proc.stat(pid, known.Comm); found != present || known.StartTime == s.startTime {
			return
		}
		t.drop(known) // the pid is somebody else now
	}
	fd, process := t.openPidfd(pid)
	switch {
	case !process:
	case fd < 0 || atOnce:
		if t.adopt(pid, fd, now) {
			return
		}
		if f, again := t.stranger(freshPID{pid: pid, fd: fd, found: now}, now); again {
			t.fresh = append(t.fresh, f)
		}
	case ended(fd):
		t.pass(pid)
		t.closePidfd(fd)
	default:
		t.fresh = append(t.fresh, freshPID{pid, fd, now, now.Add(youngEvery)})
	}
}

// adopt looks at a process that was found and adds it to the table, unless it is already gone, or a zombie that no signal
// ended. It reports false for one that is none of ours, as far as can be seen now; its pidfd is then left open.
func (t *Tracker) adopt(pid, fd int, now time.Time) (done bool) {
	s, found := t.proc.stat(pid, "")
	if found != present || (s.zombie() && s.exitCode == 0 && s.flags&flagSignaled == 0) {
		if status, ok := exitStatus(fd); ok && status.Signaled() && found == absent && t.init {
			t.unseen = append(t.unseen, Death{Process{PID: pid, pidfd: -1, statFD: -1}, PidfdStatus, status})
		}
		t.closePidfd(fd)
		return true
	}
	origin, ours := t.origin(s)
	if !ours {
		return false
	}
	p := &Process{PID: pid, StartTime: s.startTime, UID: t.proc.uid(pid), Origin: origin, pidfd: -1, statFD: -1, youth: looksAtYoung}
	t.watch(p, fd)
	t.keep(p)
	t.learn(p, s, now)
	t.table[pid] = p
	t.young = append(t.young, p)
	t.askLine(p)
	return true
}

// origin says where a process that is seen for the first time comes from, and whether it is ours at all.
func (t *Tracker) origin(s stat) (origin Origin, ours bool) {
	if s.pid == t.main {
		return Tree, true
	}
	if s.ppid == 0 {
		return Exec, t.isMember(s)
	}
	if parent := t.table[s.ppid]; parent != nil {
		return parent.Origin, true
	}
	if origin, known := t.ancestry(s.ppid); known {
		return origin, origin == Tree || t.isMember(s)
	}
	// An orphan, or a child whose parent was never seen: the leader of its session is the best relative left.
	if leader := t.table[s.session]; leader != nil {
		return leader.Origin, true
	}
	if t.init || s.ppid == t.self {
		return Tree, true
	}
	return Exec, t.isMember(s)
}

// ancestry follows the parents of a process that is not in the table, up to one that is, or to the first process of an
// exec'd session.
func (t *Tracker) ancestry(pid int) (origin Origin, known bool) {
	for range maxAncestors {
		if pid == t.self {
			return Tree, !t.init // who is PID 1's child may be an orphan of whomever
		}
		if p := t.table[pid]; p != nil {
			return p.Origin, true
		}
		s, found := t.proc.stat(pid, "")
		switch {
		case found != present:
			return Tree, false
		case s.ppid == 0:
			return Exec, t.init // elsewhere it is the first process of the namespace, and an ancestor of ours
		}
		pid = s.ppid
	}
	return Tree, false
}

// isMember reports whether a process that does not descend from us is in our memory cgroup. Where that cannot be told,
// PID 1 takes it for its own: nobody else has a pid namespace in common with it as a rule.
func (t *Tracker) isMember(s stat) bool {
	if shares, known := t.shares(s.pid); known && !s.zombie() { // v1 shows no cgroup of a zombie any more
		return shares
	}
	return t.init
}

// learn takes over what a look showed.
func (t *Tracker) learn(p *Process, s stat, now time.Time) {
	p.ParentPID, p.Comm, p.session, p.seen = s.ppid, s.comm, s.session, now
	p.exiting = s.zombie() || s.flags&flagExiting != 0
	if !p.exiting {
		p.ResidentBytes = s.rssPages * t.page
		if s.open && s.exitCode == 0 && !s.killPending {
			p.AliveAt = now
		}
	}
}

// refresh looks at a known process again. It returns false if it could not be seen.
func (t *Tracker) refresh(p *Process, now time.Time) bool {
	s, found := t.look(p)
	if found != present {
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

// Refresh looks at the memory of the processes again, of at most 256 of them in one call. A larger one without a pidfd
// then takes the pidfd of a smaller one, where there are not enough for all.
func (t *Tracker) Refresh(now time.Time) {
	if t == nil {
		return
	}
	var largest, smallest *Process // without a pidfd, and with one
	refreshed := 0
	for _, p := range t.table { // a map's order is random, which makes the bound fair over time
		if refreshed++; refreshed > refreshAtMost {
			break
		}
		if !t.refresh(p, now) {
			continue
		}
		switch {
		case p.pidfd < 0 && (largest == nil || smaller(largest, p)):
			largest = p
		case p.pidfd >= 0 && (smallest == nil || smaller(p, smallest)):
			smallest = p
		}
	}
	if largest != nil && smallest != nil {
		t.swapPidfd(largest, smallest)
	}
}

// swapPidfd gives the pidfd of one process to another, if that is the larger one.
func (t *Tracker) swapPidfd(to, from *Process) {
	if smaller(from, to) {
		t.unwatch(from)
		fd, _ := t.openPidfd(to.PID)
		t.watch(to, fd)
	}
}

// sweepAtMost bounds the processes that one Sweep looks at.
const sweepAtMost = 64

// Sweep looks for processes without a pidfd that are gone, since nothing else would tell of them, and calls yield for
// those. Where every process has a pidfd it costs nothing; otherwise it looks at no more than 64 in one call.
func (t *Tracker) Sweep(yield func(Death)) {
	if t == nil || t.pidfds.open >= len(t.table) {
		return
	}
	swept := 0
	for _, p := range t.table {
		if p.pidfd >= 0 {
			continue
		}
		if swept++; swept > sweepAtMost {
			return
		}
		if _, found := t.look(p); found == absent {
			t.gone(p, yield)
		}
	}
}
