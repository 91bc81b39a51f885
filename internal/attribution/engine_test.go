package attribution

import (
	"math/rand"
	"slices"
	"testing"
	"time"
)

var start = time.Unix(1000, 0)

func death(pid int, k Knowledge, resident uint64, after time.Duration) Death {
	evidence := map[Knowledge]Evidence{Vanished: Gone, KilledByUs: WaitStatus, Signaled: SignaledFlag, Killed: WaitStatus, Ended: WaitStatus}
	return Death{
		Process:   Process{ID: ID{PID: pid, StartTime: uint64(pid) * 10}, ResidentBytes: resident},
		Knowledge: k, Evidence: evidence[k], At: start.Add(after),
	}
}

func TestKilledAndOneRise(t *testing.T) {
	for _, riseFirst := range []bool{false, true} {
		var e Engine
		if riseFirst {
			e.Rose(1, OwnLimit, start)
		}
		e.Died(death(5, Killed, 1, 0))
		if !riseFirst {
			e.Rose(1, OwnLimit, start)
		}
		if at, ok := e.Deadline(); !ok || !at.Equal(start.Add(SettleWait)) {
			t.Errorf("rise first %v: deadline %v %v", riseFirst, at, ok)
		}
		if early := e.Judge(start.Add(SettleWait - 1)); len(early) != 0 {
			t.Errorf("rise first %v: early: %+v", riseFirst, early)
		}
		got := e.Judge(start.Add(SettleWait))
		if len(got) != 1 || !got[0].OOM || got[0].Certainty != Certain || got[0].Process.PID != 5 || got[0].Limit != OwnLimit ||
			!slices.Equal(got[0].Evidence, []Evidence{CounterRise, WaitStatus}) {
			t.Errorf("rise first %v: %+v", riseFirst, got)
		}
		e.Died(death(5, Killed, 1, 0))
		if again := e.Finish(start); len(again) != 0 {
			t.Errorf("a second verdict: %+v", again)
		}
	}
}

// hashicorp/nomad#12735: a SIGKILL alone is no OOM kill.
func TestNoRise(t *testing.T) {
	var e Engine
	e.Died(death(5, Killed, 1, 0))
	e.Died(death(6, Vanished, 1, 0))
	e.Died(death(7, Signaled, 1, 0))
	got := append(e.Judge(start), e.Finish(start.Add(time.Hour))...)
	if len(got) != 1 || got[0].OOM || got[0].Process.PID != 5 {
		t.Errorf("got %+v", got)
	}
}

func TestLargestOfTwoWhateverTheOrder(t *testing.T) {
	deaths := []Death{death(5, Killed, 10, 0), death(6, Killed, 30, 0), death(7, Killed, 30, 0), death(8, Killed, 20, 0)}
	for seed := range int64(20) {
		rand.New(rand.NewSource(seed)).Shuffle(len(deaths), func(i, j int) { deaths[i], deaths[j] = deaths[j], deaths[i] })
		var e Engine
		e.Rose(1, LimitAbove, start)
		for _, d := range deaths {
			e.Died(d)
		}
		got := e.Judge(start.Add(SettleWait))
		if len(got) != 4 || !got[0].OOM || got[0].Process.PID != 6 || got[0].Certainty != Probable ||
			!slices.Contains(got[0].Evidence, Largest) {
			t.Fatalf("seed %d: %+v", seed, got)
		}
		for _, v := range got[1:] {
			if v.OOM {
				t.Errorf("seed %d: not cleared: %+v", seed, v)
			}
		}
	}
}

// Somebody kills by himself in the moment in which a kill is counted and its victim is not marked yet.
func TestLookAlikeSeenFirst(t *testing.T) {
	var e Engine
	e.Died(death(5, Killed, 1, 0))
	e.Rose(1, OwnLimit, start)
	if early := e.Judge(start); len(early) != 0 {
		t.Fatalf("named before the victim can have been seen: %+v", early)
	}
	e.Died(death(6, Killed, 100, time.Millisecond))
	got := e.Judge(start.Add(SettleWait))
	if len(got) != 2 || !got[0].OOM || got[0].Process.PID != 6 || got[0].Certainty != Probable || got[1].OOM {
		t.Errorf("got %+v", got)
	}
}

// A kill whose victim was never seen, and a second later a worker is killed by its master: it lived when the kernel
// killed.
// A processor was taken away between the count and the SIGKILL, and a master killed its worker in that moment: a smaller
// process is not certainly the victim as long as the largest may be it.
func TestALargerOneLives(t *testing.T) {
	for name, test := range map[string]struct {
		resident, largest uint64
		settled           time.Duration
	}{
		"smaller": {4, 64, MarkedWithin}, "larger": {64, 4, SettleWait}, "as large": {50, 64, SettleWait}, "unknown": {0, 64, SettleWait},
	} {
		var e Engine
		e.Rose(1, OwnLimit, start)
		e.Died(death(5, Killed, test.resident, 0))
		e.Lives(Process{ID: ID{PID: 6, StartTime: 60}, ResidentBytes: test.largest})
		if at, ok := e.Deadline(); !ok || !at.Equal(start.Add(test.settled)) {
			t.Errorf("%s: deadline after %v", name, at.Sub(start))
		}
		if got := e.Judge(start.Add(test.settled - 1)); len(got) != 0 {
			t.Errorf("%s: early: %+v", name, got)
		}
		if got := e.Judge(start.Add(test.settled)); len(got) != 1 || got[0].Certainty != Certain {
			t.Errorf("%s: %+v", name, got)
		}
	}
	var e Engine
	e.Rose(1, OwnLimit, start)
	e.Died(death(5, Killed, 4, 0))
	e.Lives(Process{ID: ID{PID: 6, StartTime: 60}, ResidentBytes: 64})
	e.Judge(start.Add(SettleWait))
	e.Died(death(6, Killed, 64, 7*time.Millisecond))
	got := e.Judge(start.Add(8 * time.Millisecond))
	if len(got) != 2 || !got[0].OOM || got[0].Process.PID != 6 || got[1].OOM {
		t.Errorf("got %+v", got)
	}
}

func TestSeenAliveAfterTheRise(t *testing.T) {
	for _, k := range []Knowledge{Killed, Signaled, Vanished} {
		var e Engine
		e.Rose(1, OwnLimit, start)
		d := death(5, k, 1, time.Second)
		d.Process.AliveAt = start.Add(MarkedWithin + 1)
		e.Died(d)
		got := e.Finish(start.Add(2 * time.Second))
		for _, v := range got {
			if v.OOM && v.Certainty != Unattributed {
				t.Errorf("%d: %+v", k, v)
			}
		}
		if e.Unclaimed() != 0 || len(got) == 0 {
			t.Errorf("%d: %+v", k, got)
		}
		// The control: seen alive a little later than the counter, which a processor that was taken away explains.
		e = Engine{}
		e.Rose(1, OwnLimit, start)
		d.Process.AliveAt = start.Add(MarkedWithin)
		e.Died(d)
		if got := e.Finish(start.Add(2 * time.Second)); len(got) != 1 || got[0].Process.PID != 5 {
			t.Errorf("%d: the control: %+v", k, got)
		}
	}
}

// Of two rises, the victim of the second may have been seen alive between them.
func TestAliveBetweenRises(t *testing.T) {
	var e Engine
	e.Rose(1, LimitAbove, start)
	e.Rose(1, OwnLimit, start.Add(time.Second))
	d := death(5, Killed, 1, time.Second)
	d.Process.AliveAt = start.Add(time.Second)
	e.Died(d)
	e.Died(death(6, Vanished, 1, 0))
	got := e.Judge(start.Add(2 * time.Second))
	if len(got) != 2 || got[0].Process.PID != 5 || got[0].Limit != OwnLimit || got[0].Certainty != Certain ||
		got[1].Process.PID != 6 || got[1].Limit != LimitAbove || got[1].Certainty != Probable {
		t.Errorf("got %+v", got)
	}
}

func TestWaits(t *testing.T) {
	for _, c := range []struct {
		k    Knowledge
		wait time.Duration
		byUs bool
	}{{Signaled, SignaledWait, false}, {Vanished, VanishedWait, false}, {KilledByUs, BodyWait, true}} {
		var e Engine
		e.Rose(1, OwnLimit, start)
		e.Died(death(5, c.k, 1, 0))
		if at, ok := e.Deadline(); !ok || !at.Equal(start.Add(c.wait)) {
			t.Errorf("%d: deadline %v %v", c.k, at, ok)
		}
		if early := e.Judge(start.Add(c.wait - 1)); len(early) != 0 {
			t.Errorf("%d: early: %+v", c.k, early)
		}
		got := e.Judge(start.Add(c.wait))
		if len(got) != 1 || !got[0].OOM || got[0].Certainty != Probable || got[0].Process.PID != 5 || got[0].ByUs != c.byUs {
			t.Errorf("%d: %+v", c.k, got)
		}
	}
}

func TestKilledBeatsKilledByUs(t *testing.T) {
	var e Engine
	e.Rose(1, OwnLimit, start)
	e.Died(death(5, KilledByUs, 100, 0))
	e.Died(death(6, Killed, 1, 0))
	got := e.Finish(start)
	if len(got) != 1 || got[0].Process.PID != 6 || got[0].Certainty != Certain {
		t.Errorf("got %+v", got)
	}
}

func TestUnattributed(t *testing.T) {
	var e Engine
	e.Rose(2, OwnLimit, start)
	e.Died(death(5, Ended, 1, 0))
	if early := e.Judge(start.Add(BodyWait - 1)); len(early) != 0 {
		t.Errorf("early: %+v", early)
	}
	got := e.Judge(start.Add(BodyWait))
	if len(got) != 2 || got[0].Certainty != Unattributed || got[0].Process.PID != 0 || e.Unclaimed() != 0 {
		t.Errorf("got %+v", got)
	}
	if _, ok := e.Deadline(); ok {
		t.Error("nothing is left to wait for")
	}
}

func TestSameProcessTwiceAndReusedPID(t *testing.T) {
	var e Engine
	e.Rose(2, OwnLimit, start)
	weak := death(5, Vanished, 77, 0)
	weak.Process.CommandLine = "a\x00"
	e.Died(weak)
	e.Died(death(5, Killed, 0, 0))
	reused := death(5, Killed, 3, 0)
	reused.Process.StartTime++
	e.Died(reused)
	got := e.Finish(start)
	if len(got) != 2 || got[0].Process.ResidentBytes != 77 || got[0].Process.CommandLine != "a\x00" || got[1].Process.ID != reused.Process.ID {
		t.Errorf("got %+v", got)
	}
}

func TestCandidatesAreBounded(t *testing.T) {
	var e Engine
	for pid := 1; pid <= 10*maxCandidates; pid++ {
		e.Died(death(pid, Vanished, 1, 0))
	}
	if len(e.candidates) != maxCandidates {
		t.Errorf("%d candidates", len(e.candidates))
	}
}

func FuzzEngine(f *testing.F) {
	f.Add([]byte{0, 1, 14, 2, 3, 40, 7, 9, 3, 3, 200, 1})
	f.Add([]byte{4, 0, 0, 1, 9, 2, 2, 8, 3, 1})
	f.Fuzz(func(t *testing.T, operations []byte) {
		var e Engine
		now := start
		var kills, named int
		killed, seen := map[ID]bool{}, map[ID]bool{}
		check := func(verdicts []Verdict) {
			for _, v := range verdicts {
				if v.OOM {
					named++
				}
				if v.Process.ID == (ID{}) {
					continue
				}
				if seen[v.Process.ID] {
					t.Fatalf("two verdicts: %+v", v)
				}
				seen[v.Process.ID] = true
				if v.OOM && v.Certainty == Certain && !killed[v.Process.ID] {
					t.Fatalf("certain without a status: %+v", v)
				}
			}
		}
		for i := 0; i+1 < len(operations); i += 2 {
			argument := operations[i+1]
			switch operations[i] % 4 {
			case 0:
				e.Rose(uint64(argument%3), OwnLimit, now)
				kills += int(argument % 3)
			case 1:
				d := death(1+int(argument%16), Knowledge(argument/16%5), uint64(operations[i]), now.Sub(start))
				if operations[i]&0x80 != 0 {
					d.Process.AliveAt = now
				}
				killed[d.Process.ID] = killed[d.Process.ID] || d.Knowledge == Killed
				e.Died(d)
			case 2:
				now = now.Add(time.Duration(argument) * 10 * time.Millisecond)
			case 3:
				check(e.Judge(now))
			}
		}
		check(e.Finish(now))
		if named != kills || e.Unclaimed() != 0 {
			t.Fatalf("%d kills, %d OOM verdicts, %d unclaimed", kills, named, e.Unclaimed())
		}
	})
}
