package check

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/oominit/oominit/internal/terminal"
	"github.com/oominit/oominit/policy"
)

// Report is all that is said. Either it is about the container, with Facts and Findings, or about kills that did not happen,
// with Outcomes.
type Report struct {
	Config   Configuration
	Facts    *Facts
	Findings []Finding
	Outcomes []Outcome
}

// ExitCode is 1 if it is about the container and attribution cannot be certain there, and otherwise 0.
func (r *Report) ExitCode() int {
	if r.Facts != nil && !Certain(r.Findings) {
		return 1
	}
	return 0
}

// The document, as docs/check.schema.json describes it. Its keys do not change; others may come.
type document struct {
	Result        string         `json:"result,omitempty"`
	Configuration configDocument `json:"configuration"`
	Findings      []Finding      `json:"findings,omitempty"`
	Facts         *Facts         `json:"facts,omitempty"`
	Kills         []Outcome      `json:"kills,omitempty"`
}

type configDocument struct {
	Policy      string         `json:"policy"`
	ExitCode    int            `json:"exit_code"`
	GracePeriod float64        `json:"grace_period_seconds"`
	StopSignal  string         `json:"stop_signal"`
	OOMScoreAdj int            `json:"oom_score_adj"`
	Command     []string       `json:"command,omitempty"`
	Rules       []ruleDocument `json:"rules"`
}

type ruleDocument struct {
	Number     int                 `json:"number"`
	Text       string              `json:"text"`
	Action     string              `json:"action"`
	Conditions []conditionDocument `json:"conditions"`
}

type conditionDocument struct {
	Name     string `json:"name"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

// WriteJSON writes one object on one line.
func (r *Report) WriteJSON(w io.Writer) error {
	d := document{Configuration: r.Config.document(), Findings: r.Findings, Facts: r.Facts, Kills: r.Outcomes}
	if r.Facts != nil {
		d.Result = "certain"
		if !Certain(r.Findings) {
			d.Result = "degraded"
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(d)
}

func (c *Configuration) document() configDocument {
	d := configDocument{
		Policy: c.Policy.String(), ExitCode: c.ExitCode, GracePeriod: c.GracePeriod.Seconds(), StopSignal: c.StopSignal,
		OOMScoreAdj: c.OOMScoreAdj, Command: c.Command, Rules: []ruleDocument{},
	}
	for i, rule := range c.Rules.Describe() {
		conditions := []conditionDocument{}
		for _, condition := range rule.Conditions {
			conditions = append(conditions, conditionDocument(condition))
		}
		d.Rules = append(d.Rules, ruleDocument{i + 1, rule.Text, c.action(rule), conditions})
	}
	return d
}

// action names what a rule does.
func (c *Configuration) action(rule policy.Described) string {
	if rule.Signal != 0 {
		return "signal:" + c.SignalName(rule.Signal)
	}
	return rule.Action.String()
}

// words says what a condition asks for.
func words(c policy.Condition) string {
	switch c.Name + c.Operator {
	case "count>=":
		return "at least " + c.Value + " such kills"
	case "within=":
		return "within " + short(c.Value)
	case "cause=":
		return map[string]string{
			"oom": "OOM kills only", "sigkill": "only SIGKILLs that were no OOM kill", "any": "OOM kills and other SIGKILLs",
		}[c.Value]
	case "certainty=":
		return "at least " + c.Value
	case "rss>=":
		n, _ := strconv.ParseUint(c.Value, 10, 64) // policy has written it
		return "with at least " + terminal.HumanBytes(n)
	case "comm=", "exe=", "cmdline=", "ancestor=":
		return c.Name + " matches " + strconv.Quote(c.Value)
	}
	return c.Name + " is " + c.Value
}

// short leaves out the zeros at the end of a duration's text: 1m instead of 1m0s.
func short(duration string) string {
	if strings.HasSuffix(duration, "m0s") {
		duration = strings.TrimSuffix(duration, "0s")
	}
	if strings.HasSuffix(duration, "h0m") {
		duration = strings.TrimSuffix(duration, "0m")
	}
	return duration
}
