package report

import (
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Started reports that the main child runs.
func (r *Reporter) Started(at time.Time, v Started) {
	message := "pause mode: orphans are reaped until SIGTERM comes"
	if v.Main != nil {
		message = fmt.Sprintf("%s started as pid %d; policy %s", printable(v.Main.Comm), v.Main.PID, v.Policy)
	}
	if v.Cgroup != nil && v.Cgroup.OOMGroup {
		message += "; memory.oom.group is set: an OOM kill will take the whole container, this process included, and " +
			"nothing can be reported then"
	}
	r.emit(at, zerolog.InfoLevel, "started", message, func(e *zerolog.Event) {
		if v.Main != nil {
			r.process(e, "process", *v.Main)
		}
		e.Dict("init", zerolog.Dict().Int("pid", v.PID).Bool("subreaper", v.Subreaper))
		if c := v.Cgroup; c != nil {
			e.Dict("cgroup", zerolog.Dict().Str("version", c.Version).Str("path", printable(c.Path)).Str("directory", printable(c.Dir)).
				Bool("oom_group", c.OOMGroup).Str("woken_by", c.WokenBy))
		}
		memory(e, v.Memory)
		e.Str("policy", v.Policy)
	})
}

// SIGKILL reports a SIGKILL death that was no OOM kill.
func (r *Reporter) SIGKILL(at time.Time, v SIGKILL) {
	message := fmt.Sprintf("%s (pid %d) died of SIGKILL, which this container's memory cgroup did not count as an OOM kill", printable(v.Process.Comm), v.Process.PID)
	r.emit(at, zerolog.InfoLevel, "sigkill", message, func(e *zerolog.Event) {
		r.process(e, "process", v.Process)
		e.Str("role", v.Role).Str("origin", v.Origin).Strs("evidence", v.Evidence)
	})
}

// Observation reports what a verdict will rest on.
func (r *Reporter) Observation(at time.Time, v Observation) {
	if !r.Debugs() {
		return // the message is not worth its making
	}
	message := fmt.Sprintf("%s (pid %d): %s, by %s", printable(v.Process.Comm), v.Process.PID, v.Knowledge, v.Evidence)
	if v.Kills > 0 {
		message = fmt.Sprintf("OOM kills counted: %d more; limit %s", v.Kills, v.Limit)
	}
	r.emit(at, zerolog.DebugLevel, "observation", message, func(e *zerolog.Event) {
		if v.Kills > 0 {
			e.Dict("rise", zerolog.Dict().Uint64("kills", v.Kills).Str("limit", v.Limit))
			return
		}
		r.process(e, "process", v.Process)
		d := zerolog.Dict().Str("knowledge", v.Knowledge).Str("evidence", v.Evidence).Uint64("start_time_ticks", v.StartTime)
		if !v.AliveAt.IsZero() {
			d.Str("alive_at", v.AliveAt.UTC().Format(timeFormat))
		}
		e.Dict("death", d)
	})
}

// LimitHit reports that usage reached the limit.
func (r *Reporter) LimitHit(at time.Time, v LimitHit) {
	r.emit(at, zerolog.InfoLevel, "memory_limit_hit", "memory usage reached the limit", func(e *zerolog.Event) {
		e.Uint64("hits", v.Hits)
		memory(e, v.Memory)
	})
}

// Policy reports what follows from a kill.
func (r *Reporter) Policy(at time.Time, v Policy) {
	message := "policy " + v.Action
	if v.Rule > 0 {
		message = fmt.Sprintf("rule %d (%s): %s", v.Rule, printable(v.RuleText), v.Action)
	}
	ends := v.Action == "stop" || v.Action == "kill"
	switch {
	case ends && v.GracePeriod > 0:
		message += fmt.Sprintf(": %s now, SIGKILL in %s, exit code %d", v.Signal, v.GracePeriod, v.ExitCode)
	case ends:
		message += fmt.Sprintf(": %s now, exit code %d", v.Signal, v.ExitCode)
	case v.Signal != "":
		message += fmt.Sprintf(": %s now", v.Signal)
	case v.Action == "propagate":
		message += fmt.Sprintf(": an exit code 0 will become %d", v.ExitCode)
	}
	r.emit(at, zerolog.WarnLevel, "policy", message, func(e *zerolog.Event) {
		e.Str("action", v.Action)
		if v.Action != "continue" {
			e.Int("exit_code", v.ExitCode)
		}
		if v.Victim != nil {
			e.Dict("process", shortDict(v.Victim.PID, v.Victim.ParentPID, v.Victim.Comm))
		}
		rule(e, v.Rule, v.RuleText)
		if v.Signal != "" {
			e.Str("signal", v.Signal)
		}
		if v.GracePeriod > 0 {
			e.Float64("grace_period_seconds", v.GracePeriod.Seconds())
		}
	})
}

// Unsupported reports what cannot be had here, and why.
func (r *Reporter) Unsupported(at time.Time, v Unsupported) {
	r.emit(at, zerolog.WarnLevel, "unsupported", printable(v.Reason), func(e *zerolog.Event) { e.Str("reason", printable(v.Reason)) })
}

// Warning reports a fault that changes nothing for the container.
func (r *Reporter) Warning(at time.Time, v Warning) {
	r.emit(at, zerolog.WarnLevel, "warning", printable(v.Text), func(*zerolog.Event) {})
}

// Exit reports the end. Where a reader was slow it waits for room in the queue, a quarter of a second at most.
func (r *Reporter) Exit(at time.Time, v Exit) {
	if r.queue != nil && r.queue.full() {
		r.queue.flush(lastWordsWait) // of all lines this is the one to have
	}
	if name := r.options.TerminationLog; name != "" && r.files != nil && v.Kills > 0 {
		message, create := terminationMessage(r.told, v), r.options.CreateTerminationLog
		r.files.Do(func() { leaveTerminationMessage(name, message, create) })
	}
	level := zerolog.InfoLevel
	if v.Kills > 0 || (r.queue != nil && r.queue.hasLost()) {
		level = zerolog.WarnLevel
	}
	message := fmt.Sprintf("pause mode is over; exit code %d", v.Code)
	if v.Main != nil {
		message = fmt.Sprintf("main (pid %d) %s; exit code %d", v.Main.PID, v.Main.words(), v.Code)
	}
	if v.Reason == "policy" {
		message += " by policy"
	}
	if v.Kills > 0 {
		message += fmt.Sprintf("; OOM kills: %d", v.Kills)
	}
	r.emit(at, level, "exit", message, func(e *zerolog.Event) {
		e.Int("exit_code", v.Code).Str("reason", v.Reason)
		if v.Main != nil {
			e.Dict("main", v.Main.dict())
		}
		if by := v.DecidedBy; by != nil {
			d := zerolog.Dict().Uint64("oom_kill", by.Kill)
			if by.PID > 0 {
				d.Dict("process", shortDict(by.PID, by.Parent, by.Comm))
			}
			rule(d, by.Rule, by.RuleText)
			e.Dict("decided_by", d)
		}
		e.Uint64("oom_kills", v.Kills)
		memory(e, v.Memory)
	})
}

// lastWordsWait is how long the exit event waits for room, where a reader was slow.
const lastWordsWait = 250 * time.Millisecond

// Reaped reports an orphan that ended.
func (r *Reporter) Reaped(at time.Time, v Reaped) {
	level := zerolog.DebugLevel
	if v.Warn {
		level = zerolog.WarnLevel
	}
	r.emit(at, level, "reaped", fmt.Sprintf("reaped pid %d, which %s", v.Child.PID, v.Child.words()), func(e *zerolog.Event) {
		e.Dict("child", v.Child.dict())
	})
}
