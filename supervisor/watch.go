package supervisor

import (
	"cmp"
	"slices"
	"time"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/memcg"
	"github.com/oominit/oominit/internal/report"
)

// refreshEvery bounds how often the memory of all processes is read, and fewRefreshEvery that of few.
const (
	refreshEvery    = 50 * time.Millisecond
	fewRefreshEvery = 10 * time.Millisecond
	few             = 32
)

// limitHitEvery bounds how often the event memory_limit_hit is written.
const limitHitEvery = 10 * time.Second

// limitRecent is how long after the own limit ran out a kill counts as its doing.
const limitRecent = time.Second

// nextLook is the pause before the next look after a kill was counted whose victim has not been seen, by how long ago that
// was: the counter rises before the victim is marked. It grows, since who waits for long may wait for a processor that our
// looks take from it.
func nextLook(age time.Duration) time.Duration {
	const least, most = time.Millisecond, 500 * time.Millisecond
	return min(max(age/4, least), most)
}

// watch is what the loop remembers of the memory cgroup.
type watch struct {
	polled bool // the kernel wakes us
	last   memcg.Counters
	// ownLimitAt is when the own limit was last seen to run out.
	ownLimitAt time.Time
	// nestedLimitAt is when the limit of a cgroup below ours was last seen to run out (v2).
	nestedLimitAt time.Time
	// nearAt is when usage was last seen above nine tenths of the limit; peaked says that the peak was at the limit
	// before the last tick.
	nearAt       time.Time
	peaked       bool
	limitHits    uint64 // not reported yet
	limitHitAt   time.Time
	refreshedAt  time.Time
	rhythm       rhythm // of the looks where nothing wakes us
	stillness    stillness
	still        bool      // the last look took no memory
	lookAgainAt  time.Time // zero without a kill to be explained
	roseAt       time.Time // when the last kill was counted
	counterFault bool
	// closed says that the last look was taken: what is counted later belongs to nobody's end, and who is started anew again
	// and again must not keep the container from ending.
	closed bool
}

// openRest opens what the start could do without. The kills that count are those since the baseline, from before the main
// child's start; the other counters begin here.
func (w *watch) openRest(g *memcg.Group) {
	g.OpenRest()
	if now, err := g.Counters(); err == nil {
		now.OOMKill = w.last.OOMKill
		w.last = now
	}
}

// readCounters reports a rise to the engine. It must come after the last death that was observed.
func (s *Supervisor) readCounters(now time.Time) {
	w := &s.watch
	if w.closed {
		return
	}
	counters, err := s.group.Counters()
	if err != nil {
		if !w.counterFault { // ENODEV: the cgroup was removed under us
			w.counterFault = true
			s.report.Unsupported(now, report.Unsupported{Reason: err.Error()})
		}
		return
	}
	if own := counters.OwnOOM - w.last.OwnOOM; own > 0 {
		w.ownLimitAt = now
	} else if counters.OOM > w.last.OOM {
		w.nestedLimitAt = now
	}
	if counters.LimitHit > w.last.LimitHit {
		if s.group.Version == memcg.V1 { // each kill by it is one, since the kernel tries once more before
			w.ownLimitAt = now
		}
		w.limitHits += counters.LimitHit - w.last.LimitHit
		if now.Sub(w.limitHitAt) >= limitHitEvery {
			s.report.LimitHit(now, report.LimitHit{Hits: w.limitHits, Memory: s.memory()})
			w.limitHits, w.limitHitAt = 0, now
		}
	}
	own, below := counters.OOMKill-w.last.OOMKill, counters.NestedKill-w.last.NestedKill
	if own > 0 || below > 0 {
		s.rose(now, own, s.whichLimit(now))
		s.rose(now, below, attribution.NestedLimit) // it may have been one above, which v1 does not tell
		w.lookAgainAt, w.roseAt = now.Add(nextLook(0)), now
	}
	w.last = counters
}

// whichLimit says whose limit ran out, of a kill that was just counted. On v2 the counter of our own limit tells, on v1 that
// of its hits. Where the kernel does not count those (memcg.Counters), only the peak does, and only the first time that it
// comes to the limit; after that, usage near the limit speaks for it, or what the victim had (ranInto).
func (s *Supervisor) whichLimit(now time.Time) attribution.Limit {
	w := &s.watch
	switch {
	case now.Sub(w.ownLimitAt) < limitRecent:
		return attribution.OwnLimit
	case now.Sub(w.nestedLimitAt) < limitRecent:
		return attribution.NestedLimit
	case s.group.Version == memcg.V2 || !s.group.PeakAtLimit():
		return attribution.LimitAbove
	case !w.peaked || now.Sub(w.nearAt) < limitRecent:
		return attribution.OwnLimit
	default:
		return attribution.LimitUnknown
	}
}

// ranInto reports whether the own limit must have run out for a victim whose limit is not known: with its memory, which is
// back, usage would be there. What it had at the last look is the least that it had; only without one the peak counts, which may
// be that of a child.
func (s *Supervisor) ranInto(v attribution.Verdict) bool {
	back := slices.Contains(v.Evidence, attribution.WaitStatus) || slices.Contains(v.Evidence, attribution.PidfdStatus)
	usage, limit := s.usageAndLimit()
	return back && limit != memcg.Unlimited && usage+cmp.Or(v.Process.ResidentBytes, v.Process.PeakBytes) >= limit-limit/10
}

// look finds out what happened: who was born, who died, what was counted. With full, the memory of the processes is read
// as well.
func (s *Supervisor) look(now time.Time, full bool) {
	if s.group == nil {
		s.settle(now)
		return
	}
	usage, limit := s.usageAndLimit()
	s.watch.sawUsage(now, usage, limit)
	if tight(usage, limit) {
		s.report.Hold(now.Add(stillAtMost)) // before anything is reported; below it is decided for how long
	}
	s.readCounters(now)
	s.recorder.take(now, usage, s.tracker)
	s.watch.still = false
	if s.watch.stillness.needed(now, usage, limit, s.watch.roseAt) {
		if next := now.Add(nextLook(now.Sub(s.watch.stillness.tightSince))); s.watch.lookAgainAt.Before(next) {
			s.watch.lookAgainAt = next
		}
		s.watch.still = true
		if s.engine.Unclaimed() > 0 {
			s.tracker.ScanKept(now, s.observe) // the victim may be gone before there is room
			s.readCounters(now)                // a death that was just seen may be another kill's
		}
		unclaimed := s.engine.Unclaimed()
		known := unclaimed > 0 && s.engine.Bodies() >= unclaimed
		judged := unclaimed == 0 && now.Sub(s.watch.roseAt) < stillAtMost
		dying := s.tracker.Dying()
		if (known || judged) && !dying {
			s.report.Hold(time.Time{}) // the victims' memory is back, and somebody else has it already
		} else {
			s.report.Hold(s.watch.stillness.tightSince.Add(stillAtMost))
		}
		if known && s.tracker.AllKept() { // to judge takes no memory
			s.judge(now)
			s.settle(now)
			return
		}
		if !known || dying {
			return
		}
	}
	s.report.Hold(time.Time{})
	if s.tracker.Look(now, usage >= limit/2 || s.engine.Unclaimed() > 0) {
		s.watch.rhythm.born(now)
	}
	every := refreshEvery
	if s.tracker.Len() <= few {
		every = fewRefreshEvery
	}
	if full && now.Sub(s.watch.refreshedAt) >= every {
		s.watch.refreshedAt = now
		s.tracker.Refresh(now)
	}
	s.tracker.Ended(s.observe)
	s.tracker.Sweep(s.observe)
	s.readCounters(now)
	if s.engine.Unclaimed() > 0 {
		s.tracker.Scan(now, s.observe)
		s.readCounters(now)
	} else {
		s.tracker.AllClear()
	}
	s.judge(now)
	s.settle(now)
	s.nextHook(now) // a kill that was judged while we held still may wait for it
}

// sawUsage remembers what whichLimit asks for.
func (w *watch) sawUsage(now time.Time, usage, limit memcg.Bytes) {
	if limit != memcg.Unlimited && usage >= limit-limit/10 {
		w.nearAt = now
	}
}

// usageAndLimit reads both; without a usage, or a limit, it is far from the limit.
func (s *Supervisor) usageAndLimit() (usage, limit memcg.Bytes) {
	usage, ok := s.group.Usage()
	limit, limitOK := s.group.Limit()
	if !ok || !limitOK {
		limit = memcg.Unlimited
	}
	return usage, limit
}

// setAlarm sets the alarm to the next moment at which something is due.
func (s *Supervisor) setAlarm(now time.Time) {
	var due time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	sooner(s.graceEnds)
	sooner(s.delayEnds)
	sooner(s.hook.endsAt)
	sooner(s.metricsAt)
	sooner(s.recordAt)
	sooner(s.rehearseAt)
	sooner(s.trimAt)
	sooner(s.watch.lookAgainAt)
	sooner(s.watch.rhythm.tickAt)
	if at, ok := s.engine.Deadline(); ok {
		if s.watch.still && at.Before(s.watch.lookAgainAt) {
			at = s.watch.lookAgainAt // what is due before that has to wait
		}
		sooner(at)
	}
	s.alarm.set(due, now)
}

// timeElapsed does what is due.
func (s *Supervisor) timeElapsed(now time.Time) {
	w := &s.watch
	if !s.graceEnds.IsZero() && !now.Before(s.graceEnds) {
		s.graceEnds = time.Time{}
		s.on(graceElapsed)
	}
	s.hookElapsed(now)
	if !s.metricsAt.IsZero() && !now.Before(s.metricsAt) {
		s.writeMetrics(now)
	}
	if !s.recordAt.IsZero() && !now.Before(s.recordAt) {
		s.recordAt = now.Add(s.config.RecordEvery)
	}
	if !s.delayEnds.IsZero() && !now.Before(s.delayEnds) {
		s.forwardDelayed()
	}
	if !s.rehearseAt.IsZero() && !now.Before(s.rehearseAt) {
		s.rehearseAt = time.Time{}
		s.rehearse(now, 15, 10, 5) // texts of several lengths: the heap keeps those of each size apart
	}
	if !s.trimAt.IsZero() && !now.Before(s.trimAt) {
		s.trimAt = time.Time{}
		trim()
		s.rehearse(now, 10)
	}
	if s.group == nil {
		return
	}
	near := false
	if w.rhythm.due(now) {
		usage, limit := s.usageAndLimit()
		near = w.rhythm.ticked(now, usage, limit)
		s.execs.arm(now, s.poller, s.tracker)
	}
	if !w.lookAgainAt.IsZero() && !now.Before(w.lookAgainAt) {
		w.lookAgainAt = now.Add(sparing(nextLook(now.Sub(w.roseAt)), now.Sub(w.lookAgainAt)))
	}
	s.look(now, near)
	w.peaked = s.group.PeakAtLimit() // after the counter was read: the peak of a kill is not one from before it
}
