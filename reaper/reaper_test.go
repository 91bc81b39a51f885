package reaper

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spawn is not os/exec, which would wait by itself.
func spawn(t *testing.T, script string) int {
	t.Helper()
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// catch has SIGCHLD caught until the test's end.
func catch(t *testing.T) <-chan os.Signal {
	t.Helper()
	wake := make(chan os.Signal, 1)
	signal.Notify(wake, unix.SIGCHLD)
	t.Cleanup(func() { signal.Stop(wake) })
	return wake
}

// await blocks until the child is a zombie, and leaves it one.
func await(t *testing.T, pid int) {
	t.Helper()
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

func TestNoChildren(t *testing.T) {
	var r Reaper
	if _, err := r.Peek(); !errors.Is(err, ErrNoChildren) {
		t.Errorf("got %v", err)
	}
	if err := r.Reap(os.Getpid()); err != nil {
		t.Errorf("reaping somebody who is no child: %v", err)
	}
}

func TestNoneEnded(t *testing.T) {
	var r Reaper
	pid := spawn(t, "kill -STOP $$")
	if _, err := r.Peek(); !errors.Is(err, ErrNoneEnded) {
		t.Errorf("got %v", err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, pid)
	// The control: now there is one.
	if exit, err := r.Peek(); err != nil || exit.PID != pid {
		t.Errorf("got %+v, %v", exit, err)
	}
	if err := r.Reap(pid); err != nil {
		t.Error(err)
	}
}

func TestStatusIsThatOfWait4(t *testing.T) {
	var r Reaper
	for _, script := range []string{"exit 0", "exit 1", "exit 255", "kill -KILL $$", "kill -TERM $$", "ulimit -c 0; kill -SEGV $$"} {
		pid := spawn(t, script)
		await(t, pid)
		first, err := r.Peek()
		if err != nil || first.PID != pid {
			t.Fatalf("%s: %+v, %v", script, first, err)
		}
		if again, err := r.Peek(); err != nil || again != first {
			t.Errorf("%s: peeking took it: %+v, %v", script, again, err)
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/stat", pid)); err != nil {
			t.Errorf("%s: no zombie: %v", script, err)
		}
		var want unix.WaitStatus
		if _, err := unix.Wait4(pid, &want, unix.WNOHANG, nil); err != nil {
			t.Fatal(err)
		}
		if first.Status != want {
			t.Errorf("%s: status %#x, wait4 says %#x", script, first.Status, want)
		}
	}
}

func TestReapTakesTheZombie(t *testing.T) {
	var r Reaper
	pid := spawn(t, "exit 3")
	await(t, pid)
	usage, err := r.ReapWithUsage(pid)
	if err != nil || usage.Maxrss == 0 {
		t.Errorf("got %+v, %v", usage, err)
	}
	if _, err := r.Peek(); !errors.Is(err, ErrNoChildren) {
		t.Errorf("still there: %v", err)
	}
}

// opencontainers/runc#5208: the child has ended before anybody looks, and its SIGCHLD came early.
func TestChildDiesBeforeForkReturns(t *testing.T) {
	var r Reaper
	wake := catch(t)
	pid := spawn(t, "exit 7")
	await(t, pid)
	select {
	case <-wake:
	case <-time.After(10 * time.Second):
		t.Fatal("no wake-up")
	}
	exit, err := r.Peek()
	if err != nil || exit.PID != pid || exit.Status.ExitStatus() != 7 {
		t.Errorf("got %+v, %v", exit, err)
	}
	if err := r.Reap(pid); err != nil {
		t.Error(err)
	}
}

// openSUSE/catatonit#4: one SIGCHLD may stand for many children.
func TestCoalescedSIGCHLD(t *testing.T) {
	var r Reaper
	wake := catch(t)
	left := map[int]bool{}
	for range 30 {
		left[spawn(t, "exit 0")] = true
	}
	for pid := range left {
		await(t, pid)
	}
	<-wake
	for len(left) > 0 {
		exit, err := r.Peek()
		if err != nil {
			t.Fatalf("%d not found: %v", len(left), err)
		}
		if !left[exit.PID] {
			t.Fatalf("found %d, who is no child or was reaped", exit.PID)
		}
		delete(left, exit.PID)
		if err := r.Reap(exit.PID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRawStatus(t *testing.T) {
	for _, c := range []struct {
		code, status int32
		want         unix.WaitStatus
	}{{cldExited, 255, 0xff00}, {2, 9, 9}, {cldDumped, 11, 0x8b}} {
		if got := rawStatus(c.code, c.status); got != c.want {
			t.Errorf("%d, %d: %#x, want %#x", c.code, c.status, got, c.want)
		}
	}
}
