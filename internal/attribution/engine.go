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
}

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
			d.Process.CommandLine = old.Process.CommandLine
		}
		if len(d.Process.Ancestors) < len(old.Process.Ancestors) { // its parents may be gone by now
			d.Process.Ancestors = old.Process.Ancestors
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
			sooner(laterOf(c.At, e.rises[0].at).Add(wait(c.Knowledge)))
		}
	}
	return at, ok
}

func (e *Engine) judge(now time.Time, final bool) (verdicts []Verdict) {
	verdicts = e.judgeKilled(verdicts)
	for _, k := range []Knowledge{Signaled, Vanished, KilledByUs} {
		verdicts = e.judgeWeak(verdicts, k, now, final)
	}
	for len(e.rises) > 0 && (final || now.Sub(e.rises[0].at) >= BodyWait) {
		verdicts = append(verdicts, Verdict{
			OOM: true, Certainty: Unattributed, Evidence: []Evidence{CounterRise}, Limit: e.claim(),
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

// judgeKilled gives a verdict on every candidate with a SIGKILL status.
func (e *Engine) judgeKilled(verdicts []Verdict) []Verdict {
	killed := e.take(func(c *Death) bool { return c.Knowledge == Killed })
	due := e.Unclaimed()
	// More SIGKILL deaths than counted kills: somebody else kills at the same moment, or several processes shared one
	// memory. The kernel takes the largest (oom_badness in mm/oom_kill.c), so the smaller ones are cleared.
	ambiguous := due > 0 && uint64(len(killed)) > due
	for i, c := range killed {
		e.remember(c.Process.ID)
		if uint64(i) >= due {
			verdicts = append(verdicts, Verdict{Process: c.Process, Certainty: Certain, Evidence: []Evidence{c.Evidence}})
			continue
		}
		v := Verdict{OOM: true, Process: c.Process, Certainty: Certain, Evidence: []Evidence{CounterRise, c.Evidence}}
		if ambiguous {
			v.Certainty, v.Evidence = Probable, append(v.Evidence, Largest)
		}
		v.Limit = e.claim()
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// judgeWeak names candidates of one weaker kind of knowledge for rises that nobody with a status explains, once the wait
// for such a status is over.
func (e *Engine) judgeWeak(verdicts []Verdict, k Knowledge, now time.Time, final bool) []Verdict {
	for len(e.rises) > 0 {
		from := e.rises[0].at
		ripe := func(c *Death) bool {
			return c.Knowledge == k && (final || now.Sub(laterOf(c.At, from)) >= wait(k))
		}
		best := -1
		several := false
		for i, c := range e.candidates {
			if !ripe(c) {
				continue
			}
			several = several || best >= 0
			if best < 0 || larger(c, e.candidates[best]) < 0 {
				best = i
			}
		}
		if best < 0 {
			return verdicts
		}
		c := e.candidates[best]
		e.candidates = slices.Delete(e.candidates, best, best+1)
		e.remember(c.Process.ID)
		v := Verdict{OOM: true, Process: c.Process, Certainty: Probable, Evidence: []Evidence{CounterRise, c.Evidence},
			ByUs: c.Knowledge == KilledByUs}
		if several {
			v.Evidence = append(v.Evidence, Largest)
		}
		v.Limit = e.claim()
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

// claim takes one kill off the oldest rise.
func (e *Engine) claim() Limit {
	limit := e.rises[0].limit
	if e.rises[0].unclaimed--; e.rises[0].unclaimed == 0 {
		e.rises = slices.Delete(e.rises, 0, 1)
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
