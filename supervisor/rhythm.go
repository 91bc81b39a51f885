package supervisor

import (
	"time"

	"github.com/oominit/oominit/internal/memcg"
)

// How often the counters and the processes are looked at where the kernel does not tell of kills (cgroup v1), by how near
// usage is to the limit. Where it does (v2), nobody need look at all, but for the time after a birth.
const (
	tickFar    = 250 * time.Millisecond // below half
	tickNear   = 50 * time.Millisecond
	tickAtEdge = 10 * time.Millisecond // above nine tenths
)

// After somebody was born the looks are closer for a second, since who was just born may have children at once, and fill
// the memory before the next far tick. They begin at tickYoung, which finds a process that lives for a few milliseconds
// only, and widen with the time since the birth. Where it takes longer than that to fill what is left of the limit, they need
// not be as close: at fillRate, in bytes a nanosecond, no program writes to new memory.
const (
	tickYoung = 2 * time.Millisecond
	busyFor   = time.Second
	fillRate  = 8
)

// rhythm says when to look next. The zero value never does.
type rhythm struct {
	started   bool
	told      bool      // the kernel tells of kills
	tickAt    time.Time // zero without a tick
	lastBirth time.Time
	closest   time.Duration // of the looks, as of the last tick
}

// start begins the ticks, at the birth of the main child.
func (r *rhythm) start(now time.Time, told bool) {
	*r = rhythm{started: true, told: told, tickAt: now.Add(tickYoung), lastBirth: now, closest: tickYoung}
}

// born says that processes were found that are new.
func (r *rhythm) born(now time.Time) {
	r.lastBirth = now
	r.within(now, max(tickYoung, r.closest))
}

// stirred says that something happened after which somebody may be born: a program was started, or a process ended.
func (r *rhythm) stirred(now time.Time) {
	if r.told {
		r.within(now, tickFar) // this tick is for what is done at each
		return
	}
	r.within(now, max(tickAtEdge, r.closest))
}

func (r *rhythm) within(now time.Time, interval time.Duration) {
	if at := now.Add(interval); r.started && (r.tickAt.IsZero() || at.Before(r.tickAt)) {
		r.tickAt = at
	}
}

// due reports whether a tick has come.
func (r *rhythm) due(now time.Time) bool { return !r.tickAt.IsZero() && !now.Before(r.tickAt) }

// ticked sets the next tick by how near usage is to the limit and how long ago somebody was born. It reports whether the
// memory of the processes is worth a look.
func (r *rhythm) ticked(now time.Time, usage, limit memcg.Bytes) (near bool) {
	late := now.Sub(r.tickAt)
	interval := tickFar
	switch {
	case r.told: // usage may stay near the limit for ever, with page cache
	case usage >= limit-limit/10:
		interval = tickAtEdge
	case usage >= limit/2:
		// Half of it can be gone in some 10 ms, and a process that is forked and never executes a program wakes nobody.
		interval = max(tickAtEdge, time.Duration(min((limit-usage)/fillRate*4, uint64(tickNear))))
	}
	near = interval < tickFar
	r.closest = tickYoung
	if usage < limit {
		r.closest = max(tickYoung, time.Duration(min((limit-usage)/fillRate, uint64(tickNear))))
	}
	age := now.Sub(r.lastBirth)
	if age < busyFor {
		interval, near = min(interval, max(r.closest, min(age/4, tickAtEdge))), true
	}
	r.tickAt = now.Add(sparing(interval, late))
	if r.told && age >= busyFor {
		r.tickAt = time.Time{}
	}
	return near
}

// sparing returns the interval, or a longer one after a look that came late: a container that has used up its CPU quota stands
// still until the next period, and what we take of that others lack, a victim that is about to end among them.
func sparing(interval, late time.Duration) time.Duration {
	return max(interval, min(late, tickFar))
}
