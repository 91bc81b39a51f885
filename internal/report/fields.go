package report

import (
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// shortDict names a process that another event describes.
func shortDict(pid, parent int, comm string) *zerolog.Event {
	d := zerolog.Dict().Int("pid", pid).Int("parent_pid", parent)
	if comm != "" {
		d.Dict("executable", zerolog.Dict().Str("name", comm))
	}
	return d
}

// rule writes which rule decided, if one did.
func rule(e *zerolog.Event, number int, text string) {
	if number > 0 {
		e.Dict("rule", zerolog.Dict().Int("number", number).Str("text", printable(text)))
	}
}

func (e Ending) words() string {
	if e.Signal != "" {
		return "was ended by " + e.Signal
	}
	return fmt.Sprintf("exited with %d", e.Code)
}

func (e Ending) dict() *zerolog.Event {
	d := zerolog.Dict().Int("pid", e.PID)
	if e.Signal != "" {
		return d.Str("signal", e.Signal)
	}
	return d.Int("exit_code", e.Code)
}

func (r *Reporter) process(e *zerolog.Event, key string, p Process) { e.Dict(key, r.processDict(p)) }

func (r *Reporter) processDict(p Process) *zerolog.Event {
	d := zerolog.Dict().Int("pid", p.PID).Int("parent_pid", p.ParentPID)
	if p.Comm != "" {
		executable := zerolog.Dict().Str("name", p.Comm)
		if p.Exe != "" && r.options.CommandLines != Off {
			executable.Str("path", cutAt(p.Exe, maxPath))
		}
		d.Dict("executable", executable)
	}
	if line := r.options.CommandLines.apply(p.CommandLine); line != "" {
		d.Str("command_line", line)
	}
	if p.UIDKnown {
		d.Dict("user", zerolog.Dict().Uint32("id", p.UID))
	}
	if p.ResidentBytes > 0 {
		d.Dict("memory", zerolog.Dict().Uint64("resident_bytes", p.ResidentBytes))
	}
	if p.Age > 0 {
		d.Float64("age_seconds", max(p.Age, 10*time.Millisecond).Round(10*time.Millisecond).Seconds())
	}
	if len(p.Ancestors) > 0 {
		ancestors := zerolog.Arr()
		for _, a := range p.Ancestors {
			ancestors.Dict(zerolog.Dict().Int("pid", a.PID).Dict("executable", zerolog.Dict().Str("name", a.Comm)))
		}
		d.Array("ancestors", ancestors)
	}
	return d
}

func memory(e *zerolog.Event, m Memory) {
	if m == (Memory{}) {
		return
	}
	d := zerolog.Dict()
	for _, field := range []struct {
		name  string
		value uint64
	}{{"limit_bytes", m.LimitBytes}, {"usage_bytes", m.UsageBytes}, {"peak_bytes", m.PeakBytes}} {
		if field.value > 0 {
			d.Uint64(field.name, field.value)
		}
	}
	e.Dict("memory", d)
}
