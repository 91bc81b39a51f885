package reliability

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
	"github.com/oominit/oominit/internal/uml"
)

// With a hundredth of a processor a signal takes its time, and is forwarded. tini, as the control, tells what of the time is the
// limit's.
func TestHundredthOfAProcessor(t *testing.T) {
	took := func(init ...string) time.Duration {
		t.Helper()
		cpu := newGroup(t, "cpu", map[string]int{"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 1000})
		r := box{groups: []string{cpu}}.start(t, append(init, "/bin/sh", "-c", `trap 'exit 7' TERM; echo ready; read never`)...)
		r.await("ready")
		sent := time.Now()
		r.signal(unix.SIGTERM)
		if code, _ := r.end(); code != 7 {
			t.Errorf("%q: exit code %d, %q", init, code, r.errs.String())
		}
		return time.Since(sent).Round(time.Millisecond)
	}
	ours, peers := took(testproc.Build(t), "--"), took(peer(t, "tini"), "--")
	t.Logf("the end took %s, with tini %s", ours, peers)
	if ours > 10*time.Second {
		t.Errorf("the end took %s", ours)
	}
}

// While PID 1 is held, by SIGSTOP or in a frozen cgroup, a process that it knew is killed, so is one that is born meanwhile,
// others end, and a signal comes. None of it is lost; only the name of the one that it never saw.
func TestHeld(t *testing.T) {
	freezer := newGroup(t, "freezer", nil)
	for name, hold := range map[string]struct{ begin, end func(r *running) }{
		"SIGSTOP": {
			func(r *running) {
				r.signal(unix.SIGSTOP)
				until(t, "PID 1 is stopped", func() bool { return strings.HasPrefix(r.state(), "T") })
			},
			func(r *running) { r.signal(unix.SIGCONT) },
		},
		"freezer": {
			func(r *running) {
				write(t, filepath.Join(freezer, "cgroup.procs"), fmt.Sprint(r.cmd.Process.Pid))
				t.Cleanup(func() { write(t, filepath.Join(freezer, "freezer.state"), "THAWED") }) // or it could not be ended
				write(t, filepath.Join(freezer, "freezer.state"), "FROZEN")
				until(t, "PID 1 is frozen", func() bool { return readFile(t, filepath.Join(freezer, "freezer.state")) == "FROZEN\n" })
			},
			func(*running) { write(t, filepath.Join(freezer, "freezer.state"), "THAWED") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			memory := testcgroup.New(t, 64<<20)
			const script = `trap 'exit 0' TERM; (read go; exec tail /dev/zero) <&0 & echo victim $!; wait
(sh -c 'exit 3' &); tail /dev/zero; (sh -c 'exit 4' &); echo killed; while :; do :; done`
			r := box{memory: memory}.start(t, shell(t, script)...)
			victim := strings.TrimPrefix(r.await("victim"), "victim ")
			until(t, "the victim is watched", func() bool { return r.watches(victim) })
			hold.begin(r)
			r.say("go")
			r.await("killed")
			r.signal(unix.SIGTERM)
			hold.end(r)
			code, out := r.end()
			got, named := kills(t, out), ""
			for _, e := range got {
				t.Logf("%s, %v", e.String("certainty"), e["evidence"])
				if fmt.Sprint(e.Number("process", "pid")) == victim {
					named = e.String("certainty")
				}
			}
			if n := memory.Kills(t); code != 137 || n < 2 || len(got) != n || named != "certain" && named != "probable" {
				t.Errorf("exit code %d, %d counted, victim %s, events %v, %q", code, n, victim, got, r.errs.String())
			}
		})
	}
}

// watches reports whether PID 1 has a pidfd on the process, whose pid is that of the box.
func (r *running) watches(pid string) bool {
	r.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may be closed by now
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "NSpid:" && fields[len(fields)-1] == pid {
				return true
			}
		}
	}
	return false
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// In a time namespace whose clocks are days ahead, ages are as long as the processes lived.
func TestTimeNamespace(t *testing.T) {
	memory := testcgroup.New(t, 64<<20)
	const before = `set -- unshare --time --boottime 1000000 --monotonic 2000000 "$@"`
	r := box{memory: memory, before: before}.start(t, shell(t, `read up rest </proc/uptime; echo "up $up"; (exec tail /dev/zero); exit 0`)...)
	up := r.await("up")
	code, out := r.end()
	got := kills(t, out)
	if code != 137 || len(got) != 1 {
		t.Fatalf("exit code %d, events %v, %q", code, got, r.errs.String())
	}
	process, _ := got[0]["process"].(map[string]any)
	age, _ := process["age_seconds"].(float64)
	t.Logf("%s, age %v s", up, age)
	var seconds float64
	if _, err := fmt.Sscanf(up, "up %f", &seconds); err != nil || seconds < 1e6 {
		t.Errorf("%s: the namespace's clock is not ahead, and this test proves nothing", up)
	}
	if age <= 0 || age > 10 {
		t.Errorf("age %v s", age)
	}
}

// clockScript steps the clock of a machine that is nobody else's, two days ahead and years back, around a kill and within
// the grace period of a command that does not heed the stop signal.
const clockScript = `
mkdir /sys/fs/cgroup/clock
echo 48M >/sys/fs/cgroup/clock/memory.max
(
	sh -c 'echo $PPID' >/sys/fs/cgroup/clock/cgroup.procs
	export OOMINIT_POLICY=stop OOMINIT_GRACE_PERIOD=2s OOMINIT_LOG_LEVEL=info
	exec unshare --pid --mount --cgroup --fork --mount-proc sh -c '
		umount /sys/fs/cgroup && mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup && exec "$@"' sh %[2]s -- sh -c '
		trap "date -s @100000" TERM; date -s "+2 days"; tail /dev/zero; while :; do sleep 0.1; done'
) >%[1]s/out 2>%[1]s/err
echo $? >%[1]s/code
`

func TestClockSteps(t *testing.T) {
	testproc.Require(t, "uml", uml.Missing())
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeLimit)
	defer cancel()
	log, err := uml.Run(ctx, dir, fmt.Sprintf(clockScript, dir, testproc.Build(t)), "TESTPROC_HELPER=poweroff exec "+testproc.BuildActor(t))
	if log == "" {
		testproc.Require(t, "uml", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	code, out := readFile(t, dir+"/code"), readFile(t, dir+"/out")
	got := kills(t, out)
	exit := testproc.Named(testproc.Events(t, out), "exit")
	if code != "137\n" || len(got) != 1 || len(exit) != 1 || !strings.HasPrefix(exit[0].String("time"), "1970-01-02") {
		t.Fatalf("exit code %q, %s", code, out)
	}
	process, _ := got[0]["process"].(map[string]any)
	if age, _ := process["age_seconds"].(float64); age <= 0 || age > 10 {
		t.Errorf("age %v s", age)
	}
	t.Logf("killed at %s, ended at %s", got[0].String("time"), exit[0].String("time"))
}
