package proctrack

import (
	"time"

	"golang.org/x/sys/unix"
)

// maxAncestors bounds the chain: an event holds it all.
const maxAncestors = 8

// departedKept is how many processes that have left the table are remembered as ancestors: who waits for a victim ends
// together with it as a rule, a pipeline and its shell at once, and may be seen to have ended first.
const departedKept = 128

// departed are the last processes that have left the table. The zero value remembers nobody.
type departed struct {
	ring [departedKept]kin
	next int
}

// kin is what a chain of ancestors needs of one process.
type kin struct {
	pid, parentPID int
	startTime      uint64
	comm           string
}

func (d *departed) add(p *Process) {
	d.ring[d.next] = kin{p.PID, p.ParentPID, p.StartTime, p.Comm}
	d.next = (d.next + 1) % departedKept
}

// find returns the last process that had the pid and was not born after the given time: a pid is used anew.
func (d *departed) find(pid int, notAfter uint64) (kin, bool) {
	for i := range departedKept {
		a := d.ring[(d.next-1-i+departedKept)%departedKept]
		if a.pid == pid && a.startTime <= notAfter {
			return a, true
		}
	}
	return kin{}, false
}

// ancestor returns who has the pid, or had it when a process was born that started at the given time.
func (t *Tracker) ancestor(pid int, notAfter uint64) (kin, bool) {
	if pid <= 0 { // the parent is in no namespace that we see
		return kin{}, false
	}
	if p := t.table[pid]; p != nil && p.StartTime <= notAfter {
		return kin{p.PID, p.ParentPID, p.StartTime, p.Comm}, true
	}
	return t.departed.find(pid, notAfter)
}

// ticksPerSecond is USER_HZ, in which /proc/PID/stat gives times; it is 100 on every architecture that Go knows.
const ticksPerSecond = 100

// lineage fills in the age and the ancestors of a process that has ended.
func (t *Tracker) lineage(p *Process) {
	p.Age = sinceStart(p.StartTime)
	p.Ancestors = nil
	if p.PID == t.main {
		return
	}
	for pid, born := p.ParentPID, p.StartTime; len(p.Ancestors) < maxAncestors; {
		ancestor, known := t.ancestor(pid, born)
		if !known {
			return
		}
		p.Ancestors = append(p.Ancestors, Ancestor{ancestor.pid, ancestor.comm})
		if pid == t.main || ancestor.parentPID == pid {
			return
		}
		pid, born = ancestor.parentPID, ancestor.startTime
	}
}

// sinceStart returns the time since a start time in ticks since boot, or 0 if it is unknown. Both are of the time
// namespace that we are in.
func sinceStart(ticks uint64) time.Duration {
	var now unix.Timespec
	if ticks == 0 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return max(0, time.Duration(now.Nano())-time.Duration(ticks)*(time.Second/ticksPerSecond))
}

// Descendants returns the pids of all who descend from us, as /proc shows them now, zombies excepted.
func (t *Tracker) Descendants() (pids []int) {
	if t == nil {
		return nil
	}
	type entry struct {
		parent int
		zombie bool
	}
	all := map[int]entry{}
	// What was seen before an error counts.
	_ = t.proc.pids(func(pid int) {
		if s, found := t.proc.stat(pid, ""); found == present {
			all[pid] = entry{s.ppid, s.zombie()}
		}
	})
	for pid, e := range all {
		if e.zombie {
			continue
		}
		// The steps are bounded, since a pid that was used anew while we looked can close a ring.
		for parent, steps := e.parent, 0; parent > 0 && steps < len(all); parent, steps = all[parent].parent, steps+1 {
			if parent == t.self {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}
