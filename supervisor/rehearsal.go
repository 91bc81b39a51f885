package supervisor

import (
	"strings"
	"time"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/proctrack"
	"github.com/oominit/oominit/policy"
)

// rehearseAfter is when what the first kill needs of code and heap is brought in: not at the start, which it would slow
// down, and not when memory is at its limit. rehearseAgain is when what a kill has used is made ready for the next.
const (
	rehearseAfter = 10 * time.Millisecond
	rehearseAgain = 100 * time.Millisecond
	// rehearsalsAtMost bounds how often it is tried where there is no room: page cache may fill a cgroup to its limit for good.
	rehearsalsAtMost = 10
)

// rehearse goes the way of a kill, from the death to the line, with a victim that never was: the pages of code and heap that it
// needs are there then (docs/design/0012-no-new-page.md).
func (s *Supervisor) rehearse(now time.Time, names ...int) {
	if s.group == nil {
		return
	}
	if usage, limit := s.usageAndLimit(); tight(usage, limit) {
		if s.rehearsals++; s.rehearsals < rehearsalsAtMost {
			s.rehearseAt = now.Add(rehearseAgain)
		}
		return // to take memory now is what this is to avoid
	}
	s.rehearsals = 0
	s.recorder.rehearse(now)
	for _, length := range names {
		s.rehearseKill(now, length)
	}
}

// rehearseKill does so for names of a length.
func (s *Supervisor) rehearseKill(now time.Time, length int) {
	comm := strings.Repeat("x", length)
	victim := proctrack.Process{
		PID: -1, ParentPID: -1, StartTime: 1, Comm: comm, CommandLine: strings.Repeat("--token\x00x\x00", length), Exe: "/" + comm,
		ResidentBytes: 1 << 20, AliveAt: now, Age: time.Second,
	}
	for range 1 + length/3 {
		victim.Ancestors = append(victim.Ancestors, proctrack.Ancestor{PID: -1, Comm: comm})
	}
	var engine attribution.Engine
	engine.Rose(1, attribution.OwnLimit, now)
	engine.Died(s.death(victim, attribution.Killed, attribution.StatCode, now))
	for _, v := range engine.Finish(now) {
		decision := policy.NewEngine(s.config.Rules, s.config.Policy).Decide(facts(v), now)
		s.report.Rehearse(now, s.oomKill(now, v), s.decided(v, decision, decision.Action))
	}
}
