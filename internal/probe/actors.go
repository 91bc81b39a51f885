package probe

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/reaper"
)

// actorName is what the processes that are made for the trials have as their own name; the next argument is the role.
const actorName = "oominit-check-actor"

// The roles. A parent starts a child, says its pid, and when it is told to reaps it and says so. A child waits.
const (
	roleParent = "parent"
	roleChild  = "child"
)

// Act plays a role of the trials and returns true, if the arguments ask for one, the program's own name first. The main
// function of whoever calls Try begins with it.
func Act(arguments []string) bool {
	if len(arguments) < 3 || arguments[0] != actorName {
		return false
	}
	switch arguments[1] {
	case roleParent:
		if err := actParent(arguments[2]); err != nil {
			fmt.Printf("error %v\n", err)
		}
	case roleChild:
		waitForEnd()
	}
	return true
}

// waitForEnd waits until there is nobody any more who could write to standard input.
func waitForEnd() {
	var buffer [1]byte
	for {
		if n, err := os.Stdin.Read(buffer[:]); n == 0 || err != nil {
			return
		}
	}
}

// actParent starts a child of the user.
func actParent(user string) error {
	uid, err := strconv.Atoi(user)
	if err != nil {
		return err
	}
	input, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	attributes := &syscall.ProcAttr{Files: []uintptr{input.Fd(), 1, 2}, Sys: &syscall.SysProcAttr{}}
	if uid != os.Geteuid() {
		attributes.Sys.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: true}
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{actorName, roleChild, user}, attributes)
	if err != nil {
		return fmt.Errorf("cannot start a process: %w", err)
	}
	fmt.Println(pid)
	var told [1]byte
	if n, err := os.Stdin.Read(told[:]); n == 0 || err != nil {
		return err // nobody is there any more: the child notices too
	}
	if _, err := reap(pid, time.Now().Add(patience)); err != nil {
		return err
	}
	fmt.Println("reaped")
	waitForEnd()
	return hold.Close()
}

// reap waits for a child, whatever else it has to reap on the way, and returns its status.
func reap(pid int, deadline time.Time) (unix.WaitStatus, error) {
	var r reaper.Reaper
	for time.Now().Before(deadline) {
		exit, err := r.Peek()
		switch {
		case err == nil:
			if err := r.Reap(exit.PID); err != nil || exit.PID == pid {
				return exit.Status, err
			}
		case errors.Is(err, reaper.ErrNoneEnded):
			time.Sleep(time.Millisecond)
		default:
			return 0, err
		}
	}
	return 0, fmt.Errorf("process %d does not end", pid)
}
