package proctrack

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const statTail = " S 7 8 9 0 -1 1024 0 0 0 0 0 0 0 0 20 0 1 0 4711 4096 33 0 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 9\n"

func TestParseStat(t *testing.T) {
	for _, comm := range []string{"sh", "", "a) b", "a\nb", `"'`, "\xff\xfe", "x) Z 1 1", "((", ")))"} {
		s, ok := parseStat([]byte("12 ("+comm+")"+statTail), "sh")
		want := stat{pid: 12, comm: comm, state: 'S', ppid: 7, session: 9, flags: flagSignaled, threads: 1, startTime: 4711, rssPages: 33, exitCode: 9}
		if !ok || s != want {
			t.Errorf("%q: %+v %v", comm, s, ok)
		}
	}
	for _, text := range []string{"", "12", "12 (a", "12 )a(", "(a)" + statTail, "x (a)" + statTail, "0 (a)" + statTail, "12 (a) S 1 2"} {
		if s, ok := parseStat([]byte(text), ""); ok {
			t.Errorf("%q: %+v", text, s)
		}
	}
}

// A process whose first thread has ended is no zombie while others go on: as one it was passed over.
func TestZombie(t *testing.T) {
	for text, want := range map[string]bool{
		"12 (a) Z 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0\n": true,
		"12 (a) X 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 0 0 4711 0 0 0\n": true,
		"12 (a) Z 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 5 0 4711 0 0 0\n": false,
		"12 (a) S 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0\n": false,
	} {
		if s, ok := parseStat([]byte(text), ""); !ok || s.zombie() != want {
			t.Errorf("%q: %v, %v", text, s.zombie(), ok)
		}
	}
}

// A SIGKILL that is pending shows in field 31.
func TestKillPending(t *testing.T) {
	for text, want := range map[string]bool{
		"12 (a) R 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 4096 33 0 0 0 0 0 0 256 0\n": true,
		"12 (a) R 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 4096 33 0 0 0 0 0 0 768 0\n": true,
		"12 (a) R 7 8 9 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 4096 33 0 0 0 0 0 0 512 0\n": false,
		statTailOf("a"): false,
	} {
		if s, ok := parseStat([]byte(text), ""); !ok || s.killPending != want {
			t.Errorf("%q: %v, %v", text, s.killPending, ok)
		}
	}
}

func statTailOf(comm string) string { return "12 (" + comm + ")" + statTail }

func TestNewestPID(t *testing.T) {
	for text, want := range map[string]int{
		"0.00 0.01 0.05 1/99 1234\n": 1234, "0.00 0.01 0.05 1/99 1": 1,
		"": 0, "12\n": 0, "0.1 0.1 0.1 1/9 0\n": 0, "0.1 -5\n": 0, "0.1 x\n": 0,
	} {
		if got, ok := newestPID([]byte(text)); got != want || ok != (want > 0) {
			t.Errorf("%q: %d %v", text, got, ok)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (x) Z 1 1)" + statTail))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, ok := parseStat(text, "x"); ok && s.pid <= 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func FuzzNewestPID(f *testing.F) {
	f.Add([]byte("0.00 0.01 0.05 1/99 1234\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if pid, ok := newestPID(text); ok != (pid > 0) {
			t.Errorf("%d %v", pid, ok)
		}
	})
}

func newTracker(t *testing.T) *Tracker {
	t.Helper()
	tracker, err := New("/proc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracker.Close)
	return tracker
}

// family starts a shell that starts a sleeping grandchild, and says "reaped" once it has reaped that.
func family(t *testing.T) (child, grandchild int, lines *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 >/dev/null & echo $!; wait $!; echo reaped; read x")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines = bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(grandchild, unix.SIGKILL) // gone already in some tests
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid, grandchild, lines
}

func TestLookForgetLargest(t *testing.T) {
	tracker := newTracker(t)
	tracker.Look(time.Now(), true)
	before := tracker.Len()
	child, grandchild, _ := family(t)
	if !tracker.Look(time.Now(), true) || tracker.table[child] == nil || tracker.table[grandchild] == nil {
		t.Fatalf("not found: %d, %d", child, grandchild)
	}
	largest := tracker.Largest(100)
	for i := 1; i < len(largest); i++ {
		if smaller(&largest[i-1], &largest[i]) {
			t.Errorf("%+v before %+v", largest[i-1], largest[i])
		}
	}
	if len(largest) != before+2 || len(tracker.Largest(1)) != 1 {
		t.Errorf("largest has %d", len(largest))
	}
	tracker.Forget(child)
	tracker.Forget(child)
	if tracker.table[child] != nil || tracker.Len() != before+1 {
		t.Error("not forgotten")
	}
}

// killReaped kills the grandchild and returns when its own parent has reaped it.
func killReaped(t *testing.T, pid int, lines *bufio.Reader) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "reaped\n" {
			return
		}
	}
}

// supported asks the kernel with a process of which the answer is known.
func supported(t *testing.T) bool {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "read x")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fd, openErr := unix.PidfdOpen(cmd.Process.Pid, 0)
	_ = stdin.Close()
	_ = cmd.Wait() // read fails at the end of the file
	if openErr != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	_, ok := exitStatus(fd)
	return ok
}

func checkDeath(t *testing.T, deaths []Death, pid int) {
	t.Helper()
	if len(deaths) != 1 || deaths[0].Process.PID != pid {
		t.Fatalf("got %+v", deaths)
	}
	want := Vanished
	if supported(t) {
		want = PidfdStatus
	}
	if d := deaths[0]; d.Knowledge != want || (want == PidfdStatus && d.Status.Signal() != unix.SIGKILL) {
		t.Errorf("got %+v", d)
	}
}

func TestEndedTellsOfAGrandchild(t *testing.T) {
	tracker := newTracker(t)
	_, grandchild, lines := family(t)
	tracker.Look(time.Now(), true)
	var deaths []Death
	collect := func(d Death) { deaths = append(deaths, d) }
	tracker.Ended(collect)
	if len(deaths) != 0 {
		t.Fatalf("nobody died yet: %+v", deaths)
	}
	killReaped(t, grandchild, lines)
	tracker.Ended(collect)
	checkDeath(t, deaths, grandchild)
}

func TestScan(t *testing.T) {
	tracker := newTracker(t)
	_, grandchild, lines := family(t)
	tracker.Look(time.Now(), true)
	var deaths []Death
	collect := func(d Death) { deaths = append(deaths, d) }
	tracker.Scan(time.Now(), collect)
	if len(deaths) != 0 {
		t.Fatalf("nobody died yet: %+v", deaths)
	}
	killReaped(t, grandchild, lines)
	tracker.Scan(time.Now(), collect)
	checkDeath(t, deaths, grandchild)
}

// containerd/containerd#5670: every watch kept a file descriptor.
func TestNoDescriptorsLeft(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	family(t)
	before := count()
	for range 5 {
		tracker, err := New("/proc")
		if err != nil {
			t.Fatal(err)
		}
		tracker.Look(time.Now(), true)
		if tracker.Len() == 0 || count() <= before {
			t.Error("the control: nothing was opened")
		}
		tracker.Close()
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestNilTracker(t *testing.T) {
	var tracker *Tracker
	tracker.SetMain(1, time.Now())
	tracker.Forget(1)
	tracker.Refresh(time.Now())
	tracker.Ended(func(Death) { t.Error("a death") })
	tracker.Scan(time.Now(), func(Death) { t.Error("a death") })
	if _, ok := tracker.PollFD(); ok || tracker.Look(time.Now(), true) || tracker.Len() != 0 || len(tracker.Largest(3)) != 0 || tracker.Child(9).PID != 9 {
		t.Error("a nil tracker knows somebody")
	}
	tracker.Close()
}

// A shell and the process that it waits for end at once, and the shell may be seen to have ended first.
func TestAncestorsThatAreGone(t *testing.T) {
	tracker := newTracker(t)
	child, grandchild, _ := family(t)
	tracker.SetMain(child, time.Now())
	tracker.Look(time.Now(), true)
	victim := tracker.table[grandchild]
	if victim == nil || tracker.table[child] == nil {
		t.Fatal("not found")
	}
	tracker.Forget(child)
	p := *victim
	tracker.lineage(&p)
	if len(p.Ancestors) != 1 || p.Ancestors[0] != (Ancestor{child, "sh"}) {
		t.Errorf("%+v", p.Ancestors)
	}
	p.ParentPID = 0 // that of an exec'd session's first process
	if tracker.lineage(&p); len(p.Ancestors) > 0 {
		t.Errorf("nobody has pid 0: %+v", p.Ancestors)
	}
	p = *victim
	p.StartTime = 1 // older than the shell: that was not its parent, but somebody with the same pid
	if tracker.lineage(&p); len(p.Ancestors) > 0 {
		t.Errorf("a reused pid: %+v", p.Ancestors)
	}
	for i := range departedKept {
		tracker.departed.add(&Process{PID: -1 - i})
	}
	p = *victim
	if tracker.lineage(&p); len(p.Ancestors) > 0 {
		t.Errorf("remembered for ever: %+v", p.Ancestors)
	}
}

// Who has a SIGKILL pending is not alive, whatever else is shown of it: before Linux 5.17 the exit code is 0 until it acts.
func TestPendingKillIsNotAlive(t *testing.T) {
	tracker := newTracker(t)
	now := time.Now()
	var p Process
	if tracker.learn(&p, stat{open: true, killPending: true}, now); !p.AliveAt.IsZero() {
		t.Error("alive with a SIGKILL pending")
	}
	if tracker.learn(&p, stat{open: true}, now); !p.AliveAt.Equal(now) {
		t.Error("not alive")
	}
}

// A look at all who are kept is no look at all there are while somebody was born who was not found yet.
func TestAllKept(t *testing.T) {
	tracker := newTracker(t)
	child, grandchild, _ := family(t)
	tracker.SetMain(child, time.Now())
	tracker.Look(time.Now(), true)
	tracker.newest, _ = tracker.proc.newest() // others may be born meanwhile
	if len(tracker.table) != 2 || tracker.table[grandchild] == nil || !tracker.AllKept() {
		t.Fatalf("%d known, all kept: %v", len(tracker.table), tracker.AllKept())
	}
	family(t)
	if tracker.AllKept() {
		t.Error("somebody is not found yet")
	}
}
