package supervisor

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/proctrack"
	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/policy"
)

// observe takes the end of a process that is not our child.
func (s *Supervisor) observe(d proctrack.Death) {
	now := time.Now()
	evidence := map[proctrack.Knowledge]attribution.Evidence{
		proctrack.StatCode: attribution.StatCode, proctrack.PidfdStatus: attribution.PidfdStatus,
	}
	switch d.Knowledge {
	case proctrack.Vanished:
		s.died(now, s.death(d.Process, attribution.Vanished, attribution.Gone, now))
	case proctrack.Signaled:
		s.died(now, s.death(d.Process, attribution.Signaled, attribution.SignaledFlag, now))
	case proctrack.StatCode, proctrack.PidfdStatus:
		knowledge := attribution.Ended
		if d.Status.Signaled() && d.Status.Signal() == unix.SIGKILL {
			knowledge = attribution.Killed
		}
		s.died(now, s.death(d.Process, knowledge, evidence[d.Knowledge], now))
	}
}

// rose and died give the engine what it judges by.
func (s *Supervisor) rose(now time.Time, kills uint64, limit attribution.Limit) {
	if kills > 0 {
		s.report.Observation(now, report.Observation{Kills: kills, Limit: string(limit)})
		if largest, ok := s.tracker.LargestLiving(); ok {
			s.engine.Lives(attribution.Process{
				ID: attribution.ID{PID: largest.PID, StartTime: largest.StartTime}, ResidentBytes: largest.ResidentBytes,
			})
		}
		s.engine.Rose(kills, limit, now)
	}
}

func (s *Supervisor) died(now time.Time, d attribution.Death) {
	s.report.Observation(now, report.Observation{
		Process: process(d.Process), StartTime: d.Process.StartTime, AliveAt: d.Process.AliveAt,
		Knowledge: d.Knowledge.String(), Evidence: string(d.Evidence),
	})
	s.engine.Died(d)
}

// judge takes the verdicts that can be given now.
func (s *Supervisor) judge(now time.Time) { s.conclude(now, s.engine.Judge(now)) }

// conclude reports the verdicts and lets the policy decide on each.
func (s *Supervisor) conclude(now time.Time, verdicts []attribution.Verdict) {
	for _, v := range verdicts {
		if !v.OOM && s.watch.closed {
			continue // whether it was counted is not known any more
		}
		if !v.OOM {
			s.reportSIGKILL(now, v)
			s.decide(now, v)
			continue
		}
		if v.Limit == attribution.LimitUnknown && s.ranInto(v) {
			v.Limit = attribution.OwnLimit
		}
		s.kills++
		s.reportOOMKill(now, v)
		s.decide(now, v)
	}
	if s.engine.Unclaimed() == 0 && !s.watch.still { // what waits for memory waits for the next look
		s.watch.lookAgainAt = time.Time{}
	}
	if len(verdicts) > 0 {
		if s.watch.still && s.config.Report.MetricsFile != "" {
			s.metricsAt = now.Add(stillAtMost) // to write a file takes memory
		} else {
			s.writeMetrics(now)
		}
	}
}

func (s *Supervisor) decide(now time.Time, v attribution.Verdict) {
	decision := s.policy.Decide(facts(v), now)
	if v.Certainty == attribution.Unattributed && s.group.LevelsUp > 0 {
		decision = policy.Decision{} // others share the counter: the victim may be none of ours
	}
	if s.state >= draining || v.Process.Main {
		decision = decision.WithoutMain() // it ended by itself
	}
	action := decision.Action
	if decision.Signal != 0 {
		s.send(unix.Signal(decision.Signal), s.config.SignalScope.target(s.mainPID, s.init))
	}
	if action > s.harshest {
		s.harshest = action
		s.decidedBy = report.DecidedBy{
			Kill: s.kills, PID: v.Process.PID, Parent: v.Process.ParentPID, Comm: v.Process.Comm, Action: action.String(),
			Rule: decision.Rule, RuleText: decision.Text,
		}
	}
	if action > policy.Continue || decision.Rule > 0 {
		s.report.Policy(now, s.decided(v, decision, action))
	}
	switch action {
	case policy.Stop:
		s.on(stopDecided)
	case policy.Kill:
		s.on(killDecided)
	case policy.Propagate:
		if s.state == stopping { // what is left cannot be trusted to end by itself
			s.on(stopDecided)
		}
	case policy.Continue:
	}
}
