package report

import (
	"bytes"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Rehearse writes the events of a kill to nowhere. The pages of code and heap that they need are then there when memory is at
// its limit: a page fault of ours at that moment would have the kernel kill another process of the container.
func (r *Reporter) Rehearse(at time.Time, kill OOMKill, follows Policy) {
	if r.queue == nil {
		return
	}
	rehearsal := &Reporter{options: r.options, queue: &queue{}} // a queue without room, and without a thread
	rehearsal.log = zerolog.New(rehearsal).Level(r.options.Level)
	rehearsal.Observation(at, Observation{Kills: 1, Limit: kill.Limit})
	if kill.Victim != nil {
		rehearsal.Observation(at, Observation{Process: *kill.Victim, AliveAt: at, Knowledge: kill.Certainty, Evidence: kill.Limit})
	}
	rehearsal.OOMKill(at, kill)
	rehearsal.Policy(at, follows)
}

// OOMKill reports one counted kill.
func (r *Reporter) OOMKill(at time.Time, v OOMKill) {
	r.counts.killed(v)
	if len(r.told) < killsTold {
		r.told = append(r.told, killInWords(v))
	}
	write := func() {
		r.emit(at, zerolog.ErrorLevel, "oom_kill", oomKillMessage(v), func(e *zerolog.Event) { r.oomKill(e, v) })
	}
	if write(); r.tooLong { // hostile names take six times their length; what was recorded is what can be missed
		r.queue.lost(r.carried)
		v.Recorded = Recorded{}
		if write(); r.tooLong {
			r.lostTooLong()
		}
	}
}

// OOMKillLine returns the event as it is written in JSON, whatever the level and the format are.
func (r *Reporter) OOMKillLine(at time.Time, v OOMKill) []byte {
	var b bytes.Buffer
	log := zerolog.New(&b)
	e := log.WithLevel(zerolog.ErrorLevel).Str(zerolog.TimestampFieldName, at.UTC().Format(timeFormat)).Str("event", "oom_kill")
	r.oomKill(e, v).Str(zerolog.MessageFieldName, oomKillMessage(v)).Send()
	return b.Bytes()
}

// CommandLine returns as much of a raw command line as events show.
func (r *Reporter) CommandLine(raw string) string { return r.options.CommandLines.apply(raw) }

func (r *Reporter) oomKill(e *zerolog.Event, v OOMKill) *zerolog.Event {
	if v.Victim != nil {
		r.process(e, "process", *v.Victim)
		e.Str("role", v.Role).Str("origin", v.Origin)
	} else {
		candidates := zerolog.Arr()
		for _, p := range v.Candidates {
			p.CommandLine = "" // several of them would not fit into one line
			candidates.Dict(r.processDict(p))
		}
		e.Array("candidates", candidates)
	}
	e.Str("certainty", v.Certainty).Strs("evidence", v.Evidence).Str("limit", v.Limit).Uint64("oom_kills", v.Kills)
	memory(e, v.Memory)
	recorded(e, v.Recorded)
	return e
}

// recorded writes what was recorded before a kill.
func recorded(e *zerolog.Event, v Recorded) {
	if len(v.Samples) == 0 {
		return
	}
	samples := zerolog.Arr()
	for _, s := range v.Samples {
		samples.Dict(zerolog.Dict().Float64("seconds_before", tenths(s.Before)).Uint64("usage_bytes", s.UsageBytes))
	}
	d := zerolog.Dict().Array("samples", samples)
	if len(v.Largest) > 0 {
		largest := zerolog.Arr()
		for _, p := range v.Largest {
			largest.Dict(zerolog.Dict().Int("pid", p.PID).Dict("executable", zerolog.Dict().Str("name", p.Comm)).
				Dict("first", zerolog.Dict().Float64("seconds_before", tenths(p.FirstBefore)).Uint64("resident_bytes", p.FirstBytes)).
				Dict("last", zerolog.Dict().Float64("seconds_before", tenths(p.LastBefore)).Uint64("resident_bytes", p.LastBytes)))
		}
		d.Array("largest", largest)
	}
	e.Dict("recorder", d)
}

// tenths is a duration in seconds, with one decimal.
func tenths(d time.Duration) float64 { return max(0, d).Round(100 * time.Millisecond).Seconds() }

func oomKillMessage(v OOMKill) string {
	var message string
	switch {
	case v.Victim == nil:
		message = "a process was OOM-killed, and nobody saw which"
	case v.Certainty == "certain":
		message = fmt.Sprintf("%s (pid %d) was OOM-killed", printable(v.Victim.Comm), v.Victim.PID)
	default:
		message = fmt.Sprintf("%s (pid %d) was probably OOM-killed", printable(v.Victim.Comm), v.Victim.PID)
	}
	if v.Victim != nil && len(v.Victim.Ancestors) > 0 {
		message += " (" + printable(v.Victim.Comm)
		for _, a := range v.Victim.Ancestors {
			message += " ← " + printable(a.Comm)
		}
		message += ")"
	}
	if v.Victim != nil && v.Victim.ResidentBytes > 0 {
		message += ", last seen with " + humanBytes(v.Victim.ResidentBytes)
	}
	if v.Memory.LimitBytes > 0 {
		message += "; memory limit " + humanBytes(v.Memory.LimitBytes)
	}
	if v.Limit == "above" {
		message += "; the limit that ran out is at or above this container's cgroup, or the host's memory did"
	}
	return message
}
