package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testproc"
)

const memoryMount = "/sys/fs/cgroup/memory"

// newCgroup makes a v1 memory cgroup below our own that the test's end removes, and returns its directory.
func newCgroup(t *testing.T, limit int) string {
	t.Helper()
	own, err := ownCgroup()
	testproc.Require(t, "cgroup", err)
	dir, err := os.MkdirTemp(own, "oominit-e2e-")
	if err != nil {
		testproc.Require(t, "cgroup", fmt.Errorf("no memory cgroup can be made: %w", err))
	}
	t.Cleanup(func() { removeCgroup(t, dir) })
	text := []byte(strconv.Itoa(limit))
	if err := os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), text, 0); err != nil {
		t.Fatal(err)
	}
	// It is there only if the kernel counts swap; a file cannot be made here.
	err = os.WriteFile(filepath.Join(dir, "memory.memsw.limit_in_bytes"), text, 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		t.Fatal(err)
	}
	return dir
}

// ownCgroup is the directory of this process's v1 memory cgroup.
func ownCgroup() (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("namespaces and memory cgroups take root")
	}
	if _, err := os.Stat(filepath.Join(memoryMount, "memory.oom_control")); err != nil {
		return "", errors.New("the memory controller is not on cgroup v1")
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || fields[1] != "memory" {
			continue
		}
		dir := filepath.Join(memoryMount, fields[2])
		if _, err := os.Stat(dir); err != nil {
			// A container sees its own cgroup as the root.
			dir = memoryMount
		}
		return dir, nil
	}
	return "", errors.New("/proc/self/cgroup has no memory line")
}

// removeCgroup waits until the last process has left it.
func removeCgroup(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := poll(ctx, func() bool {
		err := os.Remove(dir)
		return err == nil || errors.Is(err, os.ErrNotExist)
	})
	if err != nil {
		t.Errorf("cannot remove %s: %v", dir, err)
	}
}

// poll asks every few milliseconds until the answer is yes.
func poll(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

var oomKillLine = regexp.MustCompile(`(?m)^oom_kill (\d+)$`)

// kernelKills is what the kernel says happened in this cgroup: the witness against the events. The file is
// memory.oom_control or memory.events.
func kernelKills(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	match := oomKillLine.FindSubmatch(text)
	if match == nil {
		testproc.Require(t, "cgroup", fmt.Errorf("%s does not count oom_kill", file))
	}
	n, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantKernelKills(t *testing.T, r result, want int) {
	t.Helper()
	if r.kernelKills != want {
		t.Fatalf("the kernel counted %d OOM kills, want %d", r.kernelKills, want)
	}
}
