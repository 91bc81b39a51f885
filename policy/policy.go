// Package policy decides what follows from an OOM kill, and with which exit code the container ends. It is pure: facts
// in, decisions out; it reads no clock, no environment and no file. docs/rules.md describes its rules for users.
package policy

import "fmt"

// Action is what happens after an OOM kill.
type Action int

// The actions, from the mildest to the harshest.
const (
	// Continue only reports the kill.
	Continue Action = iota
	// Propagate lets the main child finish; if it then ends with 0, the exit code is replaced.
	Propagate
	// Stop sends the stop signal to the main child, and SIGKILL after the grace period.
	Stop
	// Kill sends SIGKILL at once.
	Kill
)

// Actions lists the names that ParseAction knows, in the order of the actions.
func Actions() []string { return []string{"continue", "propagate", "stop", "kill"} }

// String returns the name of the action as users write it.
func (a Action) String() string {
	if a < Continue || a > Kill {
		return fmt.Sprintf("Action(%d)", int(a))
	}
	return Actions()[a]
}

// ParseAction returns the action of that name.
func ParseAction(name string) (Action, error) {
	for i, known := range Actions() {
		if name == known {
			return Action(i), nil
		}
	}
	return 0, fmt.Errorf("unknown action %q", name)
}
