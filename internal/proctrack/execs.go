package proctrack

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// execWatch is told when a program is started, by inotify(7) on the directories where programs are: execve opens the
// file. It asks for no privilege and costs nothing while nothing starts, where looking for new processes on a timer
// would have to wake up all the time. What it cannot see, a fork without an exec or a program elsewhere, the timer
// finds.
type execWatch struct {
	fd     int
	buffer [4096]byte
}

// maxExecDirs bounds the watches: the limit on them is the user's, and others need some too (flux-core#5920).
const maxExecDirs = 16

// WatchExecs begins to watch the directories and returns a file descriptor that becomes readable when a file in one of
// them is opened. An error means that new processes are found by Look alone, which is no fault.
func (t *Tracker) WatchExecs(dirs []string) (fd int, err error) {
	if t == nil {
		return -1, os.ErrInvalid
	}
	fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return -1, os.NewSyscallError("inotify_init1", err)
	}
	watched := 0
	for _, dir := range dirs {
		if watched == maxExecDirs {
			break
		}
		// A directory that is named twice, by a link say, is one watch for the kernel.
		if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_OPEN|unix.IN_ONLYDIR); err == nil {
			watched++
		}
	}
	if watched == 0 {
		_ = unix.Close(fd) // only read from
		return -1, fmt.Errorf("cannot watch any of %q", dirs)
	}
	t.execs = &execWatch{fd: fd}
	return fd, nil
}

// DrainExecs forgets the starts that were told so far, so that the descriptor is readable for later ones only.
func (t *Tracker) DrainExecs() {
	if t == nil || t.execs == nil {
		return
	}
	// The kernel's queue holds at most 16,384 events by default (max_queued_events); never read for longer than that.
	for range 128 {
		if !drain(t.execs.fd, t.execs.buffer[:]) {
			return
		}
	}
}
