package explain

import (
	"fmt"
	"strings"

	"github.com/oominit/oominit/internal/terminal"
)

// maxAdvice bounds how much is advised: who reads it has a container to mend.
const maxAdvice = 2

// advice says what is to be done, where that is clear; the weightiest comes first.
func (s *Story) advice() (lines []string) {
	limits := make(map[string]int)
	var nobody *Event
	s.each(kindOOMKill, func(e *Event) {
		limits[e.Limit]++
		if e.Process == nil {
			nobody = e
		}
	})
	say := func(condition bool, text string) {
		if condition && len(lines) < maxAdvice {
			lines = append(lines, text)
		}
	}
	say(s.oomGroup() && (s.Kills > 0 || s.endMissing()), "memory.oom.group is set: an OOM kill takes the whole container, "+
		"and then nothing in it can say why. On Kubernetes the kubelet's singleProcessOOMKill: true turns that off.")
	say(limits["own"] > 0, s.ownLimitAdvice())
	say(limits["above"] > 0, "The limit that ran out is not the container's, so raising that one does not help. Look at the "+
		"pod's limit and at what else takes the node's memory.")
	say(limits["nested"] > 0, "The limit that ran out was set inside of the container, on a cgroup of its own below: raise it "+
		"there, where the command or its service manager sets it.")
	say(nobody != nil, nobodyAdvice(nobody))
	say(limits["unknown"] > 0, "Whose limit ran out is not known here. If usage was near the container's limit before, it is "+
		"likely that one.")
	say(s.Kills == 0 && s.killedFromOutside(), "The main process died of a SIGKILL that was no OOM kill of this container's: somebody "+
		"sent it. Mostly that is a stop that took longer than the grace period.")
	hits := uint64(0)
	s.each(kindLimitHit, func(e *Event) { hits += e.Hits })
	say(s.Kills == 0 && hits > 0, "Nothing was killed, but usage was at the limit: the next larger load may be the one that is.")
	say(s.unsupported(), "OOM kills cannot be counted there, so this log cannot tell of any.")
	return lines
}

// ownLimitAdvice names who takes the memory that the container's own limit has too little of.
func (s *Story) ownLimitAdvice() string {
	limit := "the container's memory limit"
	if n := s.limit(); n > 0 {
		limit += " of " + terminal.HumanBytes(n)
	}
	who := "the victims"
	if victims := s.victims(); len(victims) > 0 {
		who = terminal.Printable(victims[0].name)
	}
	return fmt.Sprintf("Raise %s (docker run --memory, or resources.limits.memory), or have %s take less.", limit, who)
}

func nobodyAdvice(e *Event) string {
	const text = "The kernel's log on the node names the victim that was not seen: dmesg | grep -i 'killed process'."
	if e == nil || len(e.Candidates) == 0 {
		return text
	}
	var names []string
	for i := range e.Candidates[:min(len(e.Candidates), 3)] {
		names = append(names, terminal.Printable(e.Candidates[i].name()))
	}
	return text + " The largest processes shortly before: " + strings.Join(names, ", ") + "."
}

// killedFromOutside reports whether the main process died of a SIGKILL.
func (s *Story) killedFromOutside() bool {
	return s.Exit != nil && s.Exit.Reason == "main_signaled" && s.Exit.Main.Signal == "SIGKILL"
}
