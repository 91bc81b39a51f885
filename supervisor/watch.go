package supervisor

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/memcg"
	"github.com/oominit/oominit/internal/proctrack"
	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/policy"
)

// How often the counters and the processes are looked at where nothing wakes us (cgroup v1), by how near usage is to
// the limit.
const (
	tickFar    = 250 * time.Millisecond // below half
	tickNear   = 50 * time.Millisecond
	tickAtEdge = 10 * time.Millisecond // above nine tenths
)

// busyFor is how long after somebody was born the processes are looked at as often as at the edge: who was just born
// may have children at once, and fill the memory before the next far tick.
const busyFor = time.Second

// refreshEvery bounds how often the memory of all processes is read.
const refreshEvery = 50 * time.Millisecond

// limitHitEvery bounds how often the event memory_limit_hit is written.
const limitHitEvery = 10 * time.Second

// holdStillMargin is the room below the limit, in bytes, that lets us open files; each CPU charges 64 pages ahead.
// holdStillAtMost bounds the wait for it: page cache can fill a cgroup to its limit for good.
const (
	holdStillMargin = 1 << 20
	holdStillAtMost = 50 * time.Millisecond
)

// limitRecent is how long after the own limit ran out a kill counts as its doing.
const limitRecent = time.Second

// lookAgain are the pauses after a kill was counted whose victim has not been seen: the counter rises before the
// victim is marked.
var lookAgain = []time.Duration{time.Millisecond, 4 * time.Millisecond, 15 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond}

// watch is what the loop remembers of the memory cgroup.
type watch struct {
	polled bool // the kernel wakes us
	last   memcg.Counters
	// ownLimitAt is when the own limit was last seen to run out.
	ownLimitAt   time.Time
	limitHits    uint64 // not reported yet
	limitHitAt   time.Time
	refreshedAt  time.Time
	tickAt       time.Time // zero without a tick
	busyUntil    time.Time
	execs        int // the descriptor that tells of programs being started; 0 before there is one
	execsRefused bool
	lookAgainAt  time.Time // zero without a kill to be explained
	looksSince   int
	roseAt       time.Time // when the last kill was counted
	tightSince   time.Time // since when usage is at the limit; zero if it is not
	counterFault bool
}

// readCounters reports a rise to the engine. It must come after the last death that was observed.
func (s *Supervisor) readCounters(now time.Time) {
	w := &s.watch
	counters, err := s.group.Counters()
	if err != nil {
		if !w.counterFault { // ENODEV: the cgroup was removed under us
			w.counterFault = true
			s.report.Unsupported(now, report.Unsupported{Reason: err.Error()})
		}
		return
	}
	if counters.OOM > w.last.OOM {
		w.ownLimitAt = now
	}
	if counters.LimitHit > w.last.LimitHit {
		w.limitHits += counters.LimitHit - w.last.LimitHit
		if now.Sub(w.limitHitAt) >= limitHitEvery {
			s.report.LimitHit(now, report.LimitHit{Hits: w.limitHits, Memory: s.memory()})
			w.limitHits, w.limitHitAt = 0, now
		}
	}
	if counters.OOMKill > w.last.OOMKill {
		limit := attribution.LimitAbove
		if now.Sub(w.ownLimitAt) < limitRecent || (s.group.Version == memcg.V1 && s.group.PeakAtLimit()) {
			limit = attribution.OwnLimit
		}
		s.engine.Rose(counters.OOMKill-w.last.OOMKill, limit, now)
		w.looksSince, w.lookAgainAt, w.roseAt = 0, now.Add(lookAgain[0]), now
	}
	w.last = counters
}

// look finds out what happened: who was born, who died, what was counted. With full, the memory of the processes is read
// as well.
func (s *Supervisor) look(now time.Time, full bool) {
	if s.group == nil {
		s.settle(now)
		return
	}
	s.readCounters(now)
	if s.mustHoldStill(now) {
		s.watch.lookAgainAt = now.Add(lookAgain[0])
		return
	}
	if s.tracker.Look(now) && !s.watch.polled {
		s.busy(now)
	}
	if full && now.Sub(s.watch.refreshedAt) >= refreshEvery {
		s.watch.refreshedAt = now
		s.tracker.Refresh(now)
	}
	s.tracker.Ended(s.observe)
	s.readCounters(now)
	if s.engine.Unclaimed() > 0 {
		s.tracker.Scan(now, s.observe)
	}
	s.judge(now)
	s.settle(now)
}

// mustHoldStill reports whether usage has just come to the limit. Opening a file takes memory of the cgroup's. Where there
// is none, the kernel kills for us; and in the moment in which its victim does not count as dying any more and the pages
// are still charged, it kills once more (docs/design/0008-hold-still.md). Reading from open files takes nothing.
func (s *Supervisor) mustHoldStill(now time.Time) bool {
	w := &s.watch
	usage, ok := s.group.Usage()
	limit, limitOK := s.group.Limit()
	if !ok || !limitOK || limit == memcg.Unlimited || usage+holdStillMargin <= limit {
		w.tightSince = time.Time{}
		return false
	}
	if w.tightSince.IsZero() || w.roseAt.After(w.tightSince) {
		w.tightSince = now
	}
	return now.Sub(w.tightSince) < holdStillAtMost
}

// busy has the next second looked at closely.
func (s *Supervisor) busy(now time.Time) {
	w := &s.watch
	w.busyUntil = now.Add(busyFor)
	if at := now.Add(tickAtEdge); at.Before(w.tickAt) {
		w.tickAt = at
	}
}

// watchExecs has the next start of a program wake us, where nothing else would tell of a process before it is killed.
// It is first called a while after the start: the kernel takes some 10 ms to give an inotify instance back when we end
// (synchronize_srcu under fsnotify_destroy_group in fs/notify/group.c), which would be felt with short commands.
func (s *Supervisor) watchExecs() {
	w := &s.watch
	const once = unix.EPOLLIN | unix.EPOLLONESHOT // in the second after it, the timer looks often enough
	switch {
	case s.poller == nil || w.execsRefused:
	case w.execs > 0:
		s.tracker.DrainExecs()
		_ = s.poller.rearm(w.execs, once) // cannot fail for a descriptor that was added
	default:
		fd, err := s.tracker.WatchExecs(strings.Split(searchPath(), ":"))
		if err == nil {
			err = s.poller.add(fd, once)
		}
		// The limit on inotify instances is the user's: without one the timer finds who is born, only later.
		w.execs, w.execsRefused = fd, err != nil
	}
}

// observe takes the end of a process that is not our child.
func (s *Supervisor) observe(d proctrack.Death) {
	now := time.Now()
	evidence := map[proctrack.Knowledge]attribution.Evidence{
		proctrack.StatCode: attribution.StatCode, proctrack.PidfdStatus: attribution.PidfdStatus,
	}
	switch d.Knowledge {
	case proctrack.Vanished:
		s.engine.Died(s.death(d.Process, attribution.Vanished, attribution.Gone, now))
	case proctrack.Signaled:
		s.engine.Died(s.death(d.Process, attribution.Signaled, attribution.SignaledFlag, now))
	case proctrack.StatCode, proctrack.PidfdStatus:
		knowledge := attribution.Ended
		if d.Status.Signaled() && status(d.Status).Signal == sigkill {
			knowledge = attribution.Killed
		}
		s.engine.Died(s.death(d.Process, knowledge, evidence[d.Knowledge], now))
	}
}

const sigkill = 9

// judge takes the verdicts that can be given now.
func (s *Supervisor) judge(now time.Time) { s.conclude(now, s.engine.Judge(now)) }

// conclude reports the verdicts and lets the policy decide on each.
func (s *Supervisor) conclude(now time.Time, verdicts []attribution.Verdict) {
	for _, v := range verdicts {
		if !v.OOM {
			s.reportSIGKILL(now, v)
			continue
		}
		s.kills++
		s.reportOOMKill(now, v)
		s.decide(now, v)
	}
	if s.engine.Unclaimed() == 0 {
		s.watch.lookAgainAt = time.Time{}
	}
}

func (s *Supervisor) decide(now time.Time, v attribution.Verdict) {
	action := policy.Decide(s.config.Policy, policy.OOMKill{Main: v.Process.Main})
	if v.Certainty == attribution.Unattributed && s.group.LevelsUp > 0 {
		action = policy.Continue // others share the counter: the victim may be none of ours
	}
	if s.state == settling {
		action = min(action, policy.Propagate) // the main child ended by itself: nothing was stopped
	}
	if action > s.harshest {
		s.harshest = action
		s.reportPolicy(now, action)
	}
	switch action {
	case policy.Stop:
		s.on(stopDecided)
	case policy.Kill:
		s.on(killDecided)
	case policy.Continue, policy.Propagate:
	}
}

// armTimer sets the timer to the next moment at which something is due.
func (s *Supervisor) armTimer(now time.Time) {
	var due time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	sooner(s.graceEnds)
	sooner(s.watch.lookAgainAt)
	if !s.watch.polled {
		sooner(s.watch.tickAt)
	}
	if at, ok := s.engine.Deadline(); ok {
		sooner(at)
	}
	if due.IsZero() {
		s.timer.Stop()
		return
	}
	s.timer.Reset(max(0, due.Sub(now)))
}

// timeElapsed does what is due.
func (s *Supervisor) timeElapsed(now time.Time) {
	w := &s.watch
	if !s.graceEnds.IsZero() && !now.Before(s.graceEnds) {
		s.graceEnds = time.Time{}
		s.on(graceElapsed)
	}
	if s.group == nil {
		return
	}
	near := false
	if !w.tickAt.IsZero() && !now.Before(w.tickAt) {
		var interval time.Duration
		interval, near = s.tickInterval(now)
		w.tickAt = now.Add(interval)
	}
	if !w.lookAgainAt.IsZero() && !now.Before(w.lookAgainAt) {
		w.looksSince = min(w.looksSince+1, len(lookAgain)-1)
		w.lookAgainAt = now.Add(lookAgain[w.looksSince])
	}
	s.look(now, near)
}

// tickInterval returns when to look again, and whether usage is near the limit.
func (s *Supervisor) tickInterval(now time.Time) (interval time.Duration, near bool) {
	if now.Before(s.watch.busyUntil) {
		return tickAtEdge, true
	}
	s.watchExecs()
	usage, ok := s.group.Usage()
	limit, limitOK := s.group.Limit()
	switch {
	case !ok || !limitOK || limit == memcg.Unlimited || usage < limit/2:
		return tickFar, false
	case usage < limit-limit/10:
		return tickNear, true
	default:
		return tickAtEdge, true
	}
}
