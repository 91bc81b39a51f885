package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oominit/oominit/internal/suggest"
)

// maxCount bounds how many kills a rule can count, and so what is remembered of them.
const maxCount = 1000

// CommSize is how many bytes of a process's name the kernel keeps (TASK_COMM_LEN in include/linux/sched.h, less the NUL).
const CommSize = 15

// form says how a condition is written.
type form struct {
	// begins is its name and operator.
	begins string
	// words are those that it takes, separated by blanks; if there are none, value says what it takes.
	words string
	value string
}

// forms is the table of conditions, in the order of their kinds.
var forms = [...]form{
	onComm:      {begins: "comm=", value: "GLOB"},
	onExe:       {begins: "exe=", value: "GLOB"},
	onCmdline:   {begins: "cmdline=", value: "GLOB"},
	onAncestor:  {begins: "ancestor=", value: "GLOB"},
	onRole:      {begins: "role=", words: roleMain + " " + roleLeaf},
	onOrigin:    {begins: "origin=", words: originTree + " " + originExec},
	onRSS:       {begins: "rss>=", value: "SIZE, such as 64M, 1GiB or 4096"},
	onLimit:     {begins: "limit=", words: string(OwnLimit + " " + NestedLimit + " " + LimitAbove + " " + LimitUnknown)},
	onCertainty: {begins: "certainty=", words: string(Certain + " " + Probable + " " + Unattributed)},
	onCount:     {begins: "count>=", value: "NUMBER, from 1 to 1000"},
	onWithin:    {begins: "within=", value: "DURATION, such as 90s or 10m"},
	onCause:     {begins: "cause=", words: causeOOM + " " + causeSIGKILL + " " + causeAny},
}

// conditionNames returns the names, in the order of the kinds.
func conditionNames() []string {
	names := make([]string, len(forms))
	for i := range forms {
		names[i] = strings.TrimRight(forms[i].begins, ">=")
	}
	return names
}

// usage says how the condition is written, for people.
func (f *form) usage() string {
	if f.words == "" {
		return f.begins + f.value
	}
	return f.begins + suggest.List(strings.Fields(f.words))
}

// notAllowed is the fault of a value that is not what the condition takes.
const notAllowed = "not allowed"

// set takes the value of a condition over, or says what is wrong with it, and which value was probably meant.
func (r *rule) set(k kind, value string) (fault, near string) {
	c, ok := condition{kind: k, text: value}, true
	switch k {
	case onComm, onAncestor:
		if fault, near = checkName(value); fault != "" {
			return fault, near
		}
	case onExe, onCmdline:
		if _, fault = glob(value).check(); fault != "" {
			return fault, ""
		}
	case onRole, onOrigin, onLimit, onCertainty, onCause:
		words := strings.Fields(forms[k].words)
		if !slices.Contains(words, value) {
			return notAllowed, nearest(value, words)
		}
	case onRSS:
		c.text = ""
		c.size, ok = ParseSize(value)
	case onCount:
		r.count, ok = parseCount(value)
	case onWithin:
		var err error
		r.within, err = time.ParseDuration(value)
		ok = err == nil && r.within > 0
	}
	if !ok || value == "" {
		return notAllowed, ""
	}
	if k != onCount && k != onWithin {
		r.conditions = append(r.conditions, c)
	}
	return "", ""
}

// checkName says what is wrong with a glob for the kernel's name of a process.
func checkName(value string) (fault, near string) {
	least, fault := glob(value).check()
	if fault != "" || least <= CommSize {
		return fault, ""
	}
	if !strings.ContainsAny(value, `*?[\`) {
		near = value[:CommSize]
	}
	return "the kernel keeps 15 bytes of a name, and it asks for more", near
}

// unquote returns what a value, which is not empty, stands for. Outside of double quotes that is itself; within them, a
// backslash takes from a double quote or a backslash what it means, and is kept before anything else.
func unquote(value string) (text, fault string) {
	const whole = `a value is in double quotes from its beginning to its end, and \" is one inside; or it has none`
	switch value[0] {
	case '\'':
		return "", "single quotes mean nothing here; use double quotes"
	case '"':
	default:
		if strings.IndexByte(value, '"') >= 0 {
			return "", whole
		}
		return value, ""
	}
	last := len(value) - 1
	var unquoted []byte
	for i := 1; i < last; i++ {
		switch {
		case value[i] == '"':
			return "", whole
		case value[i] == '\\' && (value[i+1] == '"' || value[i+1] == '\\'):
			i++
		}
		unquoted = append(unquoted, value[i])
	}
	if value[last] != '"' {
		return "", whole
	}
	return string(unquoted), ""
}

// parseCount reads how many kills a rule counts to.
func parseCount(text string) (n int, ok bool) {
	u, err := strconv.ParseUint(text, 10, 16)
	return int(u), err == nil && u >= 1 && u <= maxCount
}

// ParseSize reads a number of bytes as rules have it: K, M, G and T are powers of 1024, and i, B and case make no
// difference. It is more than 0.
func ParseSize(text string) (size uint64, ok bool) {
	text = strings.TrimSuffix(strings.ToLower(text), "b")
	number := strings.TrimSuffix(text, "i")
	shift := 0
	if last := len(number) - 1; last >= 0 {
		if unit := strings.IndexByte("kmgt", number[last]); unit >= 0 {
			shift = 10 * (unit + 1)
			number = number[:last]
		} else if number != text {
			return 0, false // an i without a unit
		}
	}
	size, err := strconv.ParseUint(number, 10, 64)
	return size << shift, err == nil && size > 0 && size<<shift>>shift == size
}
