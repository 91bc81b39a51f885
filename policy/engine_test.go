package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// worker is a kill about which everything is known.
func worker() Verdict {
	return Verdict{
		OOM: true, Comm: "php-fpm8.2", Exe: "/usr/sbin/php-fpm8.2", CommandLine: "php-fpm: pool www",
		Ancestors: []string{"php-fpm", "supervisord", "sh"}, ResidentBytes: 64 << 20, Limit: OwnLimit, Certainty: Probable,
	}
}

// Each condition holds for what it asks for, and does not for anything else.
func TestConditions(t *testing.T) {
	with := func(change func(*Verdict)) Verdict {
		v := worker()
		change(&v)
		return v
	}
	unattributed := Verdict{OOM: true, Limit: OwnLimit, Certainty: Unattributed}
	for _, test := range []struct {
		condition string
		verdict   Verdict
		want      bool
	}{
		{"", worker(), true},
		{"", unattributed, true},
		{"", Verdict{OOM: true}, true},

		{"comm=php*", worker(), true},
		{"comm=php", worker(), false},
		{"exe=/usr/*/php-fpm*", worker(), true},
		{"exe=php-fpm*", worker(), false},
		{`cmdline="* pool www"`, worker(), true},
		{"cmdline=www", worker(), false},
		{"ancestor=php-fpm", worker(), true},
		{"ancestor=sh", worker(), true},
		{"ancestor=s*d", worker(), true},
		{"ancestor=php-fpm8.2", worker(), false},
		{"ancestor=*", with(func(v *Verdict) { v.Ancestors = nil }), false},
		{"comm=php* ancestor=sh rss>=64M", worker(), true},
		{"comm=php* ancestor=bash rss>=64M", worker(), false},

		// What is not known matches nothing.
		{"comm=*", with(func(v *Verdict) { v.Comm = "" }), false},
		{"exe=*", with(func(v *Verdict) { v.Exe = "" }), false},
		{"cmdline=*", with(func(v *Verdict) { v.CommandLine = "" }), false},
		{"ancestor=*", with(func(v *Verdict) { v.Ancestors = []string{""} }), false},
		{"rss>=1", with(func(v *Verdict) { v.ResidentBytes = 0 }), false},

		{"role=leaf", worker(), true},
		{"role=main", worker(), false},
		{"role=main", with(func(v *Verdict) { v.Main = true }), true},
		{"role=leaf", with(func(v *Verdict) { v.Main = true }), false},
		{"origin=tree", worker(), true},
		{"origin=exec", worker(), false},
		{"origin=exec", with(func(v *Verdict) { v.Exec = true }), true},
		{"origin=tree", with(func(v *Verdict) { v.Exec = true }), false},
		{"limit=own", worker(), true},
		{"limit=nested", worker(), false},
		{"limit=unknown", with(func(v *Verdict) { v.Limit = LimitUnknown }), true},
		{"limit=own", unattributed, true},
		{"certainty=certain", worker(), false},
		{"certainty=probable", worker(), true},
		{"certainty=unattributed", worker(), true},
		{"certainty=certain", with(func(v *Verdict) { v.Certainty = Certain }), true},
		{"certainty=probable", with(func(v *Verdict) { v.Certainty = Certain }), true},
		{"certainty=probable", unattributed, false},
		{"certainty=unattributed", unattributed, true},
		{"rss>=64M", worker(), true},
		{"rss>=67108865", worker(), false},

		{"cause=oom", worker(), true},
		{"cause=sigkill", worker(), false},
		{"cause=any", worker(), true},
		{"", with(func(v *Verdict) { v.OOM = false }), false},
		{"cause=oom", with(func(v *Verdict) { v.OOM = false }), false},
		{"cause=sigkill", with(func(v *Verdict) { v.OOM = false }), true},
		{"cause=any", with(func(v *Verdict) { v.OOM = false }), true},
		{"cause=sigkill comm=php*", with(func(v *Verdict) { v.OOM = false }), true},
	} {
		e := NewEngine(mustParse(t, "kill "+test.condition), Continue)
		if got := e.Decide(test.verdict, start); (got.Rule == 1) != test.want || (got.Action == Kill) != test.want {
			t.Errorf("%q with %+v: %+v, want %v", test.condition, test.verdict, got, test.want)
		}
	}
}

// Nothing is known of an unattributed victim, so nothing that a caller says of it counts.
func TestUnattributedMatchesNoConditionOnTheVictim(t *testing.T) {
	for _, certainty := range []Certainty{Unattributed, ""} {
		v := worker()
		v.Certainty = certainty
		for _, condition := range []string{
			"comm=*", "exe=*", "cmdline=*", "ancestor=*", "role=leaf", "role=main", "origin=tree", "origin=exec", "rss>=1",
		} {
			for _, action := range []string{"continue", "propagate", "stop", "kill", "signal:USR1"} {
				rules := mustParse(t, action+" "+condition+" cause=any")
				if got := NewEngine(rules, Propagate).Decide(v, start); got != (Decision{Action: Propagate}) {
					t.Errorf("%s: %+v", rules, got)
				}
			}
		}
		if got := NewEngine(mustParse(t, "stop count>=1 limit=own"), Continue).Decide(v, start); got.Action != Stop {
			t.Errorf("the control: %+v", got)
		}
	}
}

func TestDecideWithoutRules(t *testing.T) {
	for a := Continue; a <= Kill; a++ {
		for _, rules := range []string{"", "kill comm=nobody; stop cause=sigkill comm=nobody"} {
			e := NewEngine(mustParse(t, rules), a)
			if got := e.Decide(worker(), start); got != (Decision{Action: a}) {
				t.Errorf("leaf under %s: %+v", a, got)
			}
			main, other := worker(), worker()
			main.Main, other.OOM = true, false
			if got := e.Decide(main, start); got != (Decision{}) {
				t.Errorf("main under %s: %+v", a, got)
			}
			if got := e.Decide(other, start); got != (Decision{}) {
				t.Errorf("a SIGKILL under %s: %+v", a, got)
			}
		}
	}
}

func TestFirstMatchWins(t *testing.T) {
	e := NewEngine(mustParse(t, "stop comm=java; signal:USR1 comm=php*\nkill comm=php-fpm8.2 ; kill role=main"), Propagate)
	if got := e.Decide(worker(), start); got != (Decision{Action: Continue, Signal: 10, Rule: 2, Text: "signal:USR1 comm=php*"}) {
		t.Errorf("got %+v", got)
	}
	main := Verdict{OOM: true, Comm: "sh", Main: true, Certainty: Certain}
	if got := e.Decide(main, start); got != (Decision{Action: Kill, Rule: 4, Text: "kill role=main"}) {
		t.Errorf("got %+v", got)
	}
}

// A signal changes no exit code, and the harshest action so far stays what it was.
func TestSignalIsAsMildAsContinue(t *testing.T) {
	d := NewEngine(mustParse(t, "signal:RTMIN+3"), Kill).Decide(worker(), start)
	if d.Action != Continue || d.Signal != 37 {
		t.Errorf("got %+v", d)
	}
	for a := Continue; a <= Kill; a++ {
		if got := max(a, d.Action); got != a {
			t.Errorf("%s became %s", a, got)
		}
	}
	if code, reason := ExitCode(Status{}, nil, d.Action, 137); code != 0 || reason != ReasonMainExited {
		t.Errorf("%d %s", code, reason)
	}
}

func TestCount(t *testing.T) {
	for _, test := range []struct {
		rules string
		kills string // for each second: w is a worker's, o another's, . is none
		want  string // for each second, the number of the rule that decides, 0 without
	}{
		{"stop count>=1", "ww", "11"},
		{"stop count>=1 within=1ns", "w.w", "1.1"},
		{"stop count>=3", "wwww", "0011"},
		{"stop count>=3", "ww.......w", "00.......1"},
		{"stop count>=3 comm=php*", "wowow", "00001"},
		{"stop count>=3 comm=php*", "wowowo", "000010"},
		{"stop count>=3 within=2s", "wwww", "0011"},
		{"stop count>=3 within=2s", "w.w.w", "0.0.0"},
		{"stop count>=3 within=4s", "w.w.w", "0.0.1"},       // the bound itself is within
		{"stop count>=3 within=3s", "ww...www", "00...001"}, // those that are too old are forgotten
		{"stop count>=2 within=2s", "w...w.w", "0...0.1"},
		{"stop count>=2 within=2s comm=php*", "wow", "001"},
		// Those for whom an earlier rule decides count too.
		{"continue comm=php*; stop count>=3", "wwwo", "1112"},
		{"kill count>=5; stop count>=3; continue count>=2", "wwwwww", "032211"},
	} {
		e := NewEngine(mustParse(t, test.rules), Propagate)
		got := ""
		for i, kind := range test.kills {
			v := worker()
			switch kind {
			case '.':
				got += "."
				continue
			case 'o':
				v.Comm = "other"
			}
			got += fmt.Sprint(e.Decide(v, start.Add(time.Duration(i)*time.Second)).Rule)
		}
		if got != test.want {
			t.Errorf("%s, %s: %s, want %s", test.rules, test.kills, got, test.want)
		}
	}
}

// The ring tells the same as a list of all kills does.
func TestCountAgainstList(t *testing.T) {
	random := uint64(1)
	for count := 1; count <= 20; count++ {
		const within = 10 * time.Second
		e := NewEngine(mustParse(t, fmt.Sprintf("stop count>=%d within=10s", count)), Continue)
		var all []time.Time
		now := start
		for range 400 {
			random = random*6364136223846793005 + 1442695040888963407
			now = now.Add(time.Duration(random>>60) * 100 * time.Millisecond)
			all = append(all, now)
			n := 0
			for _, at := range all {
				if now.Sub(at) <= within {
					n++
				}
			}
			if got := e.Decide(worker(), now).Rule == 1; got != (n >= count) {
				t.Fatalf("count>=%d with %d kills: %v", count, n, got)
			}
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	e := NewEngine(mustParse(t, "stop count>=1000 within=1h; stop count>=1000"), Continue)
	for i := range 5000 {
		want := 0
		if i >= 999 {
			want = 1
		}
		if got := e.Decide(worker(), start.Add(time.Duration(i)*time.Millisecond)); got.Rule != want {
			t.Fatalf("kill %d: %+v", i+1, got)
		}
	}
	if n := len(e.histories[0].latest); n != 1000 {
		t.Errorf("%d are remembered", n)
	}
	if n := len(e.histories[1].latest); n != 0 {
		t.Errorf("%d are remembered without a duration", n)
	}
}

// twelve are rules of all kinds.
var twelve = strings.Repeat("signal:USR1 comm=java*; stop cmdline=*worker*a*b*; kill ancestor=[!a-z]* count>=3 within=10m; "+
	"continue rss>=1G role=leaf origin=tree limit=own certainty=probable; stop count>=1000 within=1h; propagate exe=/usr/bin/*; ", 2)

func TestDecideDoesNotAllocate(t *testing.T) {
	e, v := NewEngine(mustParse(t, twelve), Propagate), worker()
	now := start
	if n := testing.AllocsPerRun(3000, func() { now = now.Add(time.Millisecond); e.Decide(v, now) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	e, v := NewEngine(mustParse(b, twelve), Propagate), worker()
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		e.Decide(v, now)
	}
}
