package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// tally sums up the outcomes of a kind.
type tally struct {
	trials, codeRight int
	// kills is how many the kernel's log names; named, by how many events with the right pid they were told; certain, how
	// many of those were certain.
	kills, named, certain int
	unattributed          int
	// falseCertain counts events that are certain of a process that the kernel did not kill, doubled events that tell of
	// one that has its event already or that was never killed.
	falseCertain, doubled int
	// void counts runs in which the kernel killed nobody although there was somebody to be killed.
	void int
	// lost counts runs in which the kernel took oominit itself.
	lost    int
	latency []time.Duration
	slowest time.Duration // of the last outcome
}

// add counts an outcome, and returns what was wrong with it.
func (t *tally) add(o outcome) (faults []string) {
	t.trials++
	t.slowest = 0
	if o.initKilled {
		t.lost++
		return []string{"the kernel took oominit"}
	}
	if len(o.kills) == 0 && (o.mainIsHog || o.enter || o.kind.hogs > 0) {
		t.void++
		faults = append(faults, "the kernel killed nobody")
	}
	fault := func(format string, arguments ...any) { faults = append(faults, fmt.Sprintf(format, arguments...)) }
	if want := o.wantCode(); o.code == want {
		t.codeRight++
	} else {
		fault("exit code %d, want %d", o.code, want)
	}
	told := map[int]bool{}
	for _, e := range o.events {
		if e.Event != "oom_kill" {
			continue
		}
		i := slices.IndexFunc(o.kills, func(k kernelKill) bool { return o.pids[k.comm] == e.Process.PID })
		switch {
		case e.Certainty == "unattributed":
			t.unattributed++
			fault("unattributed")
		case i < 0 && e.Certainty == "certain":
			t.falseCertain++
			fault("certain of %d", e.Process.PID)
		case i < 0 || told[e.Process.PID]:
			t.doubled++
			fault("%s of %d", e.Certainty, e.Process.PID)
		default:
			told[e.Process.PID] = true
			t.named++
			took := max(0, e.read.Sub(o.kills[i].at))
			t.latency, t.slowest = append(t.latency, took), max(t.slowest, took)
			if e.Certainty == "certain" {
				t.certain++
			}
			if origin := "exec"; o.enter && e.Origin != origin {
				fault("origin %s", e.Origin)
			}
		}
	}
	t.kills += len(o.kills)
	for _, k := range o.kills {
		if !told[o.pids[k.comm]] {
			fault("%q (pid %d) not named", k.comm, o.pids[k.comm])
		}
	}
	return faults
}

// wantCode is the exit code that is right, by what the kernel's log says.
func (o outcome) wantCode() int {
	killed := func(name string) bool {
		return slices.ContainsFunc(o.kills, func(k kernelKill) bool { return k.comm == name })
	}
	switch {
	case o.mainIsHog || killed(o.main):
		return 137
	case len(o.kills) > 0 && o.trial.code == 0:
		return 137
	default:
		return o.trial.code
	}
}

func (t *tally) merge(u tally) {
	t.trials += u.trials
	t.codeRight += u.codeRight
	t.kills += u.kills
	t.named += u.named
	t.certain += u.certain
	t.unattributed += u.unattributed
	t.falseCertain += u.falseCertain
	t.doubled += u.doubled
	t.lost += u.lost
	t.void += u.void
	t.latency = append(t.latency, u.latency...)
}

func table(chosen []kind, results []tally) string {
	var b strings.Builder
	b.WriteString("| kind | trials | exit code right | kills | victim right | certain | unattributed | false certain | other wrong events | PID 1 killed | median | p99 |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	var sum tally
	row := func(name string, t tally) {
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %s | %d | %d | %d | %d | %s | %s |\n", name, t.trials,
			share(t.codeRight, t.trials-t.lost), t.kills, share(t.named, t.kills), share(t.certain, t.kills), t.unattributed,
			t.falseCertain, t.doubled, t.lost, milliseconds(quantile(t.latency, 0.5)), milliseconds(quantile(t.latency, 0.99)))
	}
	for i, k := range chosen {
		row(k.name, results[i])
		sum.merge(results[i])
	}
	row("all", sum)
	return b.String()
}

func share(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func milliseconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// judge holds the results to what is promised: never a wrong exit code, never certain of the wrong one.
func judge(results []tally) error {
	var sum tally
	for _, r := range results {
		sum.merge(r)
	}
	if sum.void > sum.trials/20 {
		return fmt.Errorf("the kernel killed nobody in %d of %d trials: they prove nothing", sum.void, sum.trials)
	}
	if sum.codeRight < sum.trials-sum.lost || sum.falseCertain > 0 || sum.doubled > 0 {
		return errMissed
	}
	return nil
}
