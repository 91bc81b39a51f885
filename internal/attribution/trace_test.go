package attribution

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// traceLine is what a replay needs of a line that oominit wrote at level debug.
type traceLine struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Process struct {
		PID    int `json:"pid"`
		Memory struct {
			ResidentBytes uint64 `json:"resident_bytes"`
		} `json:"memory"`
	} `json:"process"`
	Rise *struct {
		Kills uint64 `json:"kills"`
		Limit Limit  `json:"limit"`
	} `json:"rise"`
	Death *struct {
		Knowledge string    `json:"knowledge"`
		Evidence  Evidence  `json:"evidence"`
		StartTime uint64    `json:"start_time_ticks"`
		AliveAt   time.Time `json:"alive_at"`
	} `json:"death"`
	Certainty Certainty  `json:"certainty"`
	Evidence  []Evidence `json:"evidence"`
	Limit     Limit      `json:"limit"`
}

func readTrace(t *testing.T, file string) (lines []traceLine) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		var l traceLine
		if json.Unmarshal(scanner.Bytes(), &l) == nil && l.Event != "" {
			lines = append(lines, l)
		}
	}
	if scanner.Err() != nil {
		t.Fatal(scanner.Err())
	}
	return lines
}

// verdict is what is compared.
func verdict(oom bool, pid int, c Certainty, limit Limit, evidence []Evidence) string {
	if !oom {
		return fmt.Sprintf("sigkill of %d %v", pid, evidence)
	}
	return fmt.Sprintf("oom_kill of %d, %s, %s %v", pid, c, limit, evidence)
}

// Runs with real kills, recorded with OOMINIT_LOG_LEVEL=debug (see testdata/README.md): what was observed then must lead to
// the same verdicts now.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d traces, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var e Engine
			var got, want []string
			take := func(verdicts []Verdict) {
				for _, v := range verdicts {
					got = append(got, verdict(v.OOM, v.Process.PID, v.Certainty, v.Limit, v.Evidence))
				}
			}
			for _, l := range readTrace(t, file) {
				switch {
				case l.Rise != nil:
					e.Rose(l.Rise.Kills, l.Rise.Limit, l.Time)
				case l.Death != nil:
					e.Died(Death{
						Process: Process{
							ID:            ID{PID: l.Process.PID, StartTime: l.Death.StartTime},
							ResidentBytes: l.Process.Memory.ResidentBytes, AliveAt: l.Death.AliveAt,
						},
						Knowledge: Knowledge(slices.Index(Knowledges(), l.Death.Knowledge)), Evidence: l.Death.Evidence, At: l.Time,
					})
				case l.Event == "oom_kill", l.Event == "sigkill":
					want = append(want, verdict(l.Event == "oom_kill", l.Process.PID, l.Certainty, l.Limit, l.Evidence))
					take(e.Judge(l.Time))
				case l.Event == "exit":
					take(e.Finish(l.Time))
				}
			}
			if !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
			if e.Unclaimed() != 0 {
				t.Errorf("%d kills without a verdict", e.Unclaimed())
			}
		})
	}
}
