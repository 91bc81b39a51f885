package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testproc"
	"github.com/oominit/oominit/internal/uml"
)

// umlScript is what the user-mode Linux does. Each run leaves NAME.out, NAME.err, NAME.code and NAME.kills, what the
// witness says of its cgroup.
const umlScript = `
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
`

// bootUML runs umlScript on a user-mode Linux with our root as its file system, and returns the directory of its results.
func bootUML(t *testing.T) string {
	t.Helper()
	// One path for host and guest, whatever links there are.
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	script := fmt.Sprintf(umlScript, dir, testproc.Build(t), testproc.BuildActor(t), testproc.BuildWitness(t))
	log, err := uml.Run(ctx, dir, script, "TESTPROC_HELPER=poweroff exec "+testproc.BuildActor(t))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("init:\n%s", log)
		}
	})
	if log == "" {
		testproc.Require(t, "uml", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
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
	testproc.Require(t, "uml", uml.Missing())
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
