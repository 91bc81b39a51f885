package policy

import (
	"strings"
	"time"
)

// Rules say which action follows from which kills: of those that match, the first one decides. They are made by
// ParseRules; the zero value holds none.
type Rules struct{ list []rule }

// String returns a text from which ParseRules makes the same rules. Each rule is written as the user wrote it.
func (r Rules) String() string {
	texts := make([]string, len(r.list))
	for i := range r.list {
		texts[i] = r.list[i].text
	}
	return strings.Join(texts, "; ")
}

// rule is one rule.
type rule struct {
	text       string
	action     Action
	signal     int // 0 without
	conditions []condition
	count      int           // 0 without
	within     time.Duration // 0 without
}

// matches reports whether all conditions hold but that on the number of kills.
func (r *rule) matches(v *Verdict) bool {
	for i := range r.conditions {
		if !r.conditions[i].holds(v) {
			return false
		}
	}
	return true
}

// condition is one condition on a single kill.
type condition struct {
	kind kind
	text string // but for onRSS
	size uint64 // for onRSS
}

// kind says what a condition is about.
type kind int

// The kinds. Up to onRSS they are about the victim.
const (
	onComm kind = iota
	onExe
	onCmdline
	onAncestor
	onRole
	onOrigin
	onRSS
	onLimit
	onCertainty
	onCount
	onWithin
	onCause
)

// The words of conditions that are not already those of facts.
const (
	roleMain, roleLeaf               = "main", "leaf"
	originTree, originExec           = "tree", "exec"
	causeOOM, causeSIGKILL, causeAny = "oom", "sigkill", "any"
)

// holds reports whether the condition holds. One on what is not known of the victim does not, whatever it asks for, and
// of the victim of an unattributed kill nothing is known.
func (c *condition) holds(v *Verdict) bool {
	if c.kind <= onRSS && v.Certainty.rank() == 0 {
		return false
	}
	switch c.kind {
	case onComm:
		return c.fits(v.Comm)
	case onExe:
		return c.fits(v.Exe)
	case onCmdline:
		return c.fits(v.CommandLine)
	case onAncestor:
		for _, name := range v.Ancestors {
			if c.fits(name) {
				return true
			}
		}
		return false
	case onRole:
		return (c.text == roleMain) == v.Main
	case onOrigin:
		return (c.text == originExec) == v.Exec
	case onRSS:
		return v.ResidentBytes >= c.size
	case onLimit:
		return c.text == string(v.Limit)
	case onCertainty:
		return v.Certainty.rank() >= Certainty(c.text).rank()
	case onCause:
		return c.text == causeAny || (c.text == causeOOM) == v.OOM
	case onCount, onWithin: // an Engine sees to them
	}
	return true
}

// fits reports whether the text is known and the glob matches it.
func (c *condition) fits(text string) bool { return text != "" && glob(c.text).match(text) }
