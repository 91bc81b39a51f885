package attribution

import (
	"cmp"
	"slices"
	"time"
)

// How long the engine waits for better evidence before it names somebody on weaker grounds. A victim that is still
// being torn down can take 3 s until it is a zombie: the kernel's oom reaper waits 2 s and then tries for another
// (OOM_REAPER_DELAY and MAX_OOM_REAP_RETRIES in mm/oom_kill.c, Linux 6.18).
const (
	// SettleWait is for a process with a SIGKILL status: the kernel sends the SIGKILL right after it has counted the kill,
	// but whoever kills by himself at that moment may be seen first. What comes after it was not the kernel's doing.
	SettleWait = 2 * time.Millisecond
	// MarkedWithin is how long after a rise the SIGKILL is sent at the latest, with a processor that is taken away in between
	// (a CPU quota does so for up to its period). Who was seen without it later than that was not the victim.
	MarkedWithin = 100 * time.Millisecond
	// SignaledWait is for a process that died of some signal.
	SignaledWait = 50 * time.Millisecond
	// VanishedWait is for a process of which only the absence is known.
	VanishedWait = 500 * time.Millisecond
	// BodyWait is for a kill without any candidate.
	BodyWait = 3 * time.Second
)

// maxCandidates bounds the deaths that wait for a rise, and maxJudged the memory of those already judged. With more,
// the oldest are forgotten: in a storm of deaths certainty goes, not memory.
const (
	maxCandidates = 256
	maxJudged     = 256
)

type rise struct {
	at        time.Time
	unclaimed uint64
	limit     Limit
}

// Engine matches deaths to counter rises. The zero value is ready. It is not safe for concurrent use.
type Engine struct {
	rises      []rise
	candidates []*Death
	judged     []ID // a ring; next is where the next one goes
	next       int
	rival      Process // the largest process that lived when the counter rose last; zero once it was seen to end
}

// Lives names the largest of the processes that were not seen to end, as of the last look before a rise. The kernel takes the
// largest (oom_badness in mm/oom_kill.c), so while that one may still turn out to have been taken, no much smaller one is
// certainly the victim.
func (e *Engine) Lives(largest Process) { e.rival = largest }

// Bodies returns how many processes with a SIGKILL status wait for a verdict.
func (e *Engine) Bodies() (n uint64) {
	for _, c := range e.candidates {
		if c.Knowledge == Killed {
			n++
		}
	}
	return n
}

// Candidates returns how many deaths may still explain a kill.
func (e *Engine) Candidates() int { return len(e.candidates) }

// Rose reports that the counter rose by kills, first seen at the given time.
func (e *Engine) Rose(kills uint64, limit Limit, at time.Time) {
	if kills > 0 {
		e.rises = append(e.rises, rise{at: at, unclaimed: kills, limit: limit})
	}
}

// Unclaimed returns how many counted kills have no verdict yet.
func (e *Engine) Unclaimed() (kills uint64) {
	for _, r := range e.rises {
		kills += r.unclaimed
	}
	return kills
}

// Died reports a death. A later report of the same process with better knowledge replaces the earlier; what the new one
// lacks (a zombie has no memory and no command line left) is kept from the old. A process that was judged already is
// passed over.
func (e *Engine) Died(d Death) {
	if slices.Contains(e.judged, d.Process.ID) {
		return
	}
	if d.Process.ID == e.rival.ID {
		e.rival = Process{}
	}
	for i := range e.candidates {
		old := e.candidates[i]
		if old.Process.ID != d.Process.ID {
			continue
		}
		if d.Knowledge <= old.Knowledge {
			return
		}
		d.At = old.At
		d.Process.ResidentBytes = max(d.Process.ResidentBytes, old.Process.ResidentBytes)
		if d.Process.CommandLine == "" {
			d.Process.CommandLine, d.Process.Exe = old.Process.CommandLine, old.Process.Exe
		}
		if len(d.Process.Ancestors) < len(old.Process.Ancestors) { // its parents may be gone by now
			d.Process.Ancestors = old.Process.Ancestors
		}
		if d.Process.AliveAt.IsZero() {
			d.Process.AliveAt = old.Process.AliveAt
		}
		if old.Process.Age > 0 { // it lived no longer than that
			d.Process.Age = old.Process.Age
		}
		*old = d
		return
	}
	if len(e.candidates) == maxCandidates {
		e.candidates = slices.Delete(e.candidates, 0, 1)
	}
	e.candidates = append(e.candidates, &d)
}

// Judge returns the verdicts that can be given now. The counter must have been read, and its rise reported, after the
// last death was observed.
func (e *Engine) Judge(now time.Time) []Verdict { return e.judge(now, false) }

// Finish judges what is left without waiting for more evidence, because there will be none.
func (e *Engine) Finish(now time.Time) []Verdict { return e.judge(now, true) }

// Deadline returns when Judge should be called again even if nothing else happens.
func (e *Engine) Deadline() (at time.Time, ok bool) {
	sooner := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	if len(e.rises) > 0 {
		sooner(e.rises[0].at.Add(BodyWait))
		for _, c := range e.candidates {
			if c.Knowledge == Killed {
				sooner(e.settledAt(c))
				continue
			}
			sooner(laterOf(c.At, e.rises[0].at).Add(wait(c.Knowledge)))
		}
	}
	return at, ok
}

func (e *Engine) judge(now time.Time, final bool) (verdicts []Verdict) {
	verdicts = e.judgeKilled(verdicts, now, final)
	for _, k := range []Knowledge{Signaled, Vanished, KilledByUs} {
		verdicts = e.judgeWeak(verdicts, k, now, final)
	}
	for len(e.rises) > 0 && (final || now.Sub(e.rises[0].at) >= BodyWait) {
		verdicts = append(verdicts, Verdict{
			OOM: true, Certainty: Unattributed, Evidence: []Evidence{CounterRise}, Limit: e.claim(0),
		})
	}
	e.expire(now)
	return verdicts
}

// expire forgets candidates that can explain no kill any more: those with another status, which are no victims whatever
// else is seen of them, and those whose own wait is over.
func (e *Engine) expire(now time.Time) {
	e.candidates = slices.DeleteFunc(e.candidates, func(c *Death) bool {
		if c.Knowledge == Ended {
			e.remember(c.Process.ID)
			return true
		}
		since := c.At
		if len(e.rises) > 0 {
			since = laterOf(c.At, e.rises[0].at)
		}
		return now.Sub(since) >= BodyWait
	})
}

// judgeKilled gives a verdict on every candidate with a SIGKILL status, unless a rise that it may explain is so young
// that somebody else may turn out to have been killed.
func (e *Engine) judgeKilled(verdicts []Verdict, now time.Time, final bool) []Verdict {
	killed := e.take(func(c *Death) bool {
		return c.Knowledge == Killed && (final || e.explainedBy(c) < 0 || !now.Before(e.settledAt(c)))
	})
	// More SIGKILL deaths than counted kills: somebody else kills at the same moment, or several processes shared one
	// memory. The kernel takes the largest (oom_badness in mm/oom_kill.c), so the smaller ones are cleared.
	fitting := uint64(0)
	for _, c := range killed {
		if e.explainedBy(c) >= 0 {
			fitting++
		}
	}
	ambiguous := fitting > e.Unclaimed()
	for _, c := range killed {
		e.remember(c.Process.ID)
		i := e.explainedBy(c)
		if i < 0 {
			verdicts = append(verdicts, Verdict{Process: c.Process, Certainty: Certain, Evidence: []Evidence{c.Evidence}})
			continue
		}
		v := Verdict{OOM: true, Process: c.Process, Certainty: Certain, Evidence: []Evidence{CounterRise, c.Evidence}}
		if ambiguous {
			v.Certainty, v.Evidence = Probable, append(v.Evidence, Largest)
		}
		v.Limit = e.claim(i)
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// settledAt is when nobody else can turn out to have been killed instead of a process with a SIGKILL status. There must be
// a rise.
func (e *Engine) settledAt(c *Death) time.Time {
	last := e.rises[len(e.rises)-1].at
	// The last looks may have been some milliseconds before the rise, in which the victim has grown: hence the half.
	if known := size(c.Process); known > 0 && known+known/2 < e.rival.ResidentBytes {
		return last.Add(MarkedWithin)
	}
	return last.Add(SettleWait)
}

// explainedBy returns the oldest rise that the death may explain, or -1. Who was seen alive after a rise was not the
// victim of it (MarkedWithin).
func (e *Engine) explainedBy(c *Death) int {
	return slices.IndexFunc(e.rises, func(r rise) bool { return c.fits(r) })
}

func (d *Death) fits(r rise) bool { return !d.Process.AliveAt.After(r.at.Add(MarkedWithin)) }

// judgeWeak names candidates of one weaker kind of knowledge for rises that nobody with a status explains, once the wait
// for such a status is over.
func (e *Engine) judgeWeak(verdicts []Verdict, k Knowledge, now time.Time, final bool) []Verdict {
	for i := 0; i < len(e.rises); {
		r := e.rises[i]
		best := -1
		several := false
		for j, c := range e.candidates {
			if c.Knowledge != k || !c.fits(r) || (!final && now.Sub(laterOf(c.At, r.at)) < wait(k)) {
				continue
			}
			several = several || best >= 0
			if best < 0 || larger(c, e.candidates[best]) < 0 {
				best = j
			}
		}
		if best < 0 {
			i++
			continue
		}
		c := e.candidates[best]
		e.candidates = slices.Delete(e.candidates, best, best+1)
		e.remember(c.Process.ID)
		v := Verdict{OOM: true, Process: c.Process, Certainty: Probable, Evidence: []Evidence{CounterRise, c.Evidence},
			ByUs: c.Knowledge == KilledByUs}
		if several {
			v.Evidence = append(v.Evidence, Largest)
		}
		v.Limit = e.claim(i) // the next rise comes to stand at i if this one is used up
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// take removes the candidates that fit and returns them, the largest first.
func (e *Engine) take(fits func(*Death) bool) (taken []*Death) {
	e.candidates = slices.DeleteFunc(e.candidates, func(c *Death) bool {
		if fits(c) {
			taken = append(taken, c)
			return true
		}
		return false
	})
	for i := range taken { // few, and nearly always one
		for j := i; j > 0 && larger(taken[j], taken[j-1]) < 0; j-- {
			taken[j], taken[j-1] = taken[j-1], taken[j]
		}
	}
	return taken
}

// claim takes one kill off a rise.
func (e *Engine) claim(i int) Limit {
	limit := e.rises[i].limit
	if e.rises[i].unclaimed--; e.rises[i].unclaimed == 0 {
		e.rises = slices.Delete(e.rises, i, i+1)
	}
	return limit
}

func (e *Engine) remember(id ID) {
	if len(e.judged) < maxJudged {
		e.judged = append(e.judged, id)
		return
	}
	e.judged[e.next] = id
	e.next = (e.next + 1) % maxJudged
}

// larger orders by memory, the largest first; between equals the older process, so that the result never depends on
// the order of arrival.
func larger(a, b *Death) int {
	return cmp.Or(
		cmp.Compare(size(b.Process), size(a.Process)),
		cmp.Compare(a.Process.StartTime, b.Process.StartTime),
		cmp.Compare(a.Process.PID, b.Process.PID),
	)
}

// size is what the kernel's badness would mostly consist of. The peak counts only where the last look came too late.
func size(p Process) uint64 { return cmp.Or(p.ResidentBytes, p.PeakBytes) }

func wait(k Knowledge) time.Duration {
	switch k {
	case Signaled:
		return SignaledWait
	case Vanished:
		return VanishedWait
	case KilledByUs:
		return BodyWait
	case Killed, Ended:
		return 0
	}
	return 0
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
