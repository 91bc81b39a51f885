package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// docker runs the client and returns what it wrote to stdout.
func docker(ctx context.Context, arguments ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", arguments...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("docker %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// mustDocker is docker that has to succeed within a minute.
func mustDocker(t *testing.T, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := docker(ctx, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func dockerReason() error {
	if os.Geteuid() != 0 {
		return errors.New("the kernel's counters are read as root")
	}
	if _, err := exec.LookPath("docker"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := docker(ctx, "info"); err != nil {
		return errors.New("no engine answers docker info")
	}
	if _, err := os.Stat(filepath.Join(testcgroup.V1Mount, "memory.oom_control")); err != nil {
		return errors.New("the memory controller is not on cgroup v1")
	}
	return nil
}

// cleanDocker is for the test's end, whose own context is over.
func cleanDocker(t *testing.T, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := docker(ctx, arguments...); err != nil {
		t.Error(err)
	}
}

// startNginx starts a container with nginx as its main process and returns its id once nginx has its worker.
func startNginx(t *testing.T, image string, with bool) string {
	t.Helper()
	arguments := []string{
		"run", "-d", "--network", "none", "--memory", "64m", "--memory-swap", "64m",
		"--label", "oominit.e2e=" + strconv.Itoa(os.Getpid()), "--env", "OOMINIT_LOG_LEVEL=debug",
	}
	if with {
		arguments = append(arguments, "-v", testproc.Build(t)+":/usr/bin/oominit:ro", "--entrypoint", "/usr/bin/oominit")
	}
	id := mustDocker(t, append(arguments, image, "nginx", "-g", "daemon off;")...)
	t.Cleanup(func() {
		if t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			logs, err := docker(ctx, "logs", id)
			t.Logf("logs of %s (%v):\n%s", id, err, logs)
		}
		cleanDocker(t, "rm", "-f", id)
	})
	nginxWorker(t, id, "")
	return id
}

// nginxWorker waits until there is an nginx worker other than not, and returns its pid as the host sees it.
func nginxWorker(t *testing.T, id, not string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	worker := ""
	err := testproc.Poll(ctx, func() bool {
		table, err := docker(ctx, "top", id, "-o", "pid,args")
		if err != nil {
			return false
		}
		for line := range strings.Lines(table) {
			pid, args, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.Contains(args, "nginx: worker") && pid != not {
				worker = pid
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("no nginx worker in %s: %v", id, err)
	}
	return worker
}

func cgroupOf(t *testing.T, id string) *testcgroup.Cgroup {
	t.Helper()
	return testcgroup.Load(t, "/docker/"+id)
}

// stress takes too much memory in an exec'd session until the kernel has killed in this container.
func stress(t *testing.T, id string, workers int) int {
	t.Helper()
	before := cgroupOf(t, id).Kills(t)
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		// stress itself fails when its worker is killed.
		_, err := docker(ctx, "exec", id, "stress", "-q", "-m", strconv.Itoa(workers), "--vm-bytes", "200M", "-t", "10")
		cancel()
		if after := cgroupOf(t, id).Kills(t); after > before {
			return after
		}
		t.Logf("no OOM kill yet: %v", err)
	}
	t.Fatal("the kernel did not kill")
	return 0
}

// stop stops the container and returns what the engine says of it, and its stdout.
func stop(t *testing.T, id string) (oomKilled bool, code int, logs string) {
	t.Helper()
	mustDocker(t, "stop", "-t", "20", id)
	state := mustDocker(t, "inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", id)
	if _, err := fmt.Sscan(state, &oomKilled, &code); err != nil {
		t.Fatalf("%q: %v", state, err)
	}
	return oomKilled, code, mustDocker(t, "logs", id)
}

func TestDocker(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	image := newImage(t)

	t.Run("without", func(t *testing.T) {
		id := startNginx(t, image, false)
		stress(t, id, 1)
		oomKilled, code, _ := stop(t, id)
		if !oomKilled || code != 0 {
			t.Errorf("OOMKilled %v, exit code %d; want true, 0", oomKilled, code)
		}
	})

	t.Run("exec killed", func(t *testing.T) {
		id := startNginx(t, image, true)
		stress(t, id, 1)
		stress(t, id, 1)
		kills := stress(t, id, 2)
		_, code, logs := stop(t, id)
		if code != 137 {
			t.Errorf("exit code %d, want 137", code)
		}
		got := named(events(t, logs), "oom_kill")
		if len(got) != kills {
			t.Errorf("%d oom_kill events, the kernel counted %d", len(got), kills)
		}
		seen := make(map[int]bool)
		for _, e := range got {
			if e.Origin != "exec" || e.Role != "leaf" || e.Process.Executable.Name != "stress" || seen[e.Process.PID] {
				t.Errorf("victim %q, pid %d, %s, %s (seen: %v); want another stress, leaf, exec", e.Process.Executable.Name, e.Process.PID, e.Role, e.Origin, seen[e.Process.PID])
			}
			seen[e.Process.PID] = true
		}
	})

	t.Run("worker killed by hand", func(t *testing.T) {
		id := startNginx(t, image, true)
		worker := nginxWorker(t, id, "")
		// The container's own kill, from a session of its own: the host's pid is looked up by its parent there.
		mustDocker(t, "exec", id, "sh", "-c", `for p in /proc/[0-9]*; do
			if tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^nginx: worker'; then kill -9 ${p#/proc/}; exit 0; fi; done; exit 1`)
		nginxWorker(t, id, worker)
		if kills := cgroupOf(t, id).Kills(t); kills != 0 {
			t.Fatalf("the kernel counted %d OOM kills, want 0", kills)
		}
		_, code, logs := stop(t, id)
		wantNoKill(t, code, events(t, logs))
	})
}
