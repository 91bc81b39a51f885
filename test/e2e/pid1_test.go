package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
	"golang.org/x/sys/unix"
)

// container is a run in new pid and mount namespaces and a new memory cgroup.
type container struct {
	main    string // helper
	env     []string
	without bool // oominit
	view    bool // the cgroup read-only where a container sees it
}

type result struct {
	code        int
	output      string
	events      []event
	kernelKills int
}

// hogs are the pids that hogs said they have.
func (r result) hogs(t *testing.T) []int {
	t.Helper()
	var pids []int
	for line := range strings.Lines(r.output) {
		var pid int
		if n, _ := fmt.Sscanf(line, "hog %d\n", &pid); n == 1 {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		t.Fatalf("no hog said its pid: %s", r.output)
	}
	return pids
}

func (c container) run(t *testing.T) result {
	t.Helper()
	cgroup := testcgroup.New(t, 48<<20)
	actor := testproc.BuildActor(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, actor)
	if !c.without {
		cmd.Args = append(cmd.Args, testproc.Build(t), "--")
	}
	cmd.Args = append(cmd.Args, actor)
	cmd.Env = append([]string{
		testproc.HelperVariable + "=pid1", "TESTPROC_THEN=" + c.main, "TESTPROC_CGROUP=" + cgroup.Dir,
		"OOMINIT_LOG_LEVEL=debug",
	}, c.env...)
	if c.view {
		cmd.Env = append(cmd.Env, "TESTPROC_CONTAINER_VIEW="+testcgroup.V1Mount)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if errors.Is(err, unix.EPERM) {
		testproc.Require(t, "cgroup", fmt.Errorf("new namespaces: %w", err))
	}
	if ctx.Err() != nil || cmd.ProcessState == nil {
		t.Fatalf("did not end: %v\n%s%s", err, &stdout, &stderr)
	}
	if stderr.Len() > 0 {
		t.Logf("stderr: %s", &stderr)
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		t.Fatal("no wait status")
	}
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("exit code %d, output:\n%s", code, &stdout)
		}
	})
	return result{
		code, stdout.String(), events(t, stdout.String()),
		cgroup.Kills(t),
	}
}

// killing runs the container and wants that many kills of the kernel. Now and then the kernel kills once more, while the
// memory of its first victim is not given back yet (docs/design/0008-hold-still.md); such a run is made again.
func (c container) killing(t *testing.T, kills int) (r result) {
	t.Helper()
	for range 3 {
		r = c.run(t)
		if r.kernelKills == kills {
			return r
		}
		t.Logf("the kernel counted %d OOM kills; once more", r.kernelKills)
	}
	wantKernelKills(t, r, kills)
	return r
}

// The control that must fail without oominit: the kernel kills, and the exit code does not tell.
func TestPID1Without(t *testing.T) {
	r := container{main: "parent", without: true}.killing(t, 1)
	if r.code != 0 {
		t.Errorf("exit code %d without oominit, want 0", r.code)
	}
}

func TestPID1LeafKilled(t *testing.T) {
	for name, view := range map[string]bool{"host's view": false, "container's view": true} {
		t.Run(name, func(t *testing.T) {
			r := container{main: "parent", view: view}.killing(t, 1)
			if r.code != 137 {
				t.Errorf("exit code %d, want 137", r.code)
			}
			wantPID(t, r.events, r.hogs(t)[0], "leaf", "tree")
		})
	}
}

// The hogs have threads, whose ids are given out like pids: none of them may be taken for a victim. A hog that follows
// another at once may fail to start while the memory of the last one is still being given back, so the kernel's count
// is what the events are held to.
func TestPID1EveryKillOnce(t *testing.T) {
	var r result
	for range 3 {
		r = container{main: "parent", view: true, env: []string{"TESTPROC_HOGS=5"}}.run(t)
		if !slices.ContainsFunc(r.events, func(e event) bool { return e.Event == "oom_kill" && e.Role == "main" }) {
			break
		}
		t.Log("the kernel took the parent of the hogs too; once more")
	}
	if r.kernelKills < 2 {
		t.Fatalf("the kernel counted %d OOM kills, want several", r.kernelKills)
	}
	if r.code != 137 {
		t.Errorf("exit code %d, want 137", r.code)
	}
	hogs, got := r.hogs(t), named(r.events, "oom_kill")
	if len(got) != r.kernelKills {
		t.Fatalf("%d oom_kill events, the kernel counted %d", len(got), r.kernelKills)
	}
	seen := make(map[int]bool)
	for i, e := range got {
		if !slices.Contains(hogs, e.Process.PID) || seen[e.Process.PID] || e.OOMKills != i+1 {
			t.Errorf("event %d is about pid %d (oom_kills %d), want another of %v", i, e.Process.PID, e.OOMKills, hogs)
		}
		seen[e.Process.PID] = true
	}
	if others := named(r.events, "sigkill"); len(others) != 0 {
		t.Errorf("sigkill events, and every SIGKILL was an OOM kill: %+v", others)
	}
}

func TestPID1KilledByItsParent(t *testing.T) {
	for name, view := range map[string]bool{"host's view": false, "container's view": true} {
		t.Run(name, func(t *testing.T) {
			r := container{main: "killer", view: view}.killing(t, 0)
			r.hogs(t)
			wantNoKill(t, r.code, r.events)
		})
	}
}

func TestPID1MainKilled(t *testing.T) {
	r := container{main: "hog", view: true}.killing(t, 1)
	if r.code != 137 {
		t.Errorf("exit code %d, want 137", r.code)
	}
	wantPID(t, r.events, r.hogs(t)[0], "main", "tree")
}

func TestPID1Policies(t *testing.T) {
	for _, test := range []struct {
		name    string
		main    string
		env     []string
		code    int
		action  string // of the policy event; none without
		stopped bool   // main got the stop signal and could end by itself
	}{
		{name: "continue", main: "parent", env: []string{"OOMINIT_POLICY=continue"}},
		{name: "propagate", main: "parent", env: []string{"OOMINIT_POLICY=propagate"}, code: 137, action: "propagate"},
		{
			name: "propagate, other code", main: "parent",
			env: []string{"OOMINIT_POLICY=propagate", "OOMINIT_EXIT_CODE=42"}, code: 42, action: "propagate",
		},
		{name: "stop", main: "waiter", env: []string{"OOMINIT_POLICY=stop"}, code: 137, action: "stop", stopped: true},
		{
			name: "stop, ignored", main: "waiter",
			env: []string{"OOMINIT_POLICY=stop", "OOMINIT_GRACE_PERIOD=200ms", "TESTPROC_STUBBORN=1"}, code: 137, action: "stop",
		},
		{name: "kill", main: "waiter", env: []string{"OOMINIT_POLICY=kill"}, code: 137, action: "kill"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := container{main: test.main, env: test.env, view: true}.killing(t, 1)
			if r.code != test.code {
				t.Errorf("exit code %d, want %d", r.code, test.code)
			}
			wantPID(t, r.events, r.hogs(t)[0], "leaf", "tree")
			policies := named(r.events, "policy")
			switch {
			case test.action == "" && len(policies) != 0:
				t.Errorf("policy events: %+v", policies)
			case test.action != "" && (len(policies) != 1 || policies[0].Action != test.action):
				t.Errorf("policy events %+v, want one %s", policies, test.action)
			}
			if stopped := strings.Contains(r.output, "stopped\n"); stopped != test.stopped {
				t.Errorf("main ended by itself: %v, want %v", stopped, test.stopped)
			}
		})
	}
}

// A healthy container prints not one byte more than without oominit.
func TestPID1Silent(t *testing.T) {
	r := container{main: "killer", env: []string{"OOMINIT_LOG_LEVEL=warn"}, view: true}.run(t)
	wantNoKill(t, r.code, r.events)
	if want := fmt.Sprintf("hog %d\n", r.hogs(t)[0]); r.output != want {
		t.Errorf("output %q, want %q", r.output, want)
	}
}
