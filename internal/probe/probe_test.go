package probe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/check"
	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) {
	if Act(os.Args) {
		return
	}
	testproc.Main(m)
}

const (
	mountV2   = "35 24 0:30 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
	mountV1   = "40 30 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
	mountPids = "41 30 0:29 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
)

// fake makes a root with the files.
func fake(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func is(p *uint64, want uint64) bool { return p != nil && *p == want }

func TestReadV2(t *testing.T) {
	f := Read(fake(t, map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2 + "36 24 0:31 / /proc rw - proc proc rw,hidepid=invisible\n",
		"proc/self/oom_score_adj": "100\n", "proc/1/comm": "oominit\n", "dev/termination-log": "",
		"sys/fs/cgroup/memory.events": "oom 1\noom_kill 2\n", "sys/fs/cgroup/memory.oom.group": "1\n",
		"sys/fs/cgroup/memory.max": "67108864\n", "sys/fs/cgroup/memory.current": "1000\n", "sys/fs/cgroup/memory.peak": "2000\n",
		"sys/fs/cgroup/memory.swap.max": "0\n", "sys/fs/cgroup/pids.max": "20\n", "sys/fs/cgroup/pids.current": "5\n",
	}))
	c, m, p := f.Cgroup, f.Memory, f.Process
	if c == nil || c.Version != "v2" || c.Path != "/" || c.Directory != "/sys/fs/cgroup" || !c.OOMGroup || c.LevelsUp != 0 {
		t.Errorf("cgroup %+v", c)
	}
	if m == nil || !is(m.Limit, 64<<20) || !is(m.Usage, 1000) || !is(m.Peak, 2000) || !is(m.Swap, 0) || !m.SwapKnown || m.Outer != nil {
		t.Errorf("memory %+v", m)
	}
	if !f.Counters.Readable || !is(f.Counters.Kills, 2) || f.Counters.Cause != "" {
		t.Errorf("counters %+v", f.Counters)
	}
	if !is(p.PidsLimit, 20) || !is(p.PidsLeft, 15) || p.OOMScoreAdj != 100 || p.Files == 0 {
		t.Errorf("process %+v", p)
	}
	if !f.Init.IsOominit || f.Init.PID1 != "oominit" || !f.Message.Writable || f.Proc.HidePID != "invisible" {
		t.Errorf("%+v, %+v, %+v", f.Init, f.Message, f.Proc)
	}
}

func TestReadV1(t *testing.T) {
	f := Read(fake(t, map[string]string{
		"proc/self/cgroup": "5:pids:/docker/abc\n4:memory:/docker/abc\n0::/\n", "proc/self/mountinfo": mountV1 + mountPids,
		"proc/1/comm": "nginx\n",
		"sys/fs/cgroup/memory/memory.oom_control":          "oom_kill 0\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes":       "9223372036854771712\n",
		"sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "9223372036854771712\n",
		"sys/fs/cgroup/memory/memory.stat":                 "cache 0\nhierarchical_memory_limit 1048576\n",
		"sys/fs/cgroup/memory/memory.usage_in_bytes":       "7\n",
		"sys/fs/cgroup/pids/pids.max":                      "max\n",
		"sys/fs/cgroup/pids/pids.current":                  "5\n",
	}))
	if f.Cgroup == nil || f.Cgroup.Version != "hybrid" || f.Cgroup.Directory != "/sys/fs/cgroup/memory" || f.Counters.WokenBy != "timer" {
		t.Errorf("%+v, %+v", f.Cgroup, f.Counters)
	}
	if m := f.Memory; m == nil || m.Limit != nil || m.Swap != nil || !m.SwapKnown || !is(m.Outer, 1<<20) || m.Peak != nil {
		t.Errorf("memory %+v", m)
	}
	if f.Process.PidsLimit != nil || f.Init.IsOominit || f.Message.Present || f.Proc.HidePID != "" {
		t.Errorf("%+v, %+v, %+v", f.Process, f.Init, f.Message)
	}
}

// The tightest pids limit on the way up counts.
func TestPidsAbove(t *testing.T) {
	f := Read(fake(t, map[string]string{
		"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": mountV2,
		"sys/fs/cgroup/a/b/pids.max": "50\n", "sys/fs/cgroup/a/b/pids.current": "10\n",
		"sys/fs/cgroup/a/pids.max": "60\n", "sys/fs/cgroup/a/pids.current": "55\n",
	}))
	if !is(f.Process.PidsLimit, 60) || !is(f.Process.PidsLeft, 5) {
		t.Errorf("%+v", f.Process)
	}
}

func TestWhyNothingIsCounted(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  check.Cause
		text  string
	}{
		"no /proc":  {nil, check.NoProc, "cannot read the own cgroup"},
		"no mounts": {map[string]string{"proc/self/cgroup": "0::/\n"}, check.NoProc, "cannot read the mounts"},
		"no mount":  {map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": ""}, check.NoMount, "is mounted"},
		"not visible": {
			map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2}, check.NoMount, "not visible",
		},
		"no oom_kill": {
			map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2, "sys/fs/cgroup/memory.events": "oom 1\n"},
			check.NoCount, "4.13",
		},
	} {
		f := Read(fake(t, test.files))
		if f.Counters.Readable || f.Counters.Cause != test.want || !strings.Contains(f.Counters.Reason, test.text) || f.Memory != nil {
			t.Errorf("%s: %+v", name, f.Counters)
		}
	}
}

// What is tried here leaves no process and no descriptor, and finds what every Linux has.
func TestTry(t *testing.T) {
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc")
		}
		return len(entries)
	}
	Try(&check.Facts{}) // the runtime's own descriptors are there after this
	before := open()
	var f check.Facts
	Try(&f)
	if after := open(); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
	if e := f.Evidence; !e.WaitStatus.Works || e.ProcExitCode.Untried || e.PidfdExitStatus.Untried {
		t.Errorf("%+v", e)
	}
	if children, err := os.ReadFile("/proc/thread-self/children"); err == nil && len(strings.TrimSpace(string(children))) > 0 {
		t.Errorf("children are left: %s", children)
	}
	for _, trial := range []check.Trial{f.Evidence.ProcExitCode, f.Evidence.ProcExitCodeOther, f.Evidence.NewestPID, f.Proc.Others, f.Process.RaiseOOMScoreAdj} {
		if trial.Works == (trial.Reason != "") {
			t.Errorf("%+v", trial)
		}
	}
}

func TestActPlaysOnlyItsRoles(t *testing.T) {
	for _, arguments := range [][]string{nil, {"oominit-inspect"}, {"oominit-inspect", roleChild, "0"}, {actorName}, {actorName, roleParent}} {
		if Act(arguments) {
			t.Errorf("%q is played", arguments)
		}
	}
}
