package namespaces

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// inNamespaces runs the program as PID 1 of new pid and mount namespaces in the cgroup. With view, it sees what a
// container sees: its own cgroup, read-only, where the hierarchy is mounted.
func inNamespaces(t *testing.T, cgroup *testcgroup.Cgroup, view bool, environment []string, program ...string) (code int, stdout string) {
	t.Helper()
	script := `echo 0 > "$0/cgroup.procs" && mount -t proc proc /proc || exit 99
`
	if view {
		script += `mount --bind "$0" ` + testcgroup.V1Mount + ` && mount -o remount,bind,ro ` + testcgroup.V1Mount + ` || exit 98
`
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", script + `exec "$@"`, cgroup.Dir}, program...)...)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "OOMINIT_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		testproc.Require(t, "cgroup", fmt.Errorf("cannot make namespaces: %w", err))
	}
	kill := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // the exit code says it
	if !kill.Stop() {
		t.Fatalf("did not end in time: %q\n%s%s", program, out.String(), errs.String())
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func TestMain(m *testing.M) { testproc.Main(m) }

var (
	exact = []string{"certain"}
	near  = []string{"certain", "probable"}
)

func TestNamespaces(t *testing.T) {
	for name, test := range map[string]struct {
		environment []string
		script      string
		want        promise
	}{
		"leaf reaped by its parent": {
			nil, "tail /dev/zero; exit 0", promise{137, 1, "tail", "leaf", exact},
		},
		"orphaned leaf": {
			nil, "(tail /dev/zero &) ; sleep 1; exit 0", promise{137, 1, "tail", "leaf", exact},
		},
		"leaf, and main ends at once": {
			nil, "tail /dev/zero; exit 0", promise{137, 1, "tail", "leaf", exact},
		},
		"main's own code stays": {
			nil, "tail /dev/zero; exit 3", promise{3, 1, "tail", "leaf", exact},
		},
		"two in a row": {
			nil, "tail /dev/zero; tail /dev/zero; exit 0", promise{137, 2, "tail", "leaf", exact},
		},
		"main itself": {
			nil, "exec tail /dev/zero", promise{137, 1, "tail", "main", exact},
		},
		"policy continue": {
			[]string{"OOMINIT_POLICY=continue"}, "tail /dev/zero; exit 0", promise{0, 1, "tail", "leaf", exact},
		},
		"another exit code": {
			[]string{"OOMINIT_EXIT_CODE=42"}, "tail /dev/zero; exit 0", promise{42, 1, "tail", "leaf", exact},
		},
		"policy stop": {
			[]string{"OOMINIT_POLICY=stop"}, "tail /dev/zero; sleep 50; exit 0", promise{137, 1, "tail", "leaf", exact},
		},
		"policy stop with another signal": {
			[]string{"OOMINIT_POLICY=stop", "OOMINIT_STOP_SIGNAL=USR1", "OOMINIT_EXIT_CODE=9"},
			"trap 'exit 0' USR1; tail /dev/zero; sleep 50 & wait", promise{9, 1, "tail", "leaf", exact},
		},
		"a stop signal that is ignored": {
			[]string{"OOMINIT_POLICY=stop", "OOMINIT_GRACE_PERIOD=200ms"},
			"trap '' TERM; tail /dev/zero; sleep 50; exit 0", promise{137, 1, "tail", "leaf", exact},
		},
		"policy kill": {
			[]string{"OOMINIT_POLICY=kill"}, "trap '' TERM; tail /dev/zero; sleep 50; exit 0", promise{137, 1, "tail", "leaf", exact},
		},
		// The controls: whoever ends a worker with kill -9 does not make it an OOM kill (nomad#12735, gunicorn#2419).
		"control: nothing happens":      {nil, "exit 0", promise{}},
		"control: kill -9 of a child":   {nil, "sleep 50 & kill -9 $!; wait; exit 0", promise{}},
		"control: kill -9 of an orphan": {nil, "p=$(sleep 50 >/dev/null & echo $!); kill -9 $p; sleep 0.2; exit 0", promise{}},
		"control: kill -9 of main":      {nil, "kill -9 $$", promise{code: 137}},
	} {
		t.Run(name, func(t *testing.T) {
			for attempt := 0; ; attempt++ {
				cgroup := testcgroup.New(t, 64<<20)
				code, output := inNamespaces(t, cgroup, true, test.environment, testproc.Build(t), "--log-level=debug", "--", "/bin/sh", "-c", test.script)
				kills := cgroup.Kills(t)
				if kills == test.want.kills || attempt == 2 {
					test.want.check(t, code, output, kills)
					return
				}
				// Now and then the kernel kills once more (docs/design/0008-hold-still.md). Even then each has its event.
				if events := len(testproc.Named(testproc.Events(t, output), "oom_kill")); events != kills {
					t.Fatalf("%d oom_kill events, %d counted by the kernel\n%s", events, kills, output)
				}
			}
		})
	}
}

// The hierarchy as the host sees it, with the path of /proc/self/cgroup below the mount.
func TestNamespacesHostView(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	code, output := inNamespaces(t, cgroup, false, nil, testproc.Build(t), "--", "/bin/sh", "-c", "tail /dev/zero; exit 0")
	promise{137, 1, "tail", "leaf", exact}.check(t, code, output, cgroup.Kills(t))
}

// An old kill must not be taken for a new one: the baseline is read before the command starts.
func TestOldKillIsNotNew(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	code, output := inNamespaces(t, cgroup, true, nil, "/bin/sh", "-c",
		`tail /dev/zero; exec "$0" --log-level=debug -- /bin/sh -c 'exit 0'`, testproc.Build(t))
	if kills := testproc.Named(testproc.Events(t, output), "oom_kill"); code != 0 || len(kills) != 0 {
		t.Errorf("exit code %d, events %v", code, kills)
	}
	if n := cgroup.Kills(t); n != 1 {
		t.Errorf("the kernel counted %d kills: this test proves nothing", n)
	}
}

// Where nothing can be counted there is one event that says why, and everything else works.
func TestUnsupported(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	code, output := inNamespaces(t, cgroup, false, nil, "/bin/sh", "-c",
		`umount -l `+testcgroup.V1Mount+` && exec "$0" -- /bin/sh -c 'exit 5'`, testproc.Build(t))
	events := testproc.Events(t, output)
	if code != 5 || len(events) != 1 || events[0].String("event") != "unsupported" || !strings.Contains(events[0].String("reason"), "mounted") {
		t.Errorf("exit code %d, events %v", code, events)
	}
}

// A hostile name reaches the event as data and breaks no line.
func TestHostileName(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	code, output := inNamespaces(t, cgroup, true, nil, testproc.Build(t), "--", "/bin/sh", "-c",
		`d=$(mktemp -d); cp "$(command -v tail)" "$d/a) b\"
c"; "$d/a) b\"
c" /dev/zero; rm -r "$d"; exit 0`)
	promise{137, 1, "a) b\"\nc", "leaf", near}.check(t, code, output, cgroup.Kills(t))
}

// A kill in a cgroup below ours, which v1 counts there alone: one that was made after the start, and one two levels down
// that has counted before.
func TestNested(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	const script = `
inside() { (sh -c 'echo $PPID' >"$1/cgroup.procs"; exec tail /dev/zero) ; }
mkdir "$0/old" "$0/old/deep" && echo 24M >"$0/old/deep/memory.limit_in_bytes"
inside "$0/old/deep" 2>/dev/null
exec "$@"`
	const workload = `
inside() { (sh -c 'echo $PPID' >"$1/cgroup.procs"; exec tail /dev/zero) ; }
inside "$0/old/deep"
mkdir "$0/new" && echo 24M >"$0/new/memory.limit_in_bytes"
inside "$0/new"
rmdir "$0/new" "$0/old/deep" "$0/old"
exit 0`
	code, output := inNamespaces(t, cgroup, false, nil, "/bin/sh", "-c", script, cgroup.Dir,
		testproc.Build(t), "--log-level=debug", "--", "/bin/sh", "-c", workload, cgroup.Dir)
	kills := testproc.Named(testproc.Events(t, output), "oom_kill")
	if code != 137 || len(kills) != 2 {
		t.Fatalf("exit code %d, %d events\n%s", code, len(kills), output)
	}
	for _, kill := range kills {
		if kill.String("limit") != "nested" || kill.String("process", "executable", "name") != "tail" || kill.String("certainty") != "certain" {
			t.Errorf("got %v", kill)
		}
	}
	if n := cgroup.Kills(t); n != 0 {
		t.Errorf("the kernel counted %d kills in the container's own cgroup: this test proves nothing", n)
	}
}

// The limit that runs out is a parent's.
func TestLimitAbove(t *testing.T) {
	above := testcgroup.New(t, 64<<20)
	below := filepath.Join(above.Dir, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(below) }) // or the removal of the one above says so
	inner := testcgroup.Load(t, strings.TrimPrefix(below, testcgroup.V1Mount))
	code, output := inNamespaces(t, inner, true, nil, testproc.Build(t), "--", "/bin/sh", "-c", "tail /dev/zero; exit 0")
	kills := testproc.Named(testproc.Events(t, output), "oom_kill")
	if code != 137 || len(kills) != 1 || kills[0].String("limit") != "above" || kills[0].String("process", "executable", "name") != "tail" {
		t.Errorf("exit code %d, events %v", code, kills)
	}
}
