package explain

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	someKill = `{"level":"error","time":"2026-11-24T05:23:15.854428Z","event":"oom_kill","process":{"pid":13,"parent_pid":12,"executable":{"name":"tail"}},"role":"leaf","origin":"tree","certainty":"certain","evidence":["counter_rise"],"limit":"own","oom_kills":1,"memory":{"limit_bytes":67108864},"message":"m"}`
	someExit = `{"level":"warn","time":"2026-11-24T05:23:16.000000Z","event":"exit","exit_code":137,"reason":"policy","main":{"pid":7,"exit_code":0},"oom_kills":1,"message":"m"}`
)

func TestRecognize(t *testing.T) {
	for name, test := range map[string]struct {
		line   string
		events int
		source string
	}{
		"an event":                     {someKill, 1, ""},
		"with a carriage return":       {someKill + "\r\n", 1, ""},
		"docker logs -t":               {"2026-11-24T05:23:15.854428123Z " + someKill, 1, ""},
		"a file of a node's":           {"2026-11-24T05:23:15.854428123+01:00 stdout F " + someKill, 1, ""},
		"docker compose":               {"web-1  | " + someKill, 1, "web-1"},
		"kubectl --prefix":             {"[pod/web-0/app] " + someKill, 1, "pod/web-0/app"},
		"text before":                  {"loading ... " + someKill, 1, ""},
		"braces before":                {"{{{ }}} {\"a\": " + someKill, 1, ""},
		"a JSON object before":         {`{"level":"info","msg":"x"}` + someKill, 1, ""},
		"half a JSON object before":    {`{"level":"info","msg":"x` + someKill, 1, ""},
		"half a string of JSON before": {`{"level":"info","msg":"x\` + someKill, 1, ""},
		"NUL and escapes before":       {"\x00\x1b[31m\xff" + someKill, 1, ""},
		"text behind":                  {someKill + " and more {", 1, ""},
		"two events":                   {someKill + someExit, 2, ""},
		"two, and text":                {"a" + someKill + "b" + someExit + "c", 2, ""},
		"blanks":                       {strings.ReplaceAll(strings.ReplaceAll(someKill, `":`, `" : `), `{"`, `{ "`), 1, ""},
		"a wrong type":                 {strings.Replace(someKill, `"pid":13`, `"pid":"13"`, 1), 1, ""},
		"an unknown key":               {strings.Replace(someKill, `"role"`, `"future":{"a":[1,{}]},"role"`, 1), 1, ""},

		"nothing":                    {"", 0, ""},
		"text":                       {"oom_kill", 0, ""},
		"another JSON":               {`{"event":"oom_kill"}`, 0, ""},
		"another's started":          {`{"level":"info","time":"2026-11-24T05:23:15.854428Z","event":"started","message":"server started"}`, 0, ""},
		"another's exit":             {`{"level":"info","time":"2026-11-24T05:23:15.854428Z","event":"exit","exit_code":1,"message":"m"}`, 0, ""},
		"another's warning":          {`{"level":"info","time":"2026-11-24T05:23:15.854428Z","event":"warning","message":"m"}`, 0, ""},
		"another's time":             {strings.Replace(someKill, ".854428Z", "Z", 1), 0, ""},
		"another level":              {strings.Replace(someKill, `"error"`, `"fatal"`, 1), 0, ""},
		"an unknown event":           {strings.Replace(someKill, "oom_kill", "oom_killed", 1), 0, ""},
		"an event inside of another": {`{"level":"info","inner":` + someKill + `}`, 0, ""},
		"an event in a string":       {fmt.Sprintf("%q", someKill), 0, ""},
		"broken off":                 {someKill[:len(someKill)-1], 0, ""},
		"broken in the middle":       {strings.Replace(someKill, `"role":`, `"role"`, 1), 0, ""},
		"too long":                   {strings.Replace(someKill, `"m"`, `"`+strings.Repeat("m", maxEventBytes)+`"`, 1), 0, ""},
		"many markers":               {strings.Repeat(`{"level":"`, 100_000), 0, ""},
		"deep":                       {strings.Repeat(`{"level":"info","a":`, 50_000), 0, ""},
		"brackets":                   {`{"level":"info","event":` + strings.Repeat("[", 1_000_000), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := recognize([]byte(test.line))
			if len(found) != test.events {
				t.Errorf("%d events, want %d", len(found), test.events)
			}
			for _, f := range found {
				if f.source != test.source {
					t.Errorf("source %q, want %q", f.source, test.source)
				}
			}
		})
	}
}

// hostile are texts that a process can choose.
var hostile = []string{
	"\x1b[2J\x1b]0;owned\x07", "\x9b31m", "a\nb\tc\rd\x00e", "\u202egnp.exe", "\u2066x\u2069", "</text><script>alert(1)</script>",
	"]]>&amp;<!--", "\"'`$(reboot)", "\xff\xfe", "\ufffe\uffff", "\u0301\u0301\u0301", "目录目录目录目录目录目录目录目录目录目录", "%s%n%!d(MISSING)",
	strings.Repeat("x", 400), "\U000e0001", "",
}

func TestHostileTexts(t *testing.T) {
	for _, text := range hostile {
		quoted := jsonString(text)
		events := []string{
			`{"level":"info","time":"2026-11-24T05:23:15.000000Z","event":"started","process":{"pid":7,"executable":{"name":` + quoted + `},"command_line":` + quoted + `},"init":{},"policy":` + jsonString(text+"p") + `,"cgroup":{"version":` + quoted + `},"message":"m"}`,
			strings.NewReplacer(`"tail"`, quoted, `"leaf"`, quoted, `"tree"`, quoted, `"own"`, quoted, `"counter_rise"`, quoted, `"certain"`, jsonString(text+"c"),
				`"parent_pid":12`, `"command_line":`+quoted+`,"ancestors":[{"executable":{"name":`+quoted+`}}]`, `"m"`, jsonString(text+"m")).Replace(someKill),
			`{"level":"warn","time":"2026-11-24T05:23:15.854428Z","event":"policy","action":` + jsonString(text+"a") + `,"exit_code":1,"signal":` + quoted + `,"rule":` + quoted + `,"message":"m"}`,
			`{"level":"warn","time":"2026-11-24T05:23:15.854428Z","event":"warning","message":` + jsonString(text+"m") + `}`,
			`{"level":"warn","time":"2026-11-24T05:23:15.854428Z","event":"unsupported","reason":` + jsonString(text+"r") + `,"message":"m"}`,
			`{"level":"warn","time":"2026-11-24T05:23:16.000000Z","event":"exit","exit_code":137,"reason":` + jsonString(text+"r") + `,"main":{"signal":` + quoted + `},"message":"m"}`,
		}
		log := read(t, strings.Join(events, "\n"))
		if log.Events != len(events) {
			t.Errorf("%q: %d of %d events", text, log.Events, len(events))
		}
		check(t, outputs(t, log))
	}
}

// jsonString quotes as zerolog does: what is no control character stays as it is.
func jsonString(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// Numbers can be anything, too.
func TestHostileNumbers(t *testing.T) {
	const big = "18446744073709551615"
	at := func(year string) string { return strings.Replace(someKill, "2026", year, 1) }
	for name, log := range map[string]string{
		"far apart":                  at("0001") + "\n" + someExit + "\n" + at("9999"),
		"backwards":                  at("9999") + "\n" + strings.Replace(at("0001"), `"oom_kills":1`, `"oom_kills":2`, 1),
		"huge memory":                strings.Replace(someKill, `"limit_bytes":67108864`, `"limit_bytes":`+big+`,"usage_bytes":`+big+`,"peak_bytes":`+big, 1),
		"tiny memory":                strings.Replace(someKill, `"limit_bytes":67108864`, `"limit_bytes":1,"usage_bytes":1`, 1),
		"over the limit":             strings.Replace(someKill, `"limit_bytes":67108864`, `"limit_bytes":1,"usage_bytes":`+big, 1),
		"negative numbers":           strings.NewReplacer(`"pid":13`, `"pid":-13,"age_seconds":-1e300`, `67108864`, `-1`).Replace(someKill),
		"huge numbers":               strings.NewReplacer(`"pid":13`, `"pid":1e999,"age_seconds":1e300`, `"oom_kills":1`, `"oom_kills":`+big).Replace(someKill),
		"samples":                    strings.Replace(someKill, `"role"`, `"recorder":{"interval_seconds":1e300,"samples":[{"seconds_before":1e300,"usage_bytes":5},{"seconds_before":-5,"usage_bytes":`+big+`},{"seconds_before":"x"},null]},"role"`, 1),
		"a recorder of another type": strings.Replace(someKill, `"role"`, `"recorder":[1],"role"`, 1),
		"dropped":                    strings.Replace(someExit, `"reason"`, `"dropped_events":`+big+`,"memory":{"usage_bytes":3},"reason"`, 1),
		"hits":                       strings.Repeat(`{"level":"info","time":"2026-11-24T05:23:15.000000Z","event":"memory_limit_hit","hits":`+big+`,"message":"m"}`+"\n", 3),
	} {
		t.Run(name, func(t *testing.T) {
			l := read(t, log)
			if l.Events == 0 {
				t.Error("no event")
			}
			check(t, outputs(t, l))
		})
	}
}

func TestStories(t *testing.T) {
	started := func(second int) string {
		return fmt.Sprintf(`{"level":"info","time":"2026-11-24T05:23:%02d.000000Z","event":"started","process":{"pid":7,"executable":{"name":"sh"}},"init":{},"policy":"stop","message":"m"}`, second)
	}
	warning := `{"level":"warn","time":"2026-11-24T05:23:15.854428Z","event":"warning","message":"m"}`
	secondKill := strings.Replace(someKill, `"oom_kills":1`, `"oom_kills":2`, 1)
	for name, test := range map[string]struct {
		lines []string
		kills []int // of each story
	}{
		"one":                                 {[]string{started(1), someKill, secondKill, someExit}, []int{2}},
		"two":                                 {[]string{started(1), someKill, someExit, started(2), someExit}, []int{1, 0}},
		"two at level warn":                   {[]string{someKill, someExit, someKill, someExit}, []int{1, 1}},
		"a warning is before the start":       {[]string{warning, started(1), someKill}, []int{1}},
		"the first has no end":                {[]string{started(1), someKill, started(2), secondKill}, []int{1, 1}},
		"no ends at level warn":               {[]string{someKill, secondKill, someKill}, []int{2, 1}},
		"two containers at once":              {[]string{"a  | " + started(1), "bb | " + started(2), "a  | " + someKill, "bb | " + someExit, "a  | " + someExit}, []int{1, 0}},
		"the container's own text is nothing": {[]string{"a | b", started(1), "c | d"}, []int{0}},
	} {
		log := read(t, strings.Join(test.lines, "\n"))
		var kills []int
		for _, s := range log.Stories {
			kills = append(kills, s.Kills)
		}
		if fmt.Sprint(kills) != fmt.Sprint(test.kills) {
			t.Errorf("%s: kills %v, want %v", name, kills, test.kills)
		}
	}
}

func TestTitles(t *testing.T) {
	log := read(t, strings.Join([]string{"a  | " + someKill, "bb | " + someExit, "a  | " + someExit, "a  | " + someExit}, "\n"))
	var titles []string
	for i := range log.Stories {
		titles = append(titles, log.title(i))
	}
	if want := []string{"a, run 1 of 2", "bb", "a, run 2 of 2"}; fmt.Sprint(titles) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", titles, want)
	}
}

func TestAdvice(t *testing.T) {
	nobody := strings.NewReplacer(`"process":{"pid":13,"parent_pid":12,"executable":{"name":"tail"}},"role":"leaf","origin":"tree",`, `"candidates":[{"pid":3,"executable":{"name":"big"}}],`,
		`"certain"`, `"unattributed"`).Replace(someKill)
	limit := func(name string) string { return strings.Replace(someKill, `"own"`, `"`+name+`"`, 1) }
	for line, want := range map[string]string{
		someKill:         "Raise the container's memory limit of 64.0 MiB",
		limit("above"):   "not the container's",
		limit("nested"):  "inside of the container",
		limit("unknown"): "not known",
		nobody:           "big",
		`{"level":"info","time":"2026-11-24T05:23:15.000000Z","event":"started","process":{"pid":7},"init":{},"policy":"stop","cgroup":{"oom_group":true},"message":"m"}`: "singleProcessOOMKill",
		`{"level":"warn","time":"2026-11-24T05:23:15.000000Z","event":"unsupported","reason":"r","message":"m"}`:                                                          "cannot be counted",
	} {
		advice := strings.Join(read(t, line).Stories[0].advice(), "\n")
		if !strings.Contains(advice, want) {
			t.Errorf("%s: %q has no %q", line, advice, want)
		}
	}
	if advice := read(t, `{"level":"info","time":"2026-11-24T05:23:16.000000Z","event":"exit","exit_code":0,"reason":"main_exited","main":{"pid":7,"exit_code":0},"message":"m"}`).Stories[0].advice(); len(advice) > 0 {
		t.Errorf("where nothing happened: %q", advice)
	}
}

// repeated is a reader of the same text again and again.
type repeated struct {
	text   string
	times  int
	offset int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) && r.times > 0 {
		m := copy(p[n:], r.text[r.offset:])
		n, r.offset = n+m, r.offset+m
		if r.offset == len(r.text) {
			r.offset, r.times = 0, r.times-1
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A line of any length takes bounded memory, and the event at its end is found.
func TestLongLine(t *testing.T) {
	input := io.MultiReader(&repeated{text: strings.Repeat("x", 1000), times: 5000}, strings.NewReader(someKill+"\n"+someExit))
	lines := newLineReader(input)
	for n := 0; lines.next(); n++ {
		if len(lines.line) > 2*maxLine || lines.cut != (n == 0) || len(recognize(lines.line)) != 1 {
			t.Errorf("line %d: %d bytes, cut %v", n, len(lines.line), lines.cut)
		}
	}
	if cap(lines.line) > 4*maxLine {
		t.Errorf("a buffer of %d bytes", cap(lines.line))
	}
}

func TestMuchIsLeftOut(t *testing.T) {
	kills := make([]string, 0, maxEventsPerStory+100)
	for i := range cap(kills) {
		kills = append(kills, strings.Replace(someKill, `"oom_kills":1`, fmt.Sprintf(`"oom_kills":%d`, i+1), 1))
	}
	log := read(t, strings.Join(append(kills, someExit), "\n"))
	s := log.Stories[0]
	if len(log.Stories) != 1 || s.Kills != len(kills) || s.LeftOut != 100 || s.Exit == nil || len(s.Events) != maxEventsPerStory+1 {
		t.Errorf("%d stories, %d kills, %d left out, %d events, exit %v", len(log.Stories), s.Kills, s.LeftOut, len(s.Events), s.Exit != nil)
	}
	all := outputs(t, log)
	check(t, all)
	if !strings.Contains(all["txt"], "100 more events") || len(all["svg"]) > 1<<20 {
		t.Errorf("the text does not tell of what is left out, or the picture has %d bytes", len(all["svg"]))
	}
	log = read(t, strings.Repeat(someKill+"\n"+someExit+"\n", maxStories+5))
	if len(log.Stories) != maxStories || log.LeftOutStories != 5 {
		t.Errorf("%d stories, %d left out", len(log.Stories), log.LeftOutStories)
	}
	check(t, outputs(t, log))
}

func FuzzRecognize(f *testing.F) {
	f.Add([]byte(someKill))
	f.Add([]byte("web-1 | x" + someExit + someKill))
	f.Add([]byte(`{"level":"info","msg":"\` + someKill))
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, found := range recognize(line) {
			if !found.event.complete() {
				t.Errorf("an incomplete event: %+v", found.event)
			}
		}
	})
}

func FuzzLog(f *testing.F) {
	logs, _ := filepath.Glob("testdata/*.log")
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range hostile {
		f.Add(strings.Replace(someKill, `"tail"`, jsonString(text), 1))
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, outputs(t, read(t, text))) })
}
