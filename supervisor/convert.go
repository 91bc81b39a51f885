package supervisor

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/memcg"
	"github.com/oominit/oominit/internal/proctrack"
	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/policy"
	"github.com/oominit/oominit/reaper"
)

// The rooms do not know each other's types; this file translates.

// death puts an observed end into the words of attribution.
func (s *Supervisor) death(p proctrack.Process, k attribution.Knowledge, e attribution.Evidence, at time.Time) attribution.Death {
	if k == attribution.Killed && s.killedByUs {
		k = attribution.KilledByUs
	}
	ancestors := make([]attribution.Ancestor, len(p.Ancestors))
	for i, a := range p.Ancestors {
		ancestors[i] = attribution.Ancestor(a)
	}
	return attribution.Death{
		Process: attribution.Process{
			ID:            attribution.ID{PID: p.PID, StartTime: p.StartTime},
			ParentPID:     p.ParentPID,
			Comm:          p.Comm,
			CommandLine:   p.CommandLine,
			Exe:           p.Exe,
			ResidentBytes: p.ResidentBytes,
			UID:           p.UID,
			Main:          p.PID == s.mainPID,
			Exec:          p.Origin == proctrack.Exec,
			AliveAt:       p.AliveAt,
			Age:           p.Age,
			Ancestors:     ancestors,
		},
		Knowledge: k, Evidence: e, At: at,
	}
}

// facts puts a verdict into the words of policy.
func facts(v attribution.Verdict) policy.Verdict {
	p := v.Process
	ancestors := make([]string, len(p.Ancestors))
	for i, a := range p.Ancestors {
		ancestors[i] = a.Comm
	}
	return policy.Verdict{
		OOM: v.OOM, Comm: p.Comm, Exe: p.Exe, CommandLine: strings.ReplaceAll(strings.TrimRight(p.CommandLine, "\x00"), "\x00", " "),
		Ancestors: ancestors, Main: p.Main, Exec: p.Exec, ResidentBytes: p.ResidentBytes,
		Limit: policy.Limit(v.Limit), Certainty: policy.Certainty(v.Certainty),
	}
}

// largestListed is how many of the largest processes an event lists when nobody was found.
const largestListed = 5

func (s *Supervisor) reportOOMKill(now time.Time, v attribution.Verdict) {
	e := s.oomKill(now, v)
	s.report.OOMKill(now, e)
	s.rehearseAt, s.rehearsals = now.Add(rehearseAgain), 0
	if s.hook.thread == nil || s.hook.pid > 0 && v.Process.PID == s.hook.pid {
		return
	}
	commandLine := ""
	if e.Victim != nil {
		commandLine = s.report.CommandLine(e.Victim.CommandLine)
	}
	s.tellHook(now, hookCall{s.report.OOMKillLine(now, e), hookVariables(e, commandLine)})
}

// oomKill puts a verdict into the words of report.
func (s *Supervisor) oomKill(now time.Time, v attribution.Verdict) report.OOMKill {
	e := report.OOMKill{
		Certainty: string(v.Certainty), Evidence: evidence(v.Evidence), Limit: string(v.Limit), Memory: s.memory(), Kills: s.kills,
	}
	if v.Certainty == attribution.Unattributed {
		for _, p := range s.tracker.Largest(largestListed) {
			e.Candidates = append(e.Candidates, report.Process{
				PID: p.PID, ParentPID: p.ParentPID, Comm: p.Comm, UID: p.UID, UIDKnown: true, ResidentBytes: p.ResidentBytes,
			})
		}
	} else {
		victim := process(v.Process)
		e.Victim, e.Role, e.Origin = &victim, role(v.Process), origin(v.Process)
	}
	e.Recorded = s.recorder.before(now)
	return e
}

// metricsEvery is how often the metrics file is written while nothing else happens.
const metricsEvery = 10 * time.Second

// writeMetrics has the metrics file written, if one is wanted.
func (s *Supervisor) writeMetrics(now time.Time) {
	if s.config.Report.MetricsFile == "" {
		return
	}
	s.metricsAt = now.Add(metricsEvery)
	s.report.Metrics(now, report.Gauges{Memory: s.memory(), Reaped: s.reaped, SignalsForwarded: s.forwarded})
}

func (s *Supervisor) reportSIGKILL(now time.Time, v attribution.Verdict) {
	s.report.SIGKILL(now, report.SIGKILL{
		Process: process(v.Process), Role: role(v.Process), Origin: origin(v.Process), Evidence: evidence(v.Evidence),
	})
}

// decided puts what follows from a kill into the words of report.
func (s *Supervisor) decided(v attribution.Verdict, d policy.Decision, action policy.Action) report.Policy {
	e := report.Policy{Action: action.String(), ExitCode: s.config.ExitCode, Rule: d.Rule, RuleText: d.Text}
	if v.Certainty != attribution.Unattributed {
		victim := process(v.Process)
		e.Victim = &victim
	}
	switch action {
	case policy.Stop:
		e.Signal, e.GracePeriod = signalName(s.config.StopSignal), s.config.GracePeriod
	case policy.Kill:
		e.Signal = "SIGKILL"
	case policy.Continue, policy.Propagate:
		if d.Signal != 0 {
			e.Signal = signalName(unix.Signal(d.Signal))
		}
	}
	return e
}

func (s *Supervisor) reportStarted(now time.Time) {
	e := report.Started{
		PID: os.Getpid(), Subreaper: !s.init, Policy: s.config.Policy.String(), Memory: s.memory(),
	}
	if !s.config.Pause {
		e.Main = &report.Process{PID: s.mainPID, ParentPID: os.Getpid(), Comm: base(s.config.Command[0])}
	}
	if s.group != nil {
		e.Cgroup = &report.Cgroup{
			Version: s.group.Version.String(), Path: s.group.Path, Dir: s.group.Dir, OOMGroup: s.group.OOMGroup, WokenBy: "timer",
		}
		if s.watch.polled {
			e.Cgroup.WokenBy = "poll"
		}
	}
	s.report.Started(now, e)
}

// reportReaped reports an orphan. Most of the time nobody wants to know, and then it costs nothing.
func (s *Supervisor) reportReaped(exit reaper.Exit) {
	if s.config.WarnReaped || s.report.Debugs() {
		s.report.Reaped(time.Now(), report.Reaped{Child: ending(exit.PID, exit.Status), Warn: s.config.WarnReaped})
	}
}

func (s *Supervisor) reportExit(now time.Time, code int, reason policy.Reason) {
	e := report.Exit{Code: code, Reason: string(reason), Kills: s.kills, Memory: s.memory()}
	if reason == policy.ReasonPolicy {
		e.DecidedBy = &s.decidedBy
	}
	if !s.config.Pause {
		main := ending(s.mainPID, s.mainStatus)
		e.Main = &main
	}
	s.report.Exit(now, e)
}

func ending(pid int, w unix.WaitStatus) report.Ending {
	if own := status(w); own.Signal == 0 {
		return report.Ending{PID: pid, Code: own.Code}
	}
	return report.Ending{PID: pid, Signal: signalName(w.Signal())}
}

// signalName returns SIGTERM and the like; real-time signals have a number only.
func signalName(sig unix.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return sig.String()
}

// memory reads what an event says of the memory cgroup.
func (s *Supervisor) memory() (m report.Memory) {
	if s.group == nil {
		return m
	}
	if limit, ok := s.group.Limit(); ok && limit != memcg.Unlimited {
		m.LimitBytes = limit
	}
	m.UsageBytes, _ = s.group.Usage()
	m.PeakBytes, _ = s.group.Peak()
	return m
}

func process(p attribution.Process) report.Process {
	ancestors := make([]report.Ancestor, len(p.Ancestors))
	for i, a := range p.Ancestors {
		ancestors[i] = report.Ancestor(a)
	}
	return report.Process{
		PID: p.PID, ParentPID: p.ParentPID, Comm: p.Comm, CommandLine: p.CommandLine, Exe: p.Exe, UID: p.UID, UIDKnown: p.StartTime > 0,
		ResidentBytes: p.ResidentBytes, Age: p.Age, Ancestors: ancestors,
	}
}

func role(p attribution.Process) string {
	if p.Main {
		return "main"
	}
	return "leaf"
}

func origin(p attribution.Process) string {
	if p.Exec {
		return "exec"
	}
	return "tree"
}

func evidence(list []attribution.Evidence) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = string(e)
	}
	return out
}

// base returns the last element of a path.
func base(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return name
}
