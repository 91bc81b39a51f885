// Package explain reads the log of a container and tells what its events say: as a text for people, as one JSON object,
// and as a picture of memory over time. It is pure: a reader in, text out; it reads no clock, no file and no environment.
//
// A log holds what the container's command wrote too, and the names in an event are chosen by processes. All of it is
// data here: what is not an event is passed over, and no output has a control character, a terminal escape or a character
// that turns the direction of a line, but the newlines and colours of this package.
package explain

import (
	"fmt"
	"io"
	"time"

	"github.com/oominit/oominit/internal/terminal"
)

// Bounds on what is kept of a log, whatever its size. What is beyond them is counted.
const (
	maxStories        = 1000
	maxEventsPerStory = 10_000
	maxEvents         = 20_000
)

// Log is what was read.
type Log struct {
	// Stories are the runs of containers, in the order in which they begin in the log.
	Stories []*Story
	// Lines is how many lines there were, Events how many events were found in them.
	Lines, Events int
	// CutLines is how many lines were so long that only their end was looked at.
	CutLines int
	// ConsoleLines is how many lines look like events in the format "console", which cannot be explained.
	ConsoleLines int
	// LeftOutStories is how many stories were not kept because there were too many.
	LeftOutStories int

	kept    int
	current map[string]*Story // by source
}

// Read reads a log to its end. The error is the reader's; the log holds what was read before it.
func Read(r io.Reader) (*Log, error) {
	log := &Log{current: make(map[string]*Story)}
	lines := newLineReader(r)
	for lines.next() {
		log.Lines++
		if lines.cut {
			log.CutLines++
		}
		found := recognize(lines.line)
		if len(found) == 0 && isConsoleLine(lines.line) {
			log.ConsoleLines++
		}
		for _, f := range found {
			log.Events++
			log.take(f)
		}
	}
	if lines.err != nil {
		return log, fmt.Errorf("cannot read the log: %w", lines.err)
	}
	return log, nil
}

// take puts an event into the story that it belongs to.
func (l *Log) take(f found) {
	story := l.current[f.source]
	if story == nil || story.endsBefore(&f.event) {
		if story != nil && story.Exit == nil {
			story.cutShort = true
		}
		if story == nil && len(l.current) > maxStories {
			return // as many sources as stories are kept: more are nobody's containers
		}
		story = &Story{Source: f.source, First: f.event.Time}
		l.current[f.source] = story
		if len(l.Stories) < maxStories {
			l.Stories = append(l.Stories, story)
		} else {
			story.unkept = true
			l.LeftOutStories++
		}
	}
	keep := !story.unkept && len(story.Events) < maxEventsPerStory && l.kept < maxEvents
	if keep {
		l.kept++
	}
	story.add(f.event, keep)
}

// Story is one run of one container: from the event "started" to the event "exit", either of which may be missing.
type Story struct {
	// Source is the container's name where the log has lines of several; it is empty otherwise.
	Source string
	// First and Last are the times of the first and of the last event.
	First, Last time.Time
	// Events are those that are told, in the order of the log: all but the observations.
	Events []Event
	// Started and Exit are nil if the log has no such event.
	Started, Exit *Event
	// Kills is how many OOM kills were reported, those of LeftOut included.
	Kills int
	// LeftOut is how many events are not in Events because there were too many.
	LeftOut int
	// Observations is how many events of that name there were.
	Observations int

	cutShort bool // another story of the same source follows, and there was no exit
	unkept   bool
	counter  uint64 // oom_kills of the last kill
}

// endsBefore reports whether the event begins another story.
func (s *Story) endsBefore(e *Event) bool {
	switch {
	case s.Exit != nil:
		return true
	case e.Kind == kindStarted:
		// What was wrong at the start is said just before it.
		for i := range s.Events {
			if s.Events[i].Kind != kindUnsupported && s.Events[i].Kind != kindWarning {
				return true
			}
		}
		return s.Started != nil || s.Kills > 0
	case e.Kind == kindOOMKill:
		return e.OOMKills > 0 && e.OOMKills <= s.counter // it counts from the start
	}
	return false
}

func (s *Story) add(e Event, keep bool) {
	s.Last = e.Time
	if e.Kind == kindObservation {
		s.Observations++
		return
	}
	if e.Kind == kindOOMKill {
		s.Kills++
		s.counter = e.OOMKills
	}
	// The first and the last word are kept whatever came between them.
	if e.Kind == kindStarted || e.Kind == kindExit {
		keep = !s.unkept
	}
	if keep {
		s.Events = append(s.Events, e)
	} else {
		s.LeftOut++
	}
	kept := e
	if e.Kind == kindStarted {
		s.Started = &kept
	}
	if e.Kind == kindExit {
		s.Exit = &kept
	}
}

// each calls f for each kept event of the kind.
func (s *Story) each(kind string, f func(*Event)) {
	for i := range s.Events {
		if s.Events[i].Kind == kind {
			f(&s.Events[i])
		}
	}
}

// name is what the story is called by: the container's name, or that of its main process.
func (s *Story) name() string {
	if s.Source != "" {
		return s.Source
	}
	if s.Started != nil {
		return s.Started.Process.name()
	}
	name := ""
	s.each(kindOOMKill, func(e *Event) {
		switch {
		case e.Process == nil || name != "":
		case e.Role == "main":
			name = e.Process.name()
		case e.Origin == "tree" && len(e.Process.Ancestors) > 0:
			name = e.Process.Ancestors[len(e.Process.Ancestors)-1].name() // the last ancestor is the main child
		}
	})
	return name
}

// title names a story, and says which run of its container it is if there are several. It is printable.
func (l *Log) title(i int) string {
	s := l.Stories[i]
	name := s.name()
	if name == "" {
		name = "container"
	}
	name = terminal.Shorten(terminal.Printable(name), 40)
	number, of := 0, 0
	for j, other := range l.Stories {
		if other.Source == s.Source {
			of++
			if j <= i {
				number++
			}
		}
	}
	if of > 1 {
		name = fmt.Sprintf("%s, run %d of %d", name, number, of)
	}
	return name
}

// limit is the last known memory limit; 0 is none.
func (s *Story) limit() uint64 {
	for i := len(s.Events) - 1; i >= 0; i-- {
		if n := s.Events[i].Memory.LimitBytes; n > 0 {
			return n
		}
	}
	return 0
}

// oomGroup reports whether an OOM kill takes the whole container.
func (s *Story) oomGroup() bool { return s.Started != nil && s.Started.Cgroup.OOMGroup }
