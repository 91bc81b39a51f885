package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// The events, as docs/events.schema.json names them.
const (
	kindStarted     = "started"
	kindOOMKill     = "oom_kill"
	kindSIGKILL     = "sigkill"
	kindObservation = "observation"
	kindLimitHit    = "memory_limit_hit"
	kindPolicy      = "policy"
	kindUnsupported = "unsupported"
	kindWarning     = "warning"
	kindExit        = "exit"
)

// Event is one event as docs/events.schema.json describes it. What is unknown has its zero value.
type Event struct {
	Kind    string    `json:"event"`
	Level   string    `json:"level"`
	Time    time.Time `json:"-"`
	Message string    `json:"message"`

	Process    *Process  `json:"process"`
	Candidates []Process `json:"candidates"`
	Role       string    `json:"role"`
	Origin     string    `json:"origin"`
	Certainty  string    `json:"certainty"`
	Evidence   []string  `json:"evidence"`
	Limit      string    `json:"limit"`
	OOMKills   uint64    `json:"oom_kills"`
	Memory     Memory    `json:"memory"`
	Recorder   Recorder  `json:"recorder"`

	Init   *struct{} `json:"init"`
	Policy string    `json:"policy"`
	Cgroup struct {
		Version  string `json:"version"`
		OOMGroup bool   `json:"oom_group"`
	} `json:"cgroup"`

	Hits uint64 `json:"hits"`

	Action             string          `json:"action"`
	Signal             string          `json:"signal"`
	GracePeriodSeconds float64         `json:"grace_period_seconds"`
	Rule               json.RawMessage `json:"rule"`

	Reason   string `json:"reason"`
	ExitCode *int   `json:"exit_code"`
	Main     *Main  `json:"main"`

	DroppedEvents uint64 `json:"dropped_events"`
}

// Main says how the main process ended: by Signal if that is not empty, else with ExitCode.
type Main struct {
	PID      int    `json:"pid"`
	Signal   string `json:"signal"`
	ExitCode *int   `json:"exit_code"`
}

// Executable is the name of a program, as the kernel has it.
type Executable struct {
	Name string `json:"name"`
}

// Process is a process in an event.
type Process struct {
	PID         int        `json:"pid"`
	ParentPID   int        `json:"parent_pid"`
	Executable  Executable `json:"executable"`
	CommandLine string     `json:"command_line"`
	User        *User      `json:"user"`
	Memory      struct {
		ResidentBytes uint64 `json:"resident_bytes"`
	} `json:"memory"`
	AgeSeconds float64   `json:"age_seconds"`
	Ancestors  []Process `json:"ancestors"`
}

// User is who a process runs as.
type User struct {
	ID uint32 `json:"id"`
}

// name is what the process is called, for people.
func (p *Process) name() string {
	if p == nil || p.Executable.Name == "" {
		return "a process without a name"
	}
	return p.Executable.Name
}

// Memory is that of the container's memory cgroup.
type Memory struct {
	LimitBytes uint64 `json:"limit_bytes,omitempty"`
	UsageBytes uint64 `json:"usage_bytes,omitempty"`
	PeakBytes  uint64 `json:"peak_bytes,omitempty"`
}

// Recorder is what was measured in the time before an OOM kill.
type Recorder struct {
	IntervalSeconds float64  `json:"interval_seconds"`
	Samples         []Sample `json:"samples"`
}

// Sample is the usage at one moment.
type Sample struct {
	SecondsBefore float64 `json:"seconds_before"`
	UsageBytes    uint64  `json:"usage_bytes"`
}

// maxSamples bounds what is kept of one recording.
const maxSamples = 120

// parseEvent reads one whole JSON object. It reports false if that is not an event of oominit's: other programs have
// keys called "event" too, so the keys that such an event cannot lack are asked for as well.
func parseEvent(object []byte) (Event, bool) {
	var e struct {
		Event
		Time string `json:"time"`
	}
	if !bytes.Contains(object, []byte(`"event"`)) {
		return Event{}, false // so most lines cost little
	}
	err := json.Unmarshal(object, &e)
	// A value of another type is left out, as if it were unknown, and the rest is read.
	var wrongType *json.UnmarshalTypeError
	if err != nil && !errors.As(err, &wrongType) {
		return Event{}, false
	}
	at, err := time.Parse("2006-01-02T15:04:05.000000Z", e.Time)
	e.Event.Time = at
	if err != nil || e.Message == "" || !e.complete() {
		return Event{}, false
	}
	e.Recorder.Samples = slices.Clip(e.Recorder.Samples[:min(len(e.Recorder.Samples), maxSamples)])
	return e.Event, true
}

// complete reports whether the event has the keys of its kind.
func (e *Event) complete() bool {
	switch e.Level {
	case "debug", "info", "warn", "error":
	default:
		return false
	}
	switch e.Kind {
	case kindStarted:
		return e.Process != nil && e.Init != nil && e.Policy != ""
	case kindOOMKill:
		return e.Certainty != "" && len(e.Evidence) > 0
	case kindSIGKILL:
		return e.Process != nil && e.Role != "" && len(e.Evidence) > 0
	case kindObservation:
		return e.Level == "debug"
	case kindLimitHit:
		return e.Hits > 0
	case kindPolicy:
		return e.Action != "" && e.ExitCode != nil
	case kindUnsupported:
		return e.Level == "warn" && e.Reason != ""
	case kindWarning:
		return e.Level == "warn"
	case kindExit:
		return e.ExitCode != nil && e.Main != nil && e.Reason != ""
	}
	return false
}

// rule is the rule that a decision came from, as far as the event tells: by its text or by its number.
func (e *Event) rule() string {
	var text string
	if json.Unmarshal(e.Rule, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(e.Rule, &number) == nil {
		return number.String()
	}
	var object struct {
		Text string `json:"text"`
		Rule string `json:"rule"`
	}
	_ = json.Unmarshal(e.Rule, &object) // what cannot be read is not told
	return object.Text + object.Rule
}
