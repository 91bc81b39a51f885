package proctrack

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sleepers starts n processes that do nothing, each of them a child of a child, so that they are nobody's business but the
// tracker's.
func sleepers(tb testing.TB, n int) {
	tb.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	// The shell's children end with its input.
	script := `i=0; while [ $i -lt ` + strconv.Itoa(n) + ` ]; do (read x <&3) & i=$((i+1)); done; echo; read x <&3; wait`
	in, hold, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{0, write.Fd(), 2, in.Fd()}})
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = in.Close(), write.Close()
	tb.Cleanup(func() {
		_, _ = hold.Close(), read.Close()
		_, _ = unix.Wait4(pid, nil, 0, nil)
	})
	if _, err := read.Read(make([]byte, 1)); err != nil {
		tb.Skipf("%d processes cannot be made here: %v", n, err)
	}
}

// A tick with nothing new costs the same whatever lives, and allocates nothing.
func BenchmarkLookNothingNew(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			sleepers(b, n)
			tracker := settled(b)
			if tracker.Len() < n {
				b.Fatalf("%d processes known", tracker.Len())
			}
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				tracker.Look(now, false)
				tracker.Ended(func(Death) {})
			}
		})
	}
}

// settled returns a tracker that has looked at everybody often enough to leave them alone.
func settled(tb testing.TB) *Tracker {
	tb.Helper()
	tracker, err := New("/proc")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(tracker.Close)
	tracker.init = true // so that everybody counts
	now := time.Now()
	for range looksAtYoung + 2 {
		tracker.Look(now, true)
		now = now.Add(youngEvery)
	}
	return tracker
}

func TestLookAllocatesNothing(t *testing.T) {
	tracker := settled(t)
	now := time.Now()
	nothing := func(Death) {}
	allocations := testing.AllocsPerRun(1000, func() {
		// Others may start processes meanwhile, which is work.
		tracker.newest, _ = tracker.proc.newest()
		tracker.Look(now, false)
		tracker.Ended(nothing)
		tracker.Sweep(nothing)
	})
	if allocations > 0.5 {
		t.Errorf("%.2f allocations for a look with nothing new", allocations)
	}
}

// Who is known is looked at without taking memory: at the limit there is none, and each page that we take is one more reason
// for the kernel to kill.
func TestKnownProcessesTakeNoMemory(t *testing.T) {
	sleepers(t, 100) // more than have their stat file kept open
	tracker := settled(t)
	now := time.Now()
	nothing := func(Death) {}
	for range 100 { // until every command line is known
		now = now.Add(youngEvery)
		tracker.Look(now, true)
		tracker.Refresh(now)
		for len(tracker.lines.asked) > 0 {
			runtime.Gosched()
		}
	}
	allocations := testing.AllocsPerRun(100, func() {
		tracker.newest, _ = tracker.proc.newest()
		tracker.lines.collect(tracker.learnLine)
		tracker.Scan(now, nothing)
		tracker.ScanKept(now, nothing)
		tracker.Refresh(now)
	})
	if allocations > 10 { // the kernel's own threads change their names all the time
		t.Errorf("%.2f allocations", allocations)
	}
}

// What short-lived processes cost, a hundred at a time: each is found, has ended, and is passed over.
func BenchmarkHundredForks(b *testing.B) {
	tracker := settled(b)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		var pids [100]int
		for i := range pids {
			pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
			if errno != 0 {
				b.Fatal(errno)
			}
			if pid == 0 {
				_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
			}
			pids[i] = int(pid)
		}
		for _, pid := range pids {
			_ = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) // until it is a zombie
		}
		b.StartTimer()
		tracker.Look(now, false)
		b.StopTimer()
		for _, pid := range pids {
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
		now = now.Add(youngEvery)
		tracker.Look(now, true)
		b.StartTimer()
	}
}

// Descriptors and memory at ten thousand processes.
func BenchmarkTenThousand(b *testing.B) {
	sleepers(b, 10000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var tracker *Tracker
	for b.Loop() {
		tracker = settled(b)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(tracker.pidfds.open), "pidfds")
	b.ReportMetric(float64(tracker.pidfds.kept), "stat-files")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(tracker.Len()*b.N), "heap-B/process")
}

// With a limit of 32 descriptors the tracker takes what is left of them, and none more.
func TestFewDescriptors(t *testing.T) {
	sleepers(t, 100)
	tracker := newTracker(t)
	tracker.init = true
	tracker.pidfds.most = 8
	tracker.Look(time.Now(), true)
	if tracker.Len() < 100 || tracker.pidfds.open+tracker.pidfds.kept != 8 {
		t.Errorf("%d processes, %d pidfds and %d stat files", tracker.Len(), tracker.pidfds.open, tracker.pidfds.kept)
	}
	for _, p := range tracker.table {
		tracker.drop(p)
	}
	if tracker.pidfds.open != 0 || tracker.pidfds.kept != 0 {
		t.Error(fmt.Sprint("left over: ", tracker.pidfds))
	}
}
