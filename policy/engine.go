package policy

import "time"

// Verdict is what is known of one kill. Texts that are empty and sizes of 0 are not known.
type Verdict struct {
	// OOM says that the kernel's OOM killer did it. If it is false, the process died of a SIGKILL of another origin.
	OOM bool
	// Comm is the kernel's name of the victim, at most 15 bytes.
	Comm string
	// Exe is the path of the program that it ran.
	Exe string
	// CommandLine is its command line, arguments separated by one blank.
	CommandLine string
	// Ancestors are the names of its parent, the parent's parent and so on.
	Ancestors []string
	// Main says that it was the main child.
	Main bool
	// Exec says that it belonged to a session that was entered from outside.
	Exec bool
	// ResidentBytes is the memory with which it was last seen.
	ResidentBytes uint64
	// Limit says whose memory limit ran out.
	Limit Limit
	// Certainty says how sure it is that this was the victim. If it is Unattributed, or empty, nothing else but OOM and
	// Limit means anything.
	Certainty Certainty
}

// Limit says whose limit ran out.
type Limit string

// The limits, as rules name them.
const (
	// OwnLimit is the limit of our own memory cgroup.
	OwnLimit Limit = "own"
	// NestedLimit is the limit of a cgroup below ours.
	NestedLimit Limit = "nested"
	// LimitAbove is a limit of an ancestor, or the host's memory.
	LimitAbove Limit = "above"
	// LimitUnknown says that the kernel offers no way to tell.
	LimitUnknown Limit = "unknown"
)

// Certainty says how sure it is who the victim was.
type Certainty string

// The certainties, as rules name them.
const (
	// Certain: the evidence leaves no other.
	Certain Certainty = "certain"
	// Probable: it fits best.
	Probable Certainty = "probable"
	// Unattributed: nobody was found.
	Unattributed Certainty = "unattributed"
)

// rank orders certainties, the surest last.
func (c Certainty) rank() int {
	switch c {
	case Certain:
		return 2
	case Probable:
		return 1
	case Unattributed:
	}
	return 0
}

// Decision is what follows from one kill.
type Decision struct {
	// Action is what happens. Actions compare: the highest one that was decided so far is the harshest. A signal changes
	// no exit code and ends nothing by itself, so Action is Continue with one.
	Action Action
	// Signal is the number of the signal that the main child gets, or 0 for none.
	Signal int
	// Rule is the number of the rule that decided, counted from 1, or 0 if none matched.
	Rule int
	// Text is that rule as the user wrote it, with whatever bytes they used; it is empty if none matched.
	Text string
}

// WithoutMain returns what is left of the decision where the main child was the victim or has ended: nothing can be stopped,
// killed or signalled.
func (d Decision) WithoutMain() Decision {
	d.Action, d.Signal = min(d.Action, Propagate), 0
	return d
}

// Engine decides on one kill after the other, and remembers as many as the rules ask for. It is made by NewEngine.
type Engine struct {
	rules     []rule
	histories []history // one for each rule
	otherwise Action
}

// NewEngine returns an Engine that has seen no kill. Where no rule matches an OOM kill, the action is otherwise.
func NewEngine(rules Rules, otherwise Action) *Engine {
	e := &Engine{rules: rules.list, histories: make([]history, len(rules.list)), otherwise: otherwise}
	for i, r := range e.rules {
		if r.within > 0 {
			e.histories[i].latest = make([]time.Time, r.count)
		}
	}
	return e
}

// Decide returns what follows from the kill, which it counts. Each call is about another kill, and now never goes back.
// It does not allocate.
//
// Where no rule matches, the death of the main child needs no action: its own status already says SIGKILL, and nothing is
// left to be stopped. Neither does a SIGKILL that was no OOM kill.
func (e *Engine) Decide(v Verdict, now time.Time) Decision {
	decision := Decision{Action: e.otherwise}
	if v.Main || !v.OOM {
		decision.Action = Continue
	}
	for i := range e.rules {
		r := &e.rules[i]
		// Rules after the first that matches count too: what they ask for is how many kills there were.
		if !r.matches(&v) || !e.histories[i].reached(r, now) || decision.Rule > 0 {
			continue
		}
		decision = Decision{Action: r.action, Signal: r.signal, Rule: i + 1, Text: r.text}
	}
	return decision
}

// history is what one rule has to know of the kills before.
type history struct {
	total  uint64
	latest []time.Time // a ring of as many as the rule counts; empty without a duration
}

// reached counts one kill and reports whether there were as many as the rule asks for.
func (h *history) reached(r *rule, now time.Time) bool {
	enough := h.total+1 >= uint64(r.count)
	if len(h.latest) > 0 {
		// The place that is next to be written to holds the oldest of as many as the rule asks for, once this one is in.
		size := uint64(len(h.latest))
		h.latest[h.total%size] = now
		enough = enough && now.Sub(h.latest[(h.total+1)%size]) <= r.within
	}
	h.total++
	return enough
}
