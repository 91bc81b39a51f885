package proctrack

import (
	"time"

	"golang.org/x/sys/unix"
)

// maxAncestors bounds the chain: an event holds it all.
const maxAncestors = 8

// ticksPerSecond is USER_HZ, in which /proc/PID/stat gives times; it is 100 on every architecture that Go knows.
const ticksPerSecond = 100

// lineage fills in the age and the ancestors of a process that has ended.
func (t *Tracker) lineage(p *Process) {
	p.Age = sinceStart(p.StartTime)
	p.Ancestors = nil
	if p.PID == t.main {
		return
	}
	for pid := p.ParentPID; len(p.Ancestors) < maxAncestors; {
		ancestor := t.table[pid]
		if ancestor == nil {
			return
		}
		p.Ancestors = append(p.Ancestors, Ancestor{ancestor.PID, ancestor.Comm})
		if pid == t.main || ancestor.ParentPID == pid {
			return
		}
		pid = ancestor.ParentPID
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
		if s, found := t.proc.stat(pid); found == present {
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
