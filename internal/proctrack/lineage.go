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
