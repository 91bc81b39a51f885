package policy

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
)

// testSignals knows some signals, as cmd/oominit does.
var testSignals = Signals{
	Parse: func(name string) (int, error) {
		switch strings.TrimPrefix(strings.ToUpper(name), "SIG") {
		case "USR1", "10":
			return 10, nil
		case "HUP", "1":
			return 1, nil
		case "RTMIN+3":
			return 37, nil
		case "KILL", "9":
			return 9, nil
		}
		return 0, errors.New("not allowed")
	},
	Names: []string{"SIGHUP", "SIGUSR1", "SIGUSR2"},
}

func mustParse(t testing.TB, text string) Rules {
	t.Helper()
	rules, err := ParseRules(text, testSignals)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return rules
}

func TestParseRules(t *testing.T) {
	type c = condition
	for _, test := range []struct {
		text string
		want []rule
	}{
		{"", nil},
		{" ;; \n\t;\r\n", nil},
		{"stop", []rule{{text: "stop"}}},
		{";;continue ; kill\n\nstop\n", []rule{{text: "continue"}, {text: "kill"}, {text: "stop"}}},
		{"propagate\r\ncontinue\r\n", []rule{{text: "propagate"}, {text: "continue"}}},
		{"signal:USR1", []rule{{text: "signal:USR1", signal: 10}}},
		{"signal:rtmin+3 comm=a", []rule{{text: "signal:rtmin+3 comm=a", signal: 37, conditions: []c{{kind: onComm, text: "a"}}}}},
		{" stop \t comm=java*  exe=/usr/bin/*\r", []rule{{
			text:       "stop \t comm=java*  exe=/usr/bin/*",
			conditions: []c{{kind: onComm, text: "java*"}, {kind: onExe, text: "/usr/bin/*"}},
		}}},
		{"stop cmdline=--x=y,z ancestor=a", []rule{{
			text:       "stop cmdline=--x=y,z ancestor=a",
			conditions: []c{{kind: onCmdline, text: "--x=y,z"}, {kind: onAncestor, text: "a"}},
		}}},
		{`stop comm="a b;c` + "\n" + `\"d\\\*"; kill`, []rule{
			{text: `stop comm="a b;c` + "\n" + `\"d\\\*"`, conditions: []c{{kind: onComm, text: "a b;c\n\"d\\\\*"}}}, {text: "kill"},
		}},
		{`stop comm="=a" role="leaf" rss>="1k"`, []rule{{
			text:       `stop comm="=a" role="leaf" rss>="1k"`,
			conditions: []c{{kind: onComm, text: "=a"}, {kind: onRole, text: "leaf"}, {kind: onRSS, size: 1024}},
		}}},
		{"stop comm=\xff\x1b", []rule{{text: "stop comm=\xff\x1b", conditions: []c{{kind: onComm, text: "\xff\x1b"}}}}},
		{"stop role=main origin=exec limit=above certainty=probable cause=any", []rule{{
			text: "stop role=main origin=exec limit=above certainty=probable cause=any",
			conditions: []c{
				{kind: onRole, text: "main"}, {kind: onOrigin, text: "exec"}, {kind: onLimit, text: "above"},
				{kind: onCertainty, text: "probable"}, {kind: onCause, text: "any"},
			},
		}}},
		{"stop within=1h30m count>=1000", []rule{{text: "stop within=1h30m count>=1000", count: 1000, within: 90 * time.Minute}}},
		{"stop comm=exactly-15-byte", []rule{{text: "stop comm=exactly-15-byte", conditions: []c{{kind: onComm, text: "exactly-15-byte"}}}}},
		{"stop exe=/no/bound/to/a/path", []rule{{
			text: "stop exe=/no/bound/to/a/path", conditions: []c{{kind: onExe, text: "/no/bound/to/a/path"}},
		}}},
	} {
		rules, err := ParseRules(test.text, testSignals)
		for i := range test.want {
			w := &test.want[i]
			if w.signal == 0 {
				w.action, _ = ParseAction(strings.Fields(w.text)[0])
			}
			if !strings.Contains(w.text, "cause") {
				w.conditions = append(w.conditions, c{kind: onCause, text: causeOOM})
			}
		}
		if err != nil || !reflect.DeepEqual(rules.list, test.want) {
			t.Errorf("%q:\n got %+v, %v\nwant %+v", test.text, rules.list, err, test.want)
		}
		roundTrip(t, rules)
	}
}

// roundTrip checks that the text of the rules gives the same rules.
func roundTrip(t *testing.T, rules Rules) {
	t.Helper()
	again, err := ParseRules(rules.String(), testSignals)
	if err != nil || !reflect.DeepEqual(again, rules) {
		t.Errorf("%q came back as %+v, %v", rules.String(), again.list, err)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]uint64{
		"1": 1, "4096": 4096, "4096b": 4096, "512k": 512 << 10, "64M": 64 << 20, "64MB": 64 << 20, "64mib": 64 << 20, "1G": 1 << 30,
		"1GiB": 1 << 30, "1gI": 1 << 30, "2t": 2 << 40, "18446744073709551615": 1<<64 - 1, "16777215T": 16777215 << 40, "007k": 7 << 10,
	} {
		if got, ok := ParseSize(text); got != want || !ok {
			t.Errorf("%q: %d %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "0", "0G", "-1", "+1", "1.5G", "1 G", "G", "b", "i", "ib", "1i", "1ib", "1P", "1kk", "1bb", "1Gbi", "0x10", "1_000",
		"18446744073709551616", "16777216T", "64M\x00", "６４M",
	} {
		if got, ok := ParseSize(text); ok {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

// Each fault is one line with the number of the rule, the column, what was given and what is allowed.
func TestRuleFaults(t *testing.T) {
	const actions = "; use continue, propagate, stop, kill or signal:NAME"
	for _, test := range []struct {
		text string
		want []string
	}{
		{"stp", []string{`rule 1, column 1: "stp" is not allowed` + actions + ` (did you mean "stop"?)`}},
		{"Stop", []string{`rule 1, column 1: "Stop" is not allowed` + actions + ` (did you mean "stop"?)`}},
		{"; stop ;\n  kil comm=a", []string{`rule 2, column 12: "kil" is not allowed` + actions + ` (did you mean "kill"?)`}},
		{"comm=java", []string{`rule 1, column 1: "comm=java" is not allowed` + actions}},
		{"singal:USR1", []string{`"singal:USR1" is not allowed` + actions + ` (did you mean "signal:USR1"?)`}},
		{"signal", []string{`"signal" is not allowed` + actions + ` (did you mean "signal:"?)`}},
		{"signal:", []string{`"signal:" is not allowed; use signal:NAME, with a signal by name or number`}},
		{"signal:SIGUSR", []string{`(did you mean "signal:SIGUSR1"?)`}},
		{"signal:USR3", []string{`"signal:USR3" is not allowed; use signal:NAME`, `(did you mean "signal:SIGUSR1"?)`}},
		{"signal:99", []string{`"signal:99" is not allowed`}},
		{"signal:KILL", []string{`"signal:KILL" is not allowed; use the action for it (did you mean "kill"?)`}},
		{"signal:9", []string{`(did you mean "kill"?)`}},
		{`"stop"`, []string{`"\"stop\"" is not allowed` + actions}},
		{"stop com=java", []string{`rule 1, column 6: "com" is not allowed; use comm, exe, cmdline, ancestor, role, origin, rss, limit, certainty, count, within or cause (did you mean "comm"?)`}},
		{"stop COMM=java", []string{`"COMM" is not allowed`, `(did you mean "comm"?)`}},
		{"stop ancester=x", []string{`(did you mean "ancestor"?)`}},
		{"stop =x", []string{`column 6: "=x" is not allowed; use comm, exe`}},
		{"stop nonsense", []string{`"nonsense" is not allowed; use comm, exe`}},
		{"stop comm", []string{`"comm" is not allowed; use comm=GLOB`}},
		{"stop comm=", []string{`"comm=" is not allowed; use comm=GLOB`}},
		{`stop comm=""`, []string{`"comm=\"\"" is not allowed; use comm=GLOB`}},
		{"stop comm:java", []string{`"comm:java" is not allowed; use comm=GLOB`}},
		{"stop comm!=java", []string{`"comm!=java" is not allowed; use comm=GLOB`}},
		{"stop comm=~java", []string{`"comm=~java" is not allowed; use comm=GLOB`}},
		{"stop comm>=java", []string{`"comm>=java" is not allowed; use comm=GLOB`}},
		{"stop rss=64M", []string{`"rss=64M" is not allowed; use rss>=SIZE, such as 64M, 1GiB or 4096`}},
		{"stop rss>64M", []string{`"rss>64M" is not allowed; use rss>=SIZE`}},
		{"stop rss>=64X", []string{`"rss>=64X" is not allowed; use rss>=SIZE`}},
		{"stop rss>=0", []string{`"rss>=0" is not allowed; use rss>=SIZE`}},
		{"stop count=3", []string{`"count=3" is not allowed; use count>=NUMBER, from 1 to 1000`}},
		{"stop count>=0", []string{`"count>=0" is not allowed; use count>=NUMBER, from 1 to 1000`}},
		{"stop count>=1001", []string{`"count>=1001" is not allowed; use count>=NUMBER, from 1 to 1000`}},
		{"stop count>=99999999999999999999", []string{`from 1 to 1000`}},
		{"stop count>=-1", []string{`from 1 to 1000`}},
		{"stop within=10m", []string{`rule 1, column 6: "within" is of no use alone; use it with count>=NUMBER in the same rule`}},
		{"stop count>=2; kill within=10m", []string{`rule 2, column 21: "within"`}},
		{"stop count>=2 within=10", []string{`"within=10" is not allowed; use within=DURATION, such as 90s or 10m`}},
		{"stop count>=x within=10m", []string{`"count>=x" is not allowed`}},
		{"stop count>=2 within=0s", []string{`"within=0s" is not allowed`}},
		{"stop count>=2 within=-1s", []string{`"within=-1s" is not allowed`}},
		{"stop count>=2 within>=1s", []string{`"within>=1s" is not allowed; use within=DURATION`}},
		{"stop role=leef", []string{`"role=leef" is not allowed; use role=main or leaf (did you mean "role=leaf"?)`}},
		{"stop origin=x", []string{`"origin=x" is not allowed; use origin=tree or exec`}},
		{"stop limit=onw", []string{`use limit=own, nested, above or unknown (did you mean "limit=own"?)`}},
		{"stop certainty=certan", []string{`use certainty=certain, probable or unattributed (did you mean "certainty=certain"?)`}},
		{"stop cause=OOM", []string{`use cause=oom, sigkill or any (did you mean "cause=oom"?)`}},
		{"stop comm=a comm=b", []string{`rule 1, column 13: "comm=b" is one comm too many; use each condition once in a rule`}},
		{"stop comm=[a", []string{`"comm=[a" is not allowed: its [ has no ]`}},
		{`stop exe=a\`, []string{`"exe=a\\" is not allowed: nothing follows its last backslash`}},
		{"stop comm=prometheus-node-exporter", []string{`the kernel keeps 15 bytes of a name, and it asks for more (did you mean "prometheus-node"?)`}},
		{"stop ancestor=*sixteen-bytes-ab*", []string{`the kernel keeps 15 bytes of a name, and it asks for more`}},
		{`stop comm="a b`, []string{`rule 1, column 6: "comm=\"a b" has no closing double quote`}},
		{`stop comm="a b\"; kill`, []string{`has no closing double quote`}},
		{`stop comm=a"b"`, []string{`"comm=a\"b\"" is not allowed: a value is in double quotes from its beginning to its end`}},
		{`stop comm="a"b`, []string{`from its beginning to its end`}},
		{`stop comm="a""b"`, []string{`from its beginning to its end`}},
		{`stop comm="a"\"b"`, []string{`from its beginning to its end`}},
		{`stop comm='java'`, []string{`single quotes mean nothing here; use double quotes`}},
		{"stop comm=a kill comm=b", []string{`rule 1, column 13: "kill" begins another rule; put a ; before it`}},
		{"stop comm=a\x1b[31m\x00[", []string{`"comm=a\x1b[31m\x00[" is not allowed: its [ has no ]`}},
		{"st\u202eop", []string{`rule 1, column 1: "st\u202eop" is not allowed`}},
	} {
		_, err := ParseRules(test.text, testSignals)
		if err == nil {
			t.Errorf("%q: no fault", test.text)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one fault: %v", test.text, err)
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: fault %s\nwant one with %s", test.text, err, want)
			}
		}
	}
}

func TestAllRuleFaultsAtOnce(t *testing.T) {
	rules, err := ParseRules("stp com=a; kill rss=1 role=x\n\n;continue; stop count>=0 within=x a b", testSignals)
	want := []string{
		`rule 1, column 1: "stp"`, `rule 1, column 5: "com"`, `rule 2, column 17: "rss=1"`, `rule 2, column 23: "role=x"`,
		`rule 4, column 47: "count>=0"`, `rule 4, column 56: "within=x"`, `rule 4, column 65: "a"`, `rule 4, column 67: "b"`,
	}
	if err == nil || len(rules.list) > 0 {
		t.Fatalf("rules %v, error %v", rules, err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d: %v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %s, want %s…", line, want[i])
		}
	}
}

// Every value that is said to be allowed is, and every condition can refuse.
func TestForms(t *testing.T) {
	examples := map[string]string{
		"GLOB": "a* /x?[!b]", "SIZE, such as 64M, 1GiB or 4096": "64M 1GiB 4096", "NUMBER, from 1 to 1000": "1 1000",
		"DURATION, such as 90s or 10m": "90s 10m",
	}
	for i := range forms {
		f := &forms[i]
		values := strings.Fields(f.words + examples[f.value])
		if len(values) < 2 {
			t.Errorf("%s: no examples", f.begins)
		}
		with := ""
		if kind(i) == onWithin {
			with = " count>=2"
		}
		for _, value := range values {
			mustParse(t, "stop "+f.begins+value+with)
			mustParse(t, fmt.Sprintf("stop %s%q%s", f.begins, value, with))
		}
		if _, err := ParseRules("stop "+f.begins+"["+with, testSignals); err == nil {
			t.Errorf("%s takes everything", f.begins)
		}
	}
	if maxCount != 1000 || CommSize != 15 {
		t.Error("what faults say of the bounds is not true")
	}
}

// Every rule that docs/rules.md shows is one: in blocks of their own, on a shell's command line and in YAML.
func TestDocumentedRules(t *testing.T) {
	data, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, shown := range []struct {
		begin, end string
		want       int
	}{{"```rules\n", "```", 10}, {"OOMINIT_RULES='", "'", 1}, {"value: |\n", "\n\n", 1}} {
		parts := strings.Split(text, shown.begin)[1:]
		if len(parts) != shown.want {
			t.Errorf("%q begins %d examples, want %d: the test looks at the wrong thing", shown.begin, len(parts), shown.want)
		}
		for _, part := range parts {
			rules, _, closed := strings.Cut(part, shown.end)
			if parsed := mustParse(t, rules); len(parsed.list) == 0 || !closed {
				t.Errorf("no rule in %q", rules)
			}
		}
	}
	for _, f := range forms {
		for _, word := range strings.Fields(f.words) {
			if !strings.Contains(text, "`"+word+"`") {
				t.Errorf("%s%s is not described", f.begins, word)
			}
		}
		if !strings.Contains(text, "`"+f.begins) {
			t.Errorf("%s is not described", f.begins)
		}
	}
}

func FuzzParseRules(f *testing.F) {
	for _, seed := range []string{
		"", "stop", "continue comm=php-fpm; stop comm=java* count>=3 within=10m", "signal:USR1 cmdline=\"a \\\"b\\\\;\n\"",
		"kill rss>=1GiB role=leaf origin=tree limit=own certainty=certain cause=any", "stop comm=[a\\]-\xff]", "stop comm=\"", "stp com=a",
		"stop comm=a kill\x00;\x1b[0m", `stop comm="a\`, "signal:SIGKILL", "a\u2028b\u0085",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseRules(text, testSignals)
		if err == nil {
			roundTrip(t, rules)
			NewEngine(rules, Stop).Decide(Verdict{OOM: true, Comm: text, CommandLine: text, Certainty: Certain}, time.Time{})
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "rule ") {
				t.Errorf("line %q", line)
			}
			for _, c := range line {
				if unicode.IsControl(c) || c == unicode.ReplacementChar && !strings.ContainsRune(text, c) {
					t.Errorf("a control character in %q", line)
				}
			}
		}
	})
}
