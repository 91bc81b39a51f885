package check

import (
	"strconv"
	"time"

	"github.com/oominit/oominit/policy"
)

// Configuration is what follows from kills, as the environment and the flags have it.
type Configuration struct {
	Policy      policy.Action
	Rules       policy.Rules
	ExitCode    int
	ExitCodes   map[int]int
	GracePeriod time.Duration
	StopSignal  string
	// SignalName names a signal.
	SignalName func(number int) string
	// Command is the command that would be started, if one was given.
	Command []string
	// OOMScoreAdj is what is added to the command's.
	OOMScoreAdj int
}

// Outcome is what would follow from one --kill.
type Outcome struct {
	Kill string `json:"kill"`
	// Steps are the decisions about its kills, in order; those in a row that are the same are one.
	Steps []Step `json:"steps"`
	// Rule is the number of the rule that decides on the last kill, and 0 for none. RuleText is that rule.
	Rule     int    `json:"rule"`
	RuleText string `json:"rule_text,omitempty"`
	// Action is what happens then; a signal is its own action.
	Action string `json:"action"`
	// Signal is what the command gets, if anything.
	Signal string `json:"signal,omitempty"`
	// Effect says the same in words.
	Effect string `json:"effect"`
	// ExitCode is the container's, if the command ends with 0, or as it has to.
	ExitCode int    `json:"exit_code"`
	Reason   string `json:"reason"`
	// MainKilled says that this kill or one before it took the command itself.
	MainKilled bool `json:"main_killed"`
}

// Step is a decision about kills From to To of one --kill, counted from 1.
type Step struct {
	From   int    `json:"from"`
	To     int    `json:"to"`
	Rule   int    `json:"rule"`
	Action string `json:"action"`
	Signal string `json:"signal,omitempty"`
}

func (s Step) same(other Step) bool {
	return s.Rule == other.Rule && s.Action == other.Action && s.Signal == other.Signal
}

// life is where the command stands between kills that do not happen. It follows the supervisor's states as far as kills
// lead: the command does not end but by a kill of its own or by SIGKILL.
type life struct {
	engine   *policy.Engine
	config   *Configuration
	now      time.Time
	harshest policy.Action
	status   policy.Status
	gone     bool // the main child
	stopping bool
}

// Try decides on the kills, one after the other, as PID 1 would: with the same engine.
func Try(c *Configuration, kills []Kill) []Outcome {
	l := life{engine: policy.NewEngine(c.Rules, c.Policy), config: c}
	outcomes := make([]Outcome, 0, len(kills))
	for _, k := range kills {
		outcomes = append(outcomes, l.kill(k))
	}
	return outcomes
}

func (l *life) kill(k Kill) Outcome {
	out := Outcome{Kill: k.Text}
	start := l.now
	for n := 1; n <= k.Count; n++ {
		if n > 1 {
			l.now = start.Add(time.Duration(float64(k.Within) * float64(n-1) / float64(k.Count-1)))
		}
		d := l.decide(k.Verdict)
		if k.Verdict.Main {
			l.gone, l.status = true, policy.Status{Signal: sigkill}
		}
		out.Rule, out.RuleText = d.Rule, d.Text
		out.Action, out.Signal, out.Effect = l.carryOut(d)
		step := Step{n, n, d.Rule, out.Action, out.Signal}
		if last := len(out.Steps) - 1; last >= 0 && out.Steps[last].same(step) {
			out.Steps[last].To = n
			continue
		}
		out.Steps = append(out.Steps, step)
	}
	code, reason := policy.ExitCode(l.status, l.config.ExitCodes, l.harshest, l.config.ExitCode)
	out.ExitCode, out.Reason, out.MainKilled = code, string(reason), l.gone
	return out
}

const sigkill = 9

func (l *life) decide(v policy.Verdict) policy.Decision {
	d := l.engine.Decide(v, l.now)
	if l.gone || v.Main {
		d = d.WithoutMain()
	}
	l.harshest = max(l.harshest, d.Action)
	return d
}

// carryOut says what happens, and what signal that is. Stop and Kill do not end the command here: another kill may come
// before it has ended.
func (l *life) carryOut(d policy.Decision) (action, signal, effect string) {
	action = d.Action.String()
	if d.Signal != 0 {
		signal = l.config.SignalName(d.Signal)
		return "signal:" + signal, signal, signal + " is sent, and no exit code changes"
	}
	again := l.stopping && !l.gone
	switch d.Action {
	case policy.Continue:
		return action, "", "it is only reported"
	case policy.Propagate:
		switch {
		case l.gone:
			return action, "", "the command has ended: nothing is left to be stopped"
		case !again:
			return action, "", "the command may finish, and its exit code 0 becomes " + strconv.Itoa(l.config.ExitCode)
		}
	case policy.Stop:
		l.stopping = true
		if !again {
			return action, l.config.StopSignal, l.config.StopSignal + " is sent, and SIGKILL after " + short(l.config.GracePeriod.String())
		}
	case policy.Kill:
		l.stopping = true
		return action, "SIGKILL", "SIGKILL is sent at once"
	}
	return action, "SIGKILL", "SIGKILL is sent at once, since the command was being stopped already"
}
