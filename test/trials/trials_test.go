package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m) }

// Four trials of each kind: the exit code is right in all, nobody is certainly the victim who was not, and at least
// 19 of 20 victims are named. `make trials` makes a thousand.
func TestTrials(t *testing.T) {
	if _, err := findPlace(); err != nil {
		testproc.Require(t, "cgroup", err)
	}
	if _, err := openKernelLog(); err != nil {
		testproc.Require(t, "cgroup", err)
	}
	var out bytes.Buffer
	program, scene := testproc.Build(t), testproc.BuildScene(t)
	err := run(options{program: program, scene: scene, n: 4 * len(kinds), seed: 1, verbose: true}, &out)
	t.Log(out.String())
	if err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	columns := strings.Split(lines[len(lines)-1], " | ")
	if len(columns) < 5 || columns[0] != "| all" || columns[4] < "95" && columns[4] != "100.0 %" {
		t.Errorf("too few victims named: %q", columns)
	}
	// The control: a program that is no init of ours cannot pass.
	if err := run(options{program: "/bin/true", scene: scene, n: 1, seed: 1}, &out); err == nil {
		t.Error("/bin/true passed")
	}
}

func TestTally(t *testing.T) {
	kill := kernelKill{comm: "hog1a"}
	victim := func(certainty string, pid int) event {
		e := event{Event: "oom_kill", Certainty: certainty}
		e.Process.PID = pid
		return e
	}
	for name, test := range map[string]struct {
		code   int
		kills  []kernelKill
		events []event
		want   tally
		faults int
	}{
		"right":          {137, []kernelKill{kill}, []event{victim("certain", 7)}, tally{codeRight: 1, kills: 1, named: 1, certain: 1}, 0},
		"probable":       {137, []kernelKill{kill}, []event{victim("probable", 7)}, tally{codeRight: 1, kills: 1, named: 1}, 0},
		"no event":       {137, []kernelKill{kill}, nil, tally{codeRight: 1, kills: 1}, 1},
		"unattributed":   {137, []kernelKill{kill}, []event{victim("unattributed", 0)}, tally{codeRight: 1, kills: 1, unattributed: 1}, 2},
		"another":        {137, []kernelKill{kill}, []event{victim("certain", 8)}, tally{codeRight: 1, kills: 1, falseCertain: 1}, 2},
		"probably other": {137, []kernelKill{kill}, []event{victim("probable", 8)}, tally{codeRight: 1, kills: 1, doubled: 1}, 2},
		"twice":          {137, []kernelKill{kill}, []event{victim("certain", 7), victim("certain", 7)}, tally{codeRight: 1, kills: 1, named: 1, certain: 1, doubled: 1}, 1},
		"wrong code":     {0, []kernelKill{kill}, []event{victim("certain", 7)}, tally{kills: 1, named: 1, certain: 1}, 1},
		"nothing":        {0, nil, nil, tally{codeRight: 1}, 0},
		"false alarm":    {137, nil, []event{victim("certain", 8)}, tally{falseCertain: 1}, 2},
	} {
		o := outcome{code: test.code, kills: test.kills, events: test.events, pids: map[string]int{"hog1a": 7, "alike1": 8}}
		var got tally
		faults := got.add(o)
		got.latency = nil
		test.want.trials = 1
		if got.trials != 1 || got.codeRight != test.want.codeRight || got.kills != test.want.kills || got.named != test.want.named ||
			got.certain != test.want.certain || got.unattributed != test.want.unattributed ||
			got.falseCertain != test.want.falseCertain || got.doubled != test.want.doubled || len(faults) != test.faults {
			t.Errorf("%s: %+v, %q", name, got, faults)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`a) b`: "a) b", `n\x0al`: "n\nl", `\xff\x5c`: "\xff\\", `\x`: `\x`, `\xzz`: `\xzz`, "": ""} {
		if got := unescape([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
