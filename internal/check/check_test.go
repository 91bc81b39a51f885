package check

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/terminal"
	"github.com/oominit/oominit/internal/testgolden"
	"github.com/oominit/oominit/internal/testproc"
	"github.com/oominit/oominit/policy"
)

func TestMain(m *testing.M) { testproc.Main(m) }

// configuration is the default one with rules and a policy.
func configuration(t testing.TB, rules, otherwise string) Configuration {
	t.Helper()
	action, err := policy.ParseAction(otherwise)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{"USR1": 10, "HUP": 1}
	parsed, err := policy.ParseRules(rules, policy.Signals{Parse: func(name string) (int, error) {
		if n, ok := names[name]; ok {
			return n, nil
		}
		return 0, errors.New("not allowed")
	}})
	if err != nil {
		t.Fatal(err)
	}
	return Configuration{
		Policy: action, Rules: parsed, ExitCode: 137, GracePeriod: 10 * time.Second, StopSignal: "SIGTERM",
		SignalName: func(n int) string { return map[int]string{10: "SIGUSR1", 1: "SIGHUP"}[n] },
	}
}

var ownColors = regexp.MustCompile("\x1b\\[(0|1|2|31|32|33)m")

// outputs writes the report in all ways, and holds what is true of every one.
func outputs(t testing.TB, r *Report) (text string) {
	t.Helper()
	var plain, color, json bytes.Buffer
	if err := errors.Join(r.WriteText(&plain, terminal.Style{Width: 100}), r.WriteText(&color, terminal.Style{Width: 100, Color: true}), r.WriteJSON(&json)); err != nil {
		t.Fatal(err)
	}
	if uncolored := ownColors.ReplaceAllString(color.String(), ""); uncolored != plain.String() {
		t.Errorf("colours change the text:\n%s", uncolored)
	}
	for _, c := range plain.String() {
		if c != '\n' && !strconv.IsPrint(c) {
			t.Errorf("the character %U in the text", c)
		}
	}
	for line := range strings.Lines(plain.String()) {
		if terminal.Columns(strings.TrimSuffix(line, "\n")) > 100 || strings.HasSuffix(line, " \n") {
			t.Errorf("a line that is too long, or ends with a blank: %q", line)
		}
	}
	testproc.Valid(t, "check.schema.json", json.String())
	return plain.String()
}

func amount(n uint64) *uint64 { return &n }

// good is a container in which nothing is missing.
func good() *Facts {
	ok := Trial{Works: true}
	return &Facts{
		Kernel:   "6.18.0",
		Init:     Init{PID: 1, Subreaper: true},
		Cgroup:   &Cgroup{Version: "v2", Path: "/", Directory: "/sys/fs/cgroup"},
		Memory:   &Memory{Limit: amount(64 << 20), Usage: amount(16 << 20), Peak: amount(20 << 20), Swap: amount(0), SwapKnown: true},
		Counters: Counters{Readable: true, WokenBy: "poll", Kills: amount(0)},
		Evidence: Evidence{ok, ok, ok, ok, ok, ok},
		Process:  Process{RaiseOOMScoreAdj: ok, PidsLimit: amount(100), PidsLeft: amount(98), Files: 1024},
		Proc:     ProcMount{Others: ok},
	}
}

// setUps are containers, as changes of the good one. The names of needed findings that are not ok are those from which
// exit code 1 follows.
var setUps = []struct {
	name   string
	change func(f *Facts)
	needed string
}{
	{"v2", func(*Facts) {}, ""},
	{"docker-v1", func(f *Facts) {
		f.Cgroup = &Cgroup{Version: "hybrid", Path: "/docker/fad159f319a1", Directory: "/sys/fs/cgroup/memory"}
		f.Counters = Counters{Readable: true, WokenBy: "timer", Kills: amount(3)}
		f.Memory.Limit, f.Memory.Swap, f.Process.PidsLimit, f.Process.PidsLeft = nil, nil, amount(12), amount(12)
		f.Evidence.ProcExitCodeOther = Trial{Reason: "/proc/PID/stat hides the exit code: this process may not ptrace the other"}
	}, "pids"},
	{"kubernetes-group", func(f *Facts) {
		f.Cgroup.OOMGroup = true
		f.Message = Writable{Present: true, Writable: true}
	}, "oom_group"},
	{"exec", func(f *Facts) { f.Init = Init{PID: 30, PID1: "nginx", Subreaper: true} }, "init"},
	{"exec-oominit", func(f *Facts) { f.Init = Init{PID: 30, PID1: "oominit", IsOominit: true, Subreaper: true} }, ""},
	{"subreaper", func(f *Facts) {
		f.Init = Init{PID: 7, ParentPID: 1, PID1: "docker-init", Subreaper: true}
		f.Memory.Limit, f.Memory.Outer = nil, amount(1<<30)
		f.Memory.Peak = nil
	}, ""},
	{"no-subreaper", func(f *Facts) { f.Init = Init{PID: 7, ParentPID: 1} }, "init"},
	{"gvisor", func(f *Facts) {
		f.Cgroup, f.Memory = nil, nil
		f.Counters = Counters{Cause: GVisor, Reason: "OOM kills cannot be counted here: this is gVisor, whose memory cgroup files are constants"}
	}, "cgroup counters attribution"},
	{"no-mount", func(f *Facts) {
		f.Cgroup, f.Memory = nil, nil
		f.Counters = Counters{Cause: NoMount, Reason: "no cgroup v2 file system with the memory controller is mounted in this container"}
	}, "cgroup counters attribution"},
	{"old-kernel", func(f *Facts) {
		f.Kernel = "5.10.0"
		f.Evidence.PidfdExitStatus = Trial{Reason: "a pidfd does not tell the status of a process that somebody else reaped"}
		f.Evidence.ProcExitCode = Trial{Reason: "/proc/PID/stat shows 0 for a process that was killed"}
		f.Evidence.ProcExitCodeOther = f.Evidence.ProcExitCode
		f.Memory.Peak = nil
	}, "attribution"},
	{"linux-6.1-without-ptrace", func(f *Facts) {
		f.Kernel = "6.1.0"
		f.Evidence.PidfdExitStatus = Trial{Reason: "a pidfd does not tell the status of a process that somebody else reaped"}
		f.Evidence.ProcExitCodeOther = Trial{Reason: "/proc/PID/stat hides the exit code"}
	}, "attribution"},
	{"tight", func(f *Facts) {
		f.Process.PidsLimit, f.Process.PidsLeft, f.Process.Files = amount(10), amount(9), 20
		f.Process.RaiseOOMScoreAdj = Trial{Reason: "open /proc/9/oom_score_adj: read-only file system"}
		f.Message = Writable{Present: true}
		f.Proc = ProcMount{HidePID: "invisible", Others: Trial{Reason: "/proc does not show the process"}}
		f.Evidence.NewestPID = Trial{Reason: "/proc/loadavg says 3 is the newest pid after 9 was born: something has replaced it (lxcfs)"}
		f.Evidence.PidfdOpen = Trial{Reason: "pidfd_open: operation not permitted"}
		f.Evidence.PidfdExitStatus = Trial{Reason: "there is no pidfd to be asked"}
	}, "pids files"},
	{"shared", func(f *Facts) { f.Cgroup.Path, f.Cgroup.LevelsUp = "/a/b", 2 }, "cgroup"},
}

func TestGolden(t *testing.T) {
	for _, s := range setUps {
		t.Run(s.name, func(t *testing.T) {
			facts := good()
			s.change(facts)
			config := configuration(t, "continue comm=php-fpm*; signal:USR1 role=leaf rss>=1G count>=3 within=10m", "propagate")
			r := Report{Config: config, Facts: facts, Findings: Findings(facts, 0)}
			text := outputs(t, &r)
			var needed []string
			for _, f := range r.Findings {
				if f.Needed && f.State != OK {
					needed = append(needed, f.Name)
				}
			}
			if got := strings.Join(needed, " "); got != s.needed || (r.ExitCode() == 1) != (got != "") {
				t.Errorf("not ok and needed: %q, want %q; exit code %d", got, s.needed, r.ExitCode())
			}
			testgolden.File(t, filepath.Join("testdata", s.name+".txt"), text)
		})
	}
}

// The example in docs/check.md is what is said of one of the containers.
func TestDocumentation(t *testing.T) {
	const page = "../../docs/check.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("testdata/docker-v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	testgolden.File(t, page, testgolden.Block(t, string(text), "output", string(example)))
	schema, err := os.ReadFile("../../docs/check.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	facts := good()
	for _, f := range Findings(facts, 0) {
		if !strings.Contains(string(text), "`"+f.Name+"`") || !strings.Contains(string(schema), `"`+f.Name+`"`) {
			t.Errorf("%s is not described", f.Name)
		}
	}
	for _, f := range killFacts {
		for _, word := range append([]string{f.name + "="}, f.words...) {
			if !strings.Contains(string(text), "`"+word) {
				t.Errorf("%s of the fact %s is not described", word, f.name)
			}
		}
	}
}

// A command whose oom_score_adj is to be raised needs that it can be.
func TestOOMScoreAdjIsNeededIfAskedFor(t *testing.T) {
	facts := good()
	facts.Process.RaiseOOMScoreAdj = Trial{Reason: "read-only"}
	for wanted, certain := range map[int]bool{0: true, 100: false} {
		if got := Certain(Findings(facts, wanted)); got != certain {
			t.Errorf("%d: certain %v", wanted, got)
		}
	}
}

// hidepid is judged by what was tried, and where nothing could be, by the option.
func TestHidePID(t *testing.T) {
	untried, fails, works := Trial{Untried: true, Reason: "r"}, Trial{Reason: "r"}, Trial{Works: true}
	for p, want := range map[ProcMount]State{
		{"", works}: OK, {"", untried}: OK, {"", fails}: Degraded,
		{"invisible", works}: OK, {"invisible", untried}: Degraded, {"invisible", fails}: Degraded,
	} {
		if f := hidepidFinding(p); f.State != want || (f.Fix != nil) != (want != OK) {
			t.Errorf("%+v: %+v", p, f)
		}
	}
}

// Every finding that can be not ok for a reason inside of the container has something to change.
func TestFixes(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range setUps {
		facts := good()
		s.change(facts)
		for _, f := range Findings(facts, 0) {
			if f.State == OK && f.Fix != nil {
				t.Errorf("%s, %s: a change for what is ok", s.name, f.Name)
			}
			if f.State != OK {
				seen[f.Name] = seen[f.Name] || f.Fix != nil
			}
		}
	}
	for name, fixed := range seen {
		// These are what follows from others.
		if !fixed && name != "attribution" {
			t.Errorf("%s has no change", name)
		}
	}
}
