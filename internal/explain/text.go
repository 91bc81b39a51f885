package explain

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oominit/oominit/internal/terminal"
)

// toldInFull is how many kills of a story are told with all that is known; of more, each gets a line.
const toldInFull = 20

const timeFormat = "2006-01-02 15:04:05.000 UTC"

// WriteText tells the stories for people.
func (l *Log) WriteText(w io.Writer, style terminal.Style) error {
	p := &printer{w: bufio.NewWriter(w), style: style, width: max(style.Width, terminal.Narrowest)}
	for i, story := range l.Stories {
		if i > 0 {
			p.line("")
		}
		p.story(story, l.title(i))
	}
	p.line("")
	for _, note := range l.notes() {
		for _, line := range terminal.Wrap(note, p.width) {
			p.line(p.paint(dim, line))
		}
	}
	return p.w.Flush()
}

// notes say how much of the log was ours, and what was left out.
func (l *Log) notes() []string {
	events := "all of them events"
	if l.Events != l.Lines {
		events = count(l.Events, "event", "events") + " of oominit's in them"
	}
	notes := []string{fmt.Sprintf("Read %s, %s.", count(l.Lines, "line", "lines"), events)}
	if l.LeftOutStories > 0 {
		notes = append(notes, fmt.Sprintf("%s left out: only %d are kept.", count(l.LeftOutStories, "more run is", "more runs are"), maxStories))
	}
	if l.CutLines > 0 {
		notes = append(notes, fmt.Sprintf("Of %s of more than 1 MiB only the end was looked at.", count(l.CutLines, "line", "lines")))
	}
	if l.ConsoleLines > 0 {
		notes = append(notes, fmt.Sprintf("%s in the format console, which tells too little to explain: OOMINIT_LOG_FORMAT=json has it all.",
			count(l.ConsoleLines, "event is", "events are")))
	}
	return notes
}

func (p *printer) story(s *Story, title string) {
	p.start, p.when, p.detailed = s.First, "", false
	color := strong
	if s.Kills == 0 {
		color = bold
	}
	lines := terminal.Wrap(title+": "+s.headline(), p.width)
	for _, line := range lines {
		p.line(p.paint(color, line))
	}
	span := s.First.UTC().Format(timeFormat)
	if d := s.Last.Sub(s.First); d > 0 {
		span += ", " + terminal.HumanSeconds(seconds(s.First, s.Last)) + " until the last event"
	}
	p.line(p.paint(dim, span))
	p.line("")
	kills := 0
	for i := 0; i < len(s.Events); i++ {
		e := &s.Events[i]
		p.dropped(e)
		switch e.Kind {
		case kindStarted:
			p.started(e)
		case kindOOMKill:
			kills++
			p.kill(e, kills, s.Kills, kills <= toldInFull)
		case kindSIGKILL:
			p.sigkill(e)
		case kindLimitHit:
			i += p.limitHits(s.Events[i:])
		case kindPolicy:
			p.event(e, "◆", yellow, "policy", decision(e))
		case kindUnsupported:
			p.event(e, "!", yellow, "unsupported", e.Reason)
		case kindWarning:
			p.event(e, "!", yellow, "warning", e.Message)
		case kindExit:
			if s.LeftOut > 0 {
				p.leftOut(s)
			}
			p.exit(e)
		}
	}
	if s.Exit == nil && s.LeftOut > 0 {
		p.leftOut(s)
	}
	if s.endMissing() {
		p.apart()
		p.row("", "?", yellow, "no end", s.missingEnd())
	}
	p.advise(s.advice())
}

func (s *Story) missingEnd() string {
	if s.cutShort {
		return "the next run begins, and no end of this one is in the log: it was killed as a whole, or its last lines are missing"
	}
	return "the log has no end of this run: it still goes on, or it was killed as a whole"
}

func (p *printer) leftOut(s *Story) {
	p.row("", "…", dim, "left out", count(s.LeftOut, "more event", "more events")+", since there are so many")
}

func (p *printer) advise(advice []string) {
	if len(advice) == 0 {
		return
	}
	p.line("")
	for i, text := range advice {
		label := "What to do"
		if i > 0 {
			label = ""
		}
		for j, line := range terminal.Wrap(text, p.width-(textAt-whatWidth)) {
			if j > 0 {
				label = ""
			}
			p.line(p.paint(bold, fmt.Sprintf("%*s", whenWidth, label)) + strings.Repeat(" ", textAt-whenWidth-whatWidth) + line)
		}
	}
}

// dropped says what is missing before the event.
func (p *printer) dropped(e *Event) {
	if e.DroppedEvents > 0 {
		p.apart()
		p.row("", "…", yellow, "lost", fmt.Sprintf("%s not written before this one, because nobody read the log in time",
			count(int(min(e.DroppedEvents, 1<<53)), "event was", "events were")))
	}
}

func (p *printer) started(e *Event) {
	text := fmt.Sprintf("%s is the main process (pid %d), policy %s", e.Process.name(), e.Process.PID, e.Policy)
	p.event(e, "○", plain, "started", text)
	if e.Process.CommandLine != "" {
		p.detail("command line", e.Process.CommandLine)
	}
	if e.Cgroup.Version != "" {
		limit := "no limit is set"
		if e.Memory.LimitBytes > 0 {
			limit = "limit " + terminal.HumanBytes(e.Memory.LimitBytes)
		}
		if e.Memory.UsageBytes > 0 {
			limit = terminal.HumanBytes(e.Memory.UsageBytes) + ", " + limit
		}
		p.detail("memory", limit+"; kills are counted by cgroup "+e.Cgroup.Version)
	}
	if e.Cgroup.OOMGroup {
		p.detail("oom group", "memory.oom.group is set: an OOM kill takes the whole container")
	}
}

func (p *printer) kill(e *Event, number, of int, inFull bool) {
	what := "OOM kill"
	if of > 1 {
		what += fmt.Sprintf(" %d", number)
	}
	who := "nobody saw which process it was"
	if e.Process != nil {
		who = fmt.Sprintf("%s (pid %d)", e.Process.name(), e.Process.PID)
		if where := place(e); where != "" {
			who += ", " + where
		}
	}
	p.event(e, "●", strong, what, who)
	if !inFull {
		return
	}
	if v := e.Process; v != nil {
		p.detail("command line", v.CommandLine)
		if len(v.Ancestors) > 0 {
			p.detail("started by", ancestry(v))
		}
		p.detail("who", person(v))
		p.bar("its memory", v.Memory.ResidentBytes, e.Memory.LimitBytes, "when last seen")
	}
	for i := range e.Candidates[:min(len(e.Candidates), 8)] {
		label := ""
		if i == 0 {
			label = "the largest"
		}
		c := &e.Candidates[i]
		p.detail(label, fmt.Sprintf("%s (pid %d), %s", c.name(), c.PID, terminal.HumanBytes(c.Memory.ResidentBytes)))
	}
	p.bar("peak", e.Memory.PeakBytes, e.Memory.LimitBytes, "of the container")
	p.bar("usage", e.Memory.UsageBytes, e.Memory.LimitBytes, "when the kill was noticed")
	p.detail("whose limit", whoseLimit(e))
	p.detail("certainty", certainty(e))
}

func (p *printer) sigkill(e *Event) {
	text := fmt.Sprintf("%s (pid %d) died of SIGKILL, but of no OOM kill of this container's", e.Process.name(), e.Process.PID)
	if where := place(e); where != "" {
		text += "; it was " + where
	}
	p.event(e, "○", yellow, "SIGKILL", text)
	p.detail("command line", e.Process.CommandLine)
	p.detail("who", person(e.Process))
	p.detail("evidence", evidence(e.Evidence))
}

// limitHits tells of events in a row as of one, and returns how many follow the first.
func (p *printer) limitHits(events []Event) (more int) {
	hits := events[0].Hits
	for more+1 < len(events) && events[more+1].Kind == kindLimitHit && events[more+1].DroppedEvents == 0 {
		more++
		hits += min(events[more].Hits, 1<<53)
	}
	text := "memory usage reached the limit"
	if hits > 1 {
		text += fmt.Sprintf(" %d times", hits)
	}
	last := &events[more]
	if more > 0 {
		text += ", until " + p.at(last)
	}
	p.event(&events[0], "▲", yellow, "limit reached", text)
	p.bar("usage", last.Memory.UsageBytes, last.Memory.LimitBytes, "")
	return more
}

func (p *printer) exit(e *Event) {
	color := green
	if *e.ExitCode != 0 {
		color = red
	}
	p.event(e, "■", color, "exit", ending(e))
	if e.Memory.PeakBytes > 0 {
		p.bar("peak", e.Memory.PeakBytes, e.Memory.LimitBytes, "")
	}
}

// seconds is the time from a to b. A Duration could not hold all that a log may claim.
func seconds(a, b time.Time) float64 {
	return float64(b.Unix()-a.Unix()) + float64(b.Nanosecond()-a.Nanosecond())/1e9
}
