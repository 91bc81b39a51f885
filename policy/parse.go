package policy

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/oominit/oominit/internal/suggest"
)

// Signals is what ParseRules has to be told of signals: this package knows of none but SIGKILL.
type Signals struct {
	// Parse returns the number of a signal as users write it: SIGUSR1, USR1, 10 or RTMIN+3.
	Parse func(name string) (int, error)
	// Names are the names, with SIG, that may be suggested for a misspelt one.
	Names []string
}

const sigkill = 9

// signalAction begins the action that sends a signal.
const signalAction = "signal:"

// ParseRules reads rules: ACTION CONDITION…, separated by ; or newlines (docs/rules.md). All faults are found at once.
// Each is one line of the joined error, without control characters, and says the number of the rule, the column in the
// whole text, counted in bytes from 1, what was given, what is allowed and, where there is one, the word that was
// probably meant. With a fault there are no rules.
func ParseRules(text string, signals Signals) (Rules, error) {
	p := parser{text: text, signals: signals}
	for at := 0; at < len(text); {
		switch text[at] {
		case ';', '\n':
			p.endRule()
			at++
		case ' ', '\t', '\r':
			at++
		default:
			at = p.word(at)
		}
	}
	p.endRule()
	if len(p.faults) > 0 {
		return Rules{}, errors.Join(p.faults...)
	}
	return Rules{p.rules}, nil
}

// parser is on its way through the text.
type parser struct {
	text    string
	signals Signals
	rules   []rule
	faults  []error

	rule     *rule // the last of rules; nil between rules
	start    int   // of the rule, in the text
	at       int   // of the word that is read
	given    uint  // the kinds of conditions that the rule has, as bits
	withinAt int
}

func (p *parser) fault(at int, text string) {
	p.faults = append(p.faults, errors.New("rule "+strconv.Itoa(len(p.rules))+", column "+strconv.Itoa(at+1)+": "+text))
}

// refuse is the fault that a word is not allowed. There may be no word near to it.
func (p *parser) refuse(word, allowed, near string) {
	p.fault(p.at, strconv.Quote(word)+" is not allowed; use "+allowed+didYouMean(near))
}

func didYouMean(near string) string {
	if near != "" {
		near = " (did you mean " + strconv.Quote(near) + "?)"
	}
	return near
}

// nearest is suggest.Nearest with nothing instead of a word that is too far.
func nearest(word string, known []string) string {
	near, ok := suggest.Nearest(word, known)
	if !ok {
		near = ""
	}
	return near
}

// word reads one word and returns where it ends. Within quotes, nothing ends it.
func (p *parser) word(at int) (end int) {
	quoted := false
	for end = at; end < len(p.text) && (quoted || strings.IndexByte(" \t\r\n;", p.text[end]) < 0); end++ {
		switch p.text[end] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				end++
			}
		}
	}
	end = min(end, len(p.text))
	word := p.text[at:end]
	p.at = at
	if p.rule != nil && isAction(word) {
		p.fault(at, strconv.Quote(word)+" begins another rule; put a ; before it")
		p.endRule()
	}
	switch {
	case p.rule == nil:
		p.rules = append(p.rules, rule{})
		p.rule = &p.rules[len(p.rules)-1]
		p.start, p.given = at, 0
		p.action(word)
	case quoted:
		p.fault(at, strconv.Quote(word)+" has no closing double quote")
	default:
		p.condition(word)
	}
	p.rule.text = p.text[p.start:end]
	return end
}

// endRule ends the rule that was read, if there is one.
func (p *parser) endRule() {
	if p.rule == nil {
		return
	}
	if p.given&(1<<onWithin|1<<onCount) == 1<<onWithin {
		p.fault(p.withinAt, `"within" is of no use alone; use it with count>=NUMBER in the same rule`)
	}
	if p.given&(1<<onCause) == 0 {
		p.rule.conditions = append(p.rule.conditions, condition{kind: onCause, text: causeOOM})
	}
	p.rule = nil
}

func isAction(word string) bool {
	return slices.Contains(Actions(), word) || strings.HasPrefix(word, signalAction)
}

// action reads the word that begins a rule.
func (p *parser) action(word string) {
	name, argument, _ := strings.Cut(word, ":")
	if strings.HasPrefix(word, signalAction) {
		p.signal(word, argument)
		return
	}
	action, err := ParseAction(word)
	if err == nil {
		p.rule.action = action
		return
	}
	near := nearest(name, append(Actions(), "signal"))
	if near == "signal" {
		near = signalAction + argument
	}
	p.refuse(word, suggest.List(append(Actions(), signalAction+"NAME")), near)
}

func (p *parser) signal(word, name string) {
	number, err := p.signals.Parse(name)
	switch {
	case err != nil:
		near := nearest(name, p.signals.Names)
		if near == "" {
			near = nearest("SIG"+name, p.signals.Names)
		}
		if near != "" {
			near = signalAction + near
		}
		p.refuse(word, signalAction+"NAME, with a signal by name or number, such as SIGUSR1, USR1 or 10", near)
	case number == sigkill:
		// As a mere signal it would look like a SIGKILL of somebody else's.
		p.refuse(word, "the action for it", Kill.String())
	default:
		p.rule.signal = number
	}
}

// condition reads a word after the first.
func (p *parser) condition(word string) {
	name, operator, value := splitCondition(word)
	names := conditionNames()
	i := slices.Index(names, name)
	if i < 0 {
		if name == "" {
			name = word
		}
		p.refuse(name, suggest.List(names), nearest(name, names))
		return
	}
	if p.given&(1<<i) != 0 {
		p.fault(p.at, strconv.Quote(word)+" is one "+name+" too many; use each condition once in a rule")
		return
	}
	p.given |= 1 << i
	if kind(i) == onWithin {
		p.withinAt = p.at
	}
	form := &forms[i]
	if name+operator != form.begins || value == "" {
		p.refuse(word, form.usage(), "")
		return
	}
	value, fault := unquote(value)
	near := ""
	if fault == "" {
		fault, near = p.rule.set(kind(i), value)
	}
	switch fault {
	case "":
	case notAllowed:
		if near != "" {
			near = form.begins + near
		}
		p.refuse(word, form.usage(), near)
	default:
		p.fault(p.at, strconv.Quote(word)+" is not allowed: "+fault+didYouMean(near))
	}
}

// splitCondition takes a word apart. A value that begins with a character of an operator has to be quoted.
func splitCondition(word string) (name, operator, value string) {
	i := 0
	for i < len(word) && (word[i]|0x20 >= 'a' && word[i]|0x20 <= 'z' || word[i] == '_' || word[i] == '-') {
		i++
	}
	value = strings.TrimLeft(word[i:], "=<>!~")
	return word[:i], word[i : len(word)-len(value)], value
}
