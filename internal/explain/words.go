package explain

import (
	"fmt"
	"strings"

	"github.com/oominit/oominit/internal/terminal"
)

// evidenceWords say what each kind of evidence means.
var evidenceWords = map[string]string{
	"counter_rise":      "the kernel counted an OOM kill",
	"wait_status":       "the process's wait status said SIGKILL",
	"proc_exit_code":    "the process's exit code in /proc said SIGKILL",
	"pidfd_exit_status": "the process's pidfd told of SIGKILL",
	"signaled_flag":     "the kernel had marked the process as ended by a signal",
	"vanished":          "the process was gone",
	"largest_candidate": "it was the largest of those that it may have been",
}

func evidence(names []string) string {
	var words []string
	for _, name := range names[:min(len(names), 10)] {
		word, known := evidenceWords[name]
		if !known {
			word = name
		}
		words = append(words, word)
	}
	return listed(words)
}

// listed joins sentences as people do: a, b, and c.
func listed(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + ", and " + words[last]
}

// certainty says how sure it is who was killed, and why.
func certainty(e *Event) string {
	switch e.Certainty {
	case "certain":
		return "certain: " + evidence(e.Evidence)
	case "probable":
		return "probable, not certain: " + evidence(e.Evidence)
	case "unattributed":
		return "none, since no process was seen to end of it: " + evidence(e.Evidence)
	}
	return e.Certainty + ": " + evidence(e.Evidence)
}

// whoseLimit says whose limit ran out.
func whoseLimit(e *Event) string {
	switch e.Limit {
	case "own":
		if e.Memory.LimitBytes > 0 {
			return "the container's own, " + terminal.HumanBytes(e.Memory.LimitBytes)
		}
		return "the container's own"
	case "nested":
		return "that of a cgroup below the container's own"
	case "above":
		return "not the container's: one at or above its cgroup, or the host's memory"
	case "unknown", "":
		return "unknown: the kernel does not tell here"
	}
	return e.Limit
}

// place says what the victim was to the container.
func place(e *Event) string {
	switch {
	case e.Role == "main":
		return "the main process itself"
	case e.Origin == "exec":
		return "of a session that was entered from outside"
	}
	return ""
}

// ancestry is the chain from a process up: tail ← sh ← nginx.
func ancestry(p *Process) string {
	chain := []string{p.name()}
	for i := range p.Ancestors[:min(len(p.Ancestors), 16)] {
		chain = append(chain, p.Ancestors[i].name())
	}
	return strings.Join(chain, " ← ")
}

// person says whose process it was, and how old it was.
func person(p *Process) string {
	var words []string
	if p.User != nil {
		user := fmt.Sprintf("user %d", p.User.ID)
		if p.User.ID == 0 {
			user += " (root)"
		}
		words = append(words, user)
	}
	if p.AgeSeconds > 0 {
		age := terminal.HumanSeconds(p.AgeSeconds)
		if p.AgeSeconds < 60 {
			age = fmt.Sprintf("%.4g s", p.AgeSeconds)
		}
		words = append(words, "lived "+age)
	}
	return strings.Join(words, ", ")
}

// decision says what follows from a kill.
func decision(e *Event) string {
	code := *e.ExitCode
	var text string
	switch {
	case e.Action == "propagate":
		text = fmt.Sprintf("propagate: an exit code 0 of the main process will become %d", code)
	case e.GracePeriodSeconds > 0:
		text = fmt.Sprintf("%s: %s to the main process now, SIGKILL in %s, exit code %d",
			e.Action, e.Signal, shortSeconds(e.GracePeriodSeconds), code)
	case e.Signal != "":
		text = fmt.Sprintf("%s: %s to the main process now, exit code %d", e.Action, e.Signal, code)
	default:
		text = fmt.Sprintf("%s: exit code %d", e.Action, code)
	}
	if rule := e.rule(); rule != "" {
		text += "; by the rule " + rule
	}
	return text
}

func shortSeconds(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.4g s", seconds)
	}
	return terminal.HumanSeconds(seconds)
}

// ending says with what the container ended, and why.
func ending(e *Event) string {
	main := fmt.Sprintf("the main process (pid %d)", e.Main.PID)
	ended := main
	switch {
	case e.Main.Signal != "":
		ended += " was ended by " + e.Main.Signal
	case e.Main.ExitCode != nil:
		ended += fmt.Sprintf(" exited with %d", *e.Main.ExitCode)
	default:
		ended += " ended"
	}
	if e.Reason == "policy" {
		return fmt.Sprintf("exit code %d by policy; %s", *e.ExitCode, ended)
	}
	return fmt.Sprintf("exit code %d, because %s", *e.ExitCode, ended)
}

// headline is the story in one sentence.
func (s *Story) headline() string {
	var text string
	victims := s.victims()
	switch {
	case s.Kills == 0 && s.unsupported():
		text = "OOM kills were not counted"
	case s.Kills == 0:
		text = "no OOM kill"
	case s.Kills == 1 && len(victims) == 1:
		text = terminal.Printable(victims[0].name) + " was OOM-killed"
	case s.Kills == 1:
		text = "a process was OOM-killed"
	case len(victims) == 1 && victims[0].kills == s.Kills:
		text = fmt.Sprintf("%s was OOM-killed %s", terminal.Printable(victims[0].name), times(s.Kills))
	default:
		text = fmt.Sprintf("%d OOM kills", s.Kills)
	}
	switch {
	case s.Exit != nil:
		text += fmt.Sprintf("; the container ended with %d", *s.Exit.ExitCode)
	case s.endMissing():
		text += "; no end in the log"
	}
	return text
}

func times(n int) string {
	if n == 2 {
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// unsupported reports whether OOM kills could not be counted.
func (s *Story) unsupported() (yes bool) {
	s.each(kindUnsupported, func(*Event) { yes = true })
	return yes
}

// endMissing reports whether there would be an event "exit" if the container had ended by itself.
func (s *Story) endMissing() bool { return s.Exit == nil && (s.Started != nil || s.Kills > 0) }

type victim struct {
	name  string
	kills int
}

// victims are the names of those that were killed, the most frequent first.
func (s *Story) victims() (all []victim) {
	index := make(map[string]int)
	s.each(kindOOMKill, func(e *Event) {
		if e.Process == nil {
			return
		}
		name := e.Process.name()
		i, known := index[name]
		if !known {
			i = len(all)
			index[name] = i
			all = append(all, victim{name: name})
		}
		all[i].kills++
		for ; i > 0 && all[i].kills > all[i-1].kills; i-- {
			all[i], all[i-1] = all[i-1], all[i]
			index[all[i].name], index[all[i-1].name] = i, i-1
		}
	})
	return all
}

// count writes a number with the word that fits it.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
