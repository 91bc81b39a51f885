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
	"syscall"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testproc"
	"golang.org/x/sys/unix"
)

// umlInit is the first process of the user-mode Linux. Each run leaves NAME.out, NAME.err, NAME.code and NAME.kills,
// what the witness says of its cgroup. The machine ends with the script.
const umlInit = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
exec >%[1]s/init.log 2>&1
set -x
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
run() {
	name=$1 helper=$2
	shift 2
	cgroup=/sys/fs/cgroup/$name
	mkdir $cgroup
	echo 48M >$cgroup/memory.max
	echo 0 >$cgroup/memory.swap.max
	(
		sh -c 'echo $PPID' >$cgroup/cgroup.procs
		export OOMINIT_LOG_LEVEL=debug TESTPROC_HELPER=$helper
		exec unshare --pid --mount --cgroup --fork --mount-proc sh -c '
			umount /sys/fs/cgroup && mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup && exec "$@"' sh "$@"
	) >%[1]s/$name.out 2>%[1]s/$name.err
	echo $? >%[1]s/$name.code
	%[4]s /$name >%[1]s/$name.kills
}
run without parent %[3]s
run leaf parent %[2]s -- %[3]s
run main hog %[2]s -- %[3]s
run control killer %[2]s -- %[3]s
echo done >%[1]s/done
TESTPROC_HELPER=poweroff exec %[3]s
`

func umlReason() error {
	if os.Geteuid() != 0 {
		return errors.New("the host's root as a file system takes root")
	}
	_, err := exec.LookPath("linux.uml")
	return err
}

// bootUML runs umlInit on a user-mode Linux with our root as its file system, and returns the directory of its results.
func bootUML(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	// One path for host and guest, whatever links there are.
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "init")
	text := fmt.Sprintf(umlInit, dir, testproc.Build(t), testproc.BuildActor(t), testproc.BuildWitness(t))
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "linux.uml", "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rw",
		"init="+script, "con=null", "con0=null,fd:1", "uml_dir="+dir)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	// It has many processes of its own: a group of their own can be ended as one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	log, _ := os.ReadFile(filepath.Join(dir, "init.log"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s\ninit:\n%s", &console, log)
		}
	})
	if len(log) == 0 {
		testproc.Require(t, "uml", fmt.Errorf("linux.uml did not reach its init: %w: %s", err, lastLine(console.String())))
	}
	if _, statErr := os.Stat(filepath.Join(dir, "done")); statErr != nil {
		t.Fatalf("user-mode Linux did not finish: %v", err)
	}
	return dir
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// umlResult reads what a run left.
func umlResult(t *testing.T, dir, name string) result {
	t.Helper()
	read := func(suffix string) string {
		text, err := os.ReadFile(filepath.Join(dir, name+suffix))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	code, err := strconv.Atoi(strings.TrimSpace(read(".code")))
	if err != nil {
		t.Fatal(err)
	}
	output := read(".out")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("exit code %d, output:\n%s%s", code, output, read(".err"))
		}
	})
	kills, err := strconv.Atoi(strings.TrimSpace(read(".kills")))
	if err != nil {
		t.Fatal(err)
	}
	return result{code, output, events(t, output), kills}
}

func TestUML(t *testing.T) {
	testproc.Require(t, "uml", umlReason())
	dir := bootUML(t)

	t.Run("without", func(t *testing.T) {
		r := umlResult(t, dir, "without")
		wantKernelKills(t, r, 1)
		if r.code != 0 {
			t.Errorf("exit code %d without oominit, want 0", r.code)
		}
	})
	t.Run("leaf killed", func(t *testing.T) {
		r := umlResult(t, dir, "leaf")
		wantKernelKills(t, r, 1)
		if r.code != 137 {
			t.Errorf("exit code %d, want 137", r.code)
		}
		wantPID(t, r.events, r.hogs(t)[0], "leaf", "tree")
	})
	t.Run("main killed", func(t *testing.T) {
		r := umlResult(t, dir, "main")
		wantKernelKills(t, r, 1)
		if r.code != 137 {
			t.Errorf("exit code %d, want 137", r.code)
		}
		wantPID(t, r.events, r.hogs(t)[0], "main", "tree")
	})
	t.Run("killed by its parent", func(t *testing.T) {
		r := umlResult(t, dir, "control")
		wantKernelKills(t, r, 0)
		r.hogs(t)
		wantNoKill(t, r.code, r.events)
	})
}
