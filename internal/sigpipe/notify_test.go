//go:build !amd64 && !arm64

package sigpipe

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Without a handler of its own, each signal still arrives.
func TestNotify(t *testing.T) {
	if _, err := Open(); err != nil {
		t.Fatal(err)
	}
	want := []byte{byte(unix.SIGUSR1), byte(unix.SIGTERM), 40}
	for _, n := range want {
		if err := Catch(unix.Signal(n)); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(unix.Getpid(), unix.Signal(n)); err != nil {
			t.Fatal(err)
		}
	}
	var got []byte
	for len(got) < len(want) {
		poll := []unix.PollFd{{Fd: int32(readFD), Events: unix.POLLIN}}
		if n, err := unix.Poll(poll, 20_000); err != unix.EINTR && (err != nil || n == 0) {
			t.Fatalf("got %v, %v", got, err)
		}
		got = append(got, Read(make([]byte, 0, 8))...)
	}
	for _, n := range want {
		if !slices.Contains(got, n) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
