package policy

import "strconv"

// Described is one rule in parts, for who shows how it was understood.
type Described struct {
	// Text is the rule as the user wrote it, with whatever bytes they used.
	Text string
	// Action is the action, and Signal the number of the signal that is sent, or 0.
	Action Action
	Signal int
	// Conditions are what has to hold, the number of kills last. A rule about OOM kills only has that as a condition,
	// whether it was written or not.
	Conditions []Condition
}

// Condition is one condition of a rule.
type Condition struct {
	// Name and Operator are as in docs/rules.md: comm and =, or rss and >=.
	Name, Operator string
	// Value is without quotes; a size is a number of bytes.
	Value string
}

// Describe returns the rules one by one, in their order.
func (r Rules) Describe() []Described {
	all := make([]Described, 0, len(r.list))
	for i := range r.list {
		all = append(all, r.list[i].describe())
	}
	return all
}

func (r *rule) describe() Described {
	d := Described{Text: r.text, Action: r.action, Signal: r.signal}
	add := func(k kind, value string) {
		name := conditionNames()[k]
		d.Conditions = append(d.Conditions, Condition{name, forms[k].begins[len(name):], value})
	}
	for _, c := range r.conditions {
		if c.kind == onRSS {
			c.text = strconv.FormatUint(c.size, 10)
		}
		add(c.kind, c.text)
	}
	if r.count > 0 {
		add(onCount, strconv.Itoa(r.count))
	}
	if r.within > 0 {
		add(onWithin, r.within.String())
	}
	return d
}
