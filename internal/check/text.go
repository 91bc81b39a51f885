package check

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/oominit/oominit/internal/terminal"
)

// The columns of the table: the mark, what it is about, and the words.
const (
	markWidth = 10
	nameWidth = 17
	textAt    = 2 + markWidth + nameWidth
	fixWidth  = 12
)

// labels are what the table calls findings whose name is longer than the column.
var labels = map[string]string{
	"proc_exit_code": "exit code", "proc_exit_code_other_user": "of other users", "pidfd_exit_status": "pidfd status",
}

// printer writes lines. Its first error stays in w and comes out of Flush.
type printer struct {
	w     *bufio.Writer
	style terminal.Style
	width int
}

func (p *printer) line(text string) { _, _ = p.w.WriteString(strings.TrimRight(text, " ") + "\n") } // Flush has the error

// row writes a text beside what stands on its left, which fills the columns up to at.
func (p *printer) row(left string, at int, text string) {
	for _, line := range terminal.Wrap(terminal.Printable(text), p.width-at) {
		p.line(left + line)
		left = strings.Repeat(" ", at)
	}
}

// WriteText writes a table for people.
func (r *Report) WriteText(w io.Writer, style terminal.Style) error {
	p := &printer{w: bufio.NewWriter(w), style: style, width: max(style.Width, terminal.Narrowest)}
	if r.Facts != nil {
		p.findings(r)
		p.line("")
	}
	p.configuration(&r.Config)
	for _, o := range r.Outcomes {
		p.outcome(o)
	}
	return p.w.Flush()
}

func (p *printer) findings(r *Report) {
	headline, color := "An OOM kill in this container can be attributed for certain.", terminal.Green
	if lacking := lacking(r.Findings); len(lacking) > 0 {
		headline, color = "An OOM kill in this container may not be told of for certain, because of: "+strings.Join(lacking, ", ")+".", terminal.Yellow
	}
	for _, line := range terminal.Wrap(headline, p.width) {
		p.line(p.style.Paint(color, line))
	}
	p.line(p.style.Paint(terminal.Dim, "Linux "+terminal.Printable(r.Facts.Kernel)))
	p.line("")
	colors := map[State]string{OK: terminal.Green, Degraded: terminal.Yellow, Missing: terminal.Red}
	for _, f := range r.Findings {
		label := label(f.Name)
		mark := p.style.Paint(colors[f.State], fmt.Sprintf("%-*s", markWidth, f.State))
		p.row("  "+mark+fmt.Sprintf("%-*s", nameWidth, label), textAt, f.Text)
		if f.Fix != nil && f.State != OK {
			p.fix("Docker", f.Fix.Docker)
			p.fix("Kubernetes", f.Fix.Kubernetes)
			p.fix("Podman", f.Fix.Podman)
			p.fix("host", f.Fix.Host)
		}
	}
}

// lacking names what is needed and not ok.
func lacking(findings []Finding) (names []string) {
	for _, f := range findings {
		if f.Needed && f.State != OK {
			names = append(names, label(f.Name))
		}
	}
	return names
}

func label(name string) string {
	if short, ok := labels[name]; ok {
		return short
	}
	return name
}

func (p *printer) fix(where, text string) {
	if text != "" {
		p.row(strings.Repeat(" ", textAt)+p.style.Paint(terminal.Dim, fmt.Sprintf("%-*s", fixWidth, where)), textAt+fixWidth, text)
	}
}

// The columns of the configuration and of outcomes.
const (
	ruleWidth   = 16
	actionWidth = 16
	rulesAt     = 2 + ruleWidth + actionWidth
)

func (p *printer) configuration(c *Configuration) {
	p.line(p.style.Paint(terminal.Bold, "After an OOM kill"))
	if len(c.Command) > 0 {
		p.row("  "+fmt.Sprintf("%-*s", ruleWidth, "command"), 2+ruleWidth, strings.Join(c.Command, " "))
	}
	for i, rule := range c.Rules.Describe() {
		var conditions []string
		for _, condition := range rule.Conditions {
			conditions = append(conditions, words(condition))
		}
		p.row("  "+fmt.Sprintf("%-*s%-*s", ruleWidth, fmt.Sprintf("rule %d", i+1), actionWidth, c.action(rule)), rulesAt, strings.Join(conditions, ", "))
	}
	label := "always"
	if len(c.Rules.Describe()) > 0 {
		label = "otherwise"
	}
	p.row("  "+fmt.Sprintf("%-*s%-*s", ruleWidth, label, actionWidth, c.Policy), rulesAt,
		fmt.Sprintf("exit code %d, stop signal %s, grace period %s", c.ExitCode, c.StopSignal, short(c.GracePeriod.String())))
}

// outcome tells of one --kill: a line for each decision, and what follows from the last.
func (p *printer) outcome(o Outcome) {
	p.line("")
	for _, line := range terminal.Wrap("--kill "+terminal.Printable(o.Kill), p.width) {
		p.line(p.style.Paint(terminal.Bold, line))
	}
	if len(o.Steps) > 1 {
		for _, s := range o.Steps[:len(o.Steps)-1] {
			p.row("  "+fmt.Sprintf("%-*s%-*s", ruleWidth, s.kills(), actionWidth, s.Action), rulesAt, decides(s.Rule, ""))
		}
	}
	last := o.Steps[len(o.Steps)-1]
	p.row("  "+fmt.Sprintf("%-*s%-*s", ruleWidth, last.kills(), actionWidth, o.Action), rulesAt, decides(o.Rule, o.RuleText)+"; "+o.Effect)
	reason := map[string]string{
		"main_exited": "the command's own", "main_signaled": "128 + 9, the command's own", "mapped": "by OOMINIT_EXIT_CODE_MAP", "policy": "by policy",
	}[o.Reason]
	if o.MainKilled {
		reason += "; it was killed itself"
	} else {
		reason += ", if the command ends with 0"
	}
	p.row("  "+fmt.Sprintf("%-*s%-*d", ruleWidth, "exit code", actionWidth, o.ExitCode), rulesAt, reason)
}

func (s Step) kills() string {
	if s.From == s.To {
		return fmt.Sprintf("kill %d", s.From)
	}
	return fmt.Sprintf("kill %d to %d", s.From, s.To)
}

func decides(rule int, text string) string {
	switch {
	case rule == 0:
		return "no rule matches"
	case text == "":
		return fmt.Sprintf("rule %d", rule)
	}
	return fmt.Sprintf("rule %d decides (%s)", rule, text)
}
