//go:build amd64 || arm64

package sigpipe

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// There is one pipe for the program, so one test opens it.
func TestMain(m *testing.M) {
	if _, err := Open(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// await reads until n signals are there.
func await(t *testing.T, n int) (got []byte) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(got) < n; {
		left := time.Until(deadline)
		if left <= 0 {
			t.Fatalf("%d signals, want %d: %v", len(got), n, got)
		}
		poll := []unix.PollFd{{Fd: int32(readFD), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
		got = append(got, Read(make([]byte, 0, 256))...)
	}
	return got
}

func catchAll(t *testing.T, signals ...unix.Signal) {
	t.Helper()
	for _, sig := range signals {
		if err := Catch(sig); err != nil {
			t.Fatalf("%v: %v", sig, err)
		}
	}
}

// sendHere sends to this very thread, so that the handler has run when it returns.
func sendHere(t *testing.T, sig unix.Signal) {
	t.Helper()
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), sig); err != nil {
		t.Fatal(err)
	}
}

// The order is kept, unlike with os/signal, and so is the number of real-time signals.
func TestOrderAndNumber(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	catchAll(t, unix.SIGUSR2, unix.SIGUSR1, unix.SIGTERM, 40)
	want := []byte{byte(unix.SIGUSR2), byte(unix.SIGTERM), byte(unix.SIGUSR1), 40, 40, 40, byte(unix.SIGUSR2)}
	for _, n := range want {
		sendHere(t, unix.Signal(n))
	}
	if got := await(t, len(want)); !bytes.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Read(make([]byte, 0, 8)); len(got) != 0 {
		t.Errorf("more than was sent: %v", got)
	}
}

// Real-time signals that queue in the kernel while the program is busy all arrive.
func TestQueued(t *testing.T) {
	catchAll(t, 41)
	const n = 1000
	for range n {
		if err := unix.Kill(os.Getpid(), 41); err != nil {
			t.Fatal(err)
		}
	}
	if got := await(t, n); len(got) != n {
		t.Errorf("%d, want %d", len(got), n)
	}
}

// A full pipe loses the number and the order, and never the fact that a signal was sent.
func TestFullPipe(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	catchAll(t, unix.SIGTERM, unix.SIGHUP, 50)
	filled := 0
	for {
		n, err := unix.Write(int(writeFD), bytes.Repeat([]byte{byte(unix.SIGUSR1)}, 4096))
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		filled += n
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, 50, unix.SIGTERM, unix.SIGHUP} {
		sendHere(t, sig)
	}
	got := Read(make([]byte, 0, filled))
	if bytes.Count(got, []byte{byte(unix.SIGUSR1)}) != filled {
		t.Fatalf("%d of %d", len(got), filled)
	}
	// Room for one: the others wait.
	got = Read(make([]byte, 0, 1))
	got = append(got, Read(make([]byte, 0, 8))...)
	if want := []byte{byte(unix.SIGHUP), byte(unix.SIGTERM), 50}; !bytes.Equal(got, want) {
		t.Errorf("missed: %v, want %v", got, want)
	}
}

// A fault that the program makes is the runtime's, also once the signal is caught; one that is sent is a signal.
func TestFaults(t *testing.T) {
	catchAll(t, unix.SIGSEGV, unix.SIGFPE)
	fault := func() (recovered any) {
		defer func() { recovered = recover() }()
		var p *int
		return *p
	}
	if recovered, ok := fault().(runtime.Error); !ok {
		t.Errorf("a nil pointer gave %v", recovered)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if got := await(t, 1); !bytes.Equal(got, []byte{byte(unix.SIGSEGV)}) {
		t.Errorf("sent: %v", got)
	}
}

func TestIgnored(t *testing.T) {
	// Go's own Ignore would start the runtime's signal goroutine for nothing.
	if err := rtSigaction(unix.SIGWINCH, &action{handler: ignore}, nil); err != nil {
		t.Fatal(err)
	}
	if err := Catch(unix.SIGWINCH); !errors.Is(err, ErrIgnored) {
		t.Errorf("got %v", err)
	}
	if err := Catch(unix.SIGKILL); !errors.Is(err, unix.EINVAL) {
		t.Errorf("SIGKILL: %v", err)
	}
	if err := Catch(65); !errors.Is(err, unix.EINVAL) {
		t.Errorf("65: %v", err)
	}
}

// Caught once: the second one is dropped, by the default action of SIGCHLD.
func TestCatchOnce(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	catchAll(t, unix.SIGUSR1)
	for range 2 {
		if err := CatchOnce(unix.SIGCHLD); err != nil {
			t.Fatal(err)
		}
		sendHere(t, unix.SIGCHLD)
		sendHere(t, unix.SIGCHLD)
		sendHere(t, unix.SIGUSR1)
		if got, want := await(t, 2), []byte{byte(unix.SIGCHLD), byte(unix.SIGUSR1)}; !bytes.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func BenchmarkCatch(b *testing.B) {
	for b.Loop() {
		if err := Catch(unix.SIGUSR1); err != nil {
			b.Fatal(err)
		}
	}
}
