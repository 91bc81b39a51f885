package proctrack

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Without near, who was just found is opened only. Who ends before it is looked at never is, unless a kill is counted.
func TestFresh(t *testing.T) {
	tracker := newTracker(t)
	tracker.Look(time.Now(), true)
	before := tracker.Len()
	now := time.Now()
	_, grandchild, lines := family(t)
	if !tracker.Look(now, false) || tracker.Len() != before {
		t.Fatal("looked at once, or not found")
	}
	if tracker.Look(now.Add(youngEvery-1), false); tracker.Len() != before {
		t.Fatal("looked at too soon")
	}
	killReaped(t, grandchild, lines)
	tracker.Look(now.Add(youngEvery), false)
	if tracker.Len() != before+1 || tracker.table[grandchild] != nil {
		t.Errorf("%d processes, want the child alone", tracker.Len()-before)
	}
	if tracker.passed == 0 || tracker.passed > grandchild { // somebody else may have been passed over before it
		t.Errorf("passed over %d, want %d or one before it", tracker.passed, grandchild)
	}
}

func TestFreshIsScanned(t *testing.T) {
	tracker := newTracker(t)
	tracker.init = true // else nobody who was not looked at can be known to be ours
	tracker.Look(time.Now(), true)
	_, grandchild, lines := family(t)
	tracker.Look(time.Now(), false)
	killReaped(t, grandchild, lines)
	var deaths []Death
	tracker.Scan(time.Now(), func(d Death) {
		if d.Process.PID == grandchild { // others may end too, and all are ours here
			deaths = append(deaths, d)
		}
	})
	if !pidfdTellsStatus(t) {
		t.Skip("this kernel's pidfds do not tell the status (it takes Linux 6.15)")
	}
	checkDeath(t, deaths, grandchild)
}

// fakeProc writes a process as /proc would show it, in a v1 memory cgroup.
func fakeProc(t *testing.T, root string, pid, ppid int, cgroup string) {
	t.Helper()
	dir := filepath.Join(root, strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%d (x) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 5 0\n", pid, ppid, pid, pid)
	status := fmt.Sprintf("Name:\tx\nTgid:\t%d\n", pid)
	for name, content := range map[string]string{"stat": text, "status": status, "cgroup": "4:memory:" + cgroup + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fakeTracker returns a tracker that believes to be PID 1 of a container, with a /proc of files.
func fakeTracker(t *testing.T) (tracker *Tracker, root string) {
	t.Helper()
	tracker, root = newTracker(t), t.TempDir()
	fake, err := openProcfs(root)
	if err != nil {
		t.Fatal(err)
	}
	shown := tracker.proc
	tracker.proc, tracker.init, tracker.self = fake, true, 1
	tracker.pidfds.refused = true // the pids are of nobody, or of somebody else
	tracker.SetCgroup(true, "/docker/a")
	t.Cleanup(func() { fake.close(); tracker.proc = shown })
	return tracker, root
}

// Engines make the first process of an exec'd session in the container's pid namespace, and move it into the cgroup later.
// It was taken for a stranger at the first look, and its children for the main process's.
func TestExecIsMovedLate(t *testing.T) {
	tracker, root := fakeTracker(t)
	now := time.Now()
	fakeProc(t, root, 20, 0, "/engine")
	tracker.discover(20, now, true)
	fakeProc(t, root, 26, 20, "/docker/a")
	if origin, ours := tracker.origin(stat{pid: 26, ppid: 20}); origin != Exec || !ours {
		t.Errorf("the child of one that is not in the table: %v, %v", origin, ours)
	}
	tracker.lookAtFresh(now.Add(youngEvery), false)
	if tracker.table[20] != nil {
		t.Fatal("a stranger is in the table")
	}
	fakeProc(t, root, 20, 0, "/docker/a")
	tracker.lookAtFresh(now.Add(3*youngEvery), false)
	if p := tracker.table[20]; p == nil || p.Origin != Exec {
		t.Errorf("moved into the cgroup, and not seen: %+v", p)
	}
	// The control: one that stays outside is forgotten.
	fakeProc(t, root, 21, 0, "/docker/b")
	tracker.discover(21, now, true)
	if len(tracker.fresh) != 1 {
		t.Fatalf("not looked at again: %+v", tracker.fresh)
	}
	tracker.lookAtFresh(now.Add(strangerFor+time.Second), false)
	if tracker.table[21] != nil || len(tracker.fresh) != 0 {
		t.Errorf("a stranger is kept: %+v, %+v", tracker.table[21], tracker.fresh)
	}
}

// pidfdTellsStatus says whether the kernel has PIDFD_INFO_EXIT.
func pidfdTellsStatus(t *testing.T) bool {
	t.Helper()
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	_, ok := exitStatus(fd)
	return ok
}

// A shortage of descriptors, or a /proc that cannot be read, says nothing about a process: in a container with
// nofile=24 a process that lived was named as victim.
func TestUnsureIsNotGone(t *testing.T) {
	tracker := newTracker(t)
	tracker.pidfds.refused = true
	family(t)
	tracker.Look(time.Now(), true)
	known := tracker.Len()
	dir := tracker.proc.dir
	tracker.proc.dir = -2 // EBADF, where a shortage would be EMFILE
	tell := func(d Death) { t.Errorf("a death: %+v", d) }
	tracker.Scan(time.Now(), tell)
	tracker.Sweep(tell)
	tracker.Refresh(time.Now())
	tracker.proc.dir = dir
	if tracker.Len() != known || known < 2 {
		t.Errorf("%d processes before, %d after", known, tracker.Len())
	}
}

// With hidepid=2, a process that changes its user is hidden from one look to the next.
func TestHiddenIsNotGone(t *testing.T) {
	tracker := newTracker(t)
	_, grandchild, lines := family(t)
	tracker.Look(time.Now(), true)
	empty, err := openProcfs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	full := tracker.proc
	tracker.proc = empty
	tracker.Scan(time.Now(), func(d Death) { t.Errorf("a death: %+v", d) })
	// The control: who is gone is gone, shown or not.
	killReaped(t, grandchild, lines)
	var deaths []Death
	tracker.Scan(time.Now(), func(d Death) { deaths = append(deaths, d) })
	checkDeath(t, deaths, grandchild)
	tracker.proc = full
	empty.close()
}

// Where descriptors are short, those that have no pidfd are noticed by Sweep, and the larger ones get one.
func TestPidfdBudget(t *testing.T) {
	tracker := newTracker(t)
	tracker.pidfds.most = 1
	child, grandchild, lines := family(t)
	tracker.SetMain(child, time.Now())
	tracker.Look(time.Now(), true)
	if tracker.table[child].pidfd < 0 || tracker.table[grandchild].pidfd >= 0 || tracker.pidfds.open != 1 {
		t.Fatalf("%+v, %+v, %d open", tracker.table[child], tracker.table[grandchild], tracker.pidfds.open)
	}
	for _, p := range tracker.table {
		if p.PID != grandchild {
			p.ResidentBytes = 1
		}
	}
	tracker.table[grandchild].ResidentBytes = 2
	tracker.swapPidfd(tracker.table[grandchild], tracker.table[child])
	if tracker.table[grandchild].pidfd < 0 || tracker.table[child].pidfd >= 0 || tracker.pidfds.open != 1 {
		t.Error("the larger one has no pidfd")
	}
	tracker.swapPidfd(tracker.table[child], tracker.table[grandchild]) // smaller: nothing happens
	tracker.unwatch(tracker.table[grandchild])
	killReaped(t, grandchild, lines)
	var deaths []Death
	tracker.Sweep(func(d Death) { deaths = append(deaths, d) })
	if len(deaths) != 1 || deaths[0].Process.PID != grandchild || deaths[0].Knowledge != Vanished {
		t.Errorf("got %+v", deaths)
	}
}

// Starting a program in one of the directories is told; what was told before DrainExecs is not told again.
func TestWatchExecs(t *testing.T) {
	tracker := newTracker(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := tracker.WatchExecs([]string{filepath.Join(dir, "missing")}); err == nil {
		t.Error("no directory, and no error")
	}
	fd, err := tracker.WatchExecs([]string{dir, dir, filepath.Join(dir, "missing"), ""})
	if err != nil {
		t.Fatal(err)
	}
	tracker.DrainExecs()
	if ended(fd) { // readable
		t.Fatal("told of a start before there was one")
	}
	pid, err := syscall.ForkExec(program, []string{"program"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	if !ended(fd) {
		t.Error("not told of a start")
	}
	if tracker.DrainExecs(); ended(fd) {
		t.Error("told of it once more")
	}
}
