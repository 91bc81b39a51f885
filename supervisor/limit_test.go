package supervisor

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/memcg"
	"github.com/oominit/oominit/internal/report"
)

// v1 is a container on cgroup v1 with a limit of 1000 MiB, whose files can be written.
type v1 struct{ root string }

func (c v1) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const v1Dir = "sys/fs/cgroup/memory/"

// start returns a supervisor that has looked once, at a moment at which the peak had come to the limit before.
func (c v1) start(t *testing.T) *Supervisor {
	t.Helper()
	for name, text := range map[string]string{
		"proc/self/cgroup":                  "4:memory:/\n",
		"proc/self/mountinfo":               "30 20 0:30 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
		v1Dir + "memory.oom_control":        "oom_kill 0\n",
		v1Dir + "memory.failcnt":            "7\n",
		v1Dir + "memory.memsw.failcnt":      "0\n",
		v1Dir + "memory.limit_in_bytes":     "1048576000\n",
		v1Dir + "memory.usage_in_bytes":     "104857600\n",
		v1Dir + "memory.max_usage_in_bytes": "1048576000\n",
	} {
		c.write(t, name, text)
	}
	group, err := memcg.Open(c.root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = group.Close() }) // only read from
	off, _ := report.ParseLevel("off")
	s := &Supervisor{group: group, report: report.New(report.Options{Level: off})}
	s.watch.openRest(group)
	s.watch.peaked = true
	s.readCounters(epoch)
	return s
}

func (c v1) kill(t *testing.T, s *Supervisor) attribution.Limit {
	t.Helper()
	c.write(t, v1Dir+"memory.oom_control", "oom_kill 1\n")
	now := epoch.Add(time.Minute)
	s.readCounters(now)
	verdicts := s.engine.Finish(now)
	if len(verdicts) != 1 {
		t.Fatalf("%+v", verdicts)
	}
	return verdicts[0].Limit
}

// On cgroup v1 a kill was the own limit's doing if that was hit just before, with or without swap.
func TestLimitOnV1(t *testing.T) {
	for name, want := range map[string]attribution.Limit{
		"":                     attribution.LimitUnknown,
		"memory.failcnt":       attribution.OwnLimit,
		"memory.memsw.failcnt": attribution.OwnLimit,
	} {
		c := v1{t.TempDir()}
		s := c.start(t)
		if name != "" {
			c.write(t, v1Dir+name, "8\n")
		}
		if got := c.kill(t, s); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// Where the kernel does not count the hits, what the victim had tells.
func TestRanInto(t *testing.T) {
	s := v1{t.TempDir()}.start(t) // 100 MiB are used
	for _, test := range []struct {
		resident, peak uint64
		evidence       attribution.Evidence
		want           bool
	}{
		{900 << 20, 0, attribution.WaitStatus, true},
		{900 << 20, 0, attribution.PidfdStatus, true},
		{900 << 20, 0, attribution.StatCode, false}, // its memory may be part of the usage still
		{0, 900 << 20, attribution.WaitStatus, true},
		{700 << 20, 900 << 20, attribution.WaitStatus, false}, // the peak may be a child's
	} {
		v := attribution.Verdict{Evidence: []attribution.Evidence{attribution.CounterRise, test.evidence}}
		v.Process.ResidentBytes, v.Process.PeakBytes = test.resident, test.peak
		if got := s.ranInto(v); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
