package explain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// summary is what --json prints. What is unknown is left out.
type summary struct {
	Lines        int            `json:"lines"`
	Events       int            `json:"events"`
	LeftOutRuns  int            `json:"left_out_runs,omitempty"`
	CutLines     int            `json:"cut_lines,omitempty"`
	ConsoleLines int            `json:"console_lines,omitempty"`
	Runs         []storySummary `json:"runs"`
}

type storySummary struct {
	Source        string            `json:"source,omitempty"`
	Name          string            `json:"name,omitempty"`
	Headline      string            `json:"headline"`
	FirstEvent    string            `json:"first_event"`
	LastEvent     string            `json:"last_event"`
	Seconds       float64           `json:"seconds"`
	Policy        string            `json:"policy,omitempty"`
	OOMGroup      bool              `json:"oom_group,omitempty"`
	LimitBytes    uint64            `json:"limit_bytes,omitempty"`
	OOMKills      int               `json:"oom_kills"`
	Kills         []killSummary     `json:"kills"`
	Decisions     []decisionSummary `json:"decisions,omitempty"`
	SIGKILLs      int               `json:"sigkills"`
	LimitHits     uint64            `json:"limit_hits"`
	Unsupported   []string          `json:"unsupported,omitempty"`
	Warnings      []string          `json:"warnings,omitempty"`
	DroppedEvents uint64            `json:"dropped_events,omitempty"`
	LeftOutEvents int               `json:"left_out_events,omitempty"`
	Exit          *exitSummary      `json:"exit,omitempty"`
	Advice        []string          `json:"advice,omitempty"`
}

type killSummary struct {
	Seconds       float64  `json:"seconds"`
	PID           int      `json:"pid,omitempty"`
	Name          string   `json:"name,omitempty"`
	CommandLine   string   `json:"command_line,omitempty"`
	Ancestors     []string `json:"ancestors,omitempty"`
	ResidentBytes uint64   `json:"resident_bytes,omitempty"`
	Role          string   `json:"role,omitempty"`
	Origin        string   `json:"origin,omitempty"`
	Certainty     string   `json:"certainty"`
	Evidence      []string `json:"evidence"`
	Limit         string   `json:"limit,omitempty"`
	Memory        Memory   `json:"memory,omitzero"`
}

type decisionSummary struct {
	Seconds  float64 `json:"seconds"`
	Action   string  `json:"action"`
	Signal   string  `json:"signal,omitempty"`
	ExitCode int     `json:"exit_code"`
	Rule     string  `json:"rule,omitempty"`
}

type exitSummary struct {
	Code         int    `json:"code"`
	Reason       string `json:"reason"`
	MainExitCode *int   `json:"main_exit_code,omitempty"`
	MainSignal   string `json:"main_signal,omitempty"`
}

// WriteJSON writes the stories as one JSON object on one line. Characters that could act on a terminal are escaped as
// JSON allows it, so that the values stay what they were.
func (l *Log) WriteJSON(w io.Writer) error {
	s := summary{
		Lines: l.Lines, Events: l.Events, LeftOutRuns: l.LeftOutStories, CutLines: l.CutLines, ConsoleLines: l.ConsoleLines,
		Runs: []storySummary{},
	}
	for _, story := range l.Stories {
		s.Runs = append(s.Runs, story.summary())
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("cannot encode the summary: %w", err)
	}
	_, err := w.Write(asciiWhereUnprintable(b.Bytes()))
	return err
}

func (s *Story) summary() storySummary {
	const layout = "2006-01-02T15:04:05.000000Z"
	out := storySummary{
		Source: s.Source, Name: s.name(), Headline: s.headline(), FirstEvent: s.First.UTC().Format(layout), LastEvent: s.Last.UTC().Format(layout),
		Seconds: seconds(s.First, s.Last), OOMGroup: s.oomGroup(), LimitBytes: s.limit(), OOMKills: s.Kills,
		Kills: []killSummary{}, LeftOutEvents: s.LeftOut, Advice: s.advice(),
	}
	if s.Started != nil {
		out.Policy = s.Started.Policy
	}
	for i := range s.Events {
		e := &s.Events[i]
		at := seconds(s.First, e.Time)
		out.DroppedEvents += e.DroppedEvents
		switch e.Kind {
		case kindOOMKill:
			out.Kills = append(out.Kills, e.killSummary(at))
		case kindPolicy:
			out.Decisions = append(out.Decisions, decisionSummary{at, e.Action, e.Signal, *e.ExitCode, e.rule()})
		case kindSIGKILL:
			out.SIGKILLs++
		case kindLimitHit:
			out.LimitHits += e.Hits
		case kindUnsupported:
			out.Unsupported = append(out.Unsupported, e.Reason)
		case kindWarning:
			out.Warnings = append(out.Warnings, e.Message)
		case kindExit:
			out.Exit = &exitSummary{*e.ExitCode, e.Reason, e.Main.ExitCode, e.Main.Signal}
		}
	}
	return out
}

func (e *Event) killSummary(at float64) killSummary {
	k := killSummary{
		Seconds: at, Role: e.Role, Origin: e.Origin, Certainty: e.Certainty, Evidence: e.Evidence, Limit: e.Limit, Memory: e.Memory,
	}
	if p := e.Process; p != nil {
		k.PID, k.Name, k.CommandLine, k.ResidentBytes = p.PID, p.Executable.Name, p.CommandLine, p.Memory.ResidentBytes
		for i := range p.Ancestors {
			k.Ancestors = append(k.Ancestors, p.Ancestors[i].Executable.Name)
		}
	}
	return k
}

// asciiWhereUnprintable escapes what a terminal could take for an order, or a reader for something else. In JSON such
// characters are only in strings.
func asciiWhereUnprintable(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		switch {
		case strconv.IsPrint(c) || c == '\n':
			out = append(out, text[:n]...)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
		text = text[n:]
	}
	return out
}
