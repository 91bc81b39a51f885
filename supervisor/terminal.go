package supervisor

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is what we know of the one at our standard input.
type terminal struct {
	given bool // the main child's process group was made the foreground one
	// early says that the main child may have touched the terminal before it was given it.
	early bool
	// stopped says that we stopped ourselves because the main child was stopped from the terminal.
	stopped bool
	// hangUps is until when a SIGHUP and a SIGCONT are our own doing.
	hangUps time.Time
}

// giveTerminal makes the child's process group the foreground one, if stdin is our controlling terminal and we are in
// the foreground ourselves. The child may have touched the terminal before: then it was stopped, and is continued when
// the reaper sees that.
func giveTerminal(child int) (given bool) {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err != nil || group != unix.Getpgrp() {
		return false
	}
	return unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, child) == nil
}

// takeTerminal makes our own process group the foreground one again. From the background that takes a blocked SIGTTOU
// (tty_check_change in drivers/tty/tty_jobctrl.c, Linux 6.18).
func takeTerminal() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set, before unix.Sigset_t
	set.Val[(unix.SIGTTOU-1)/wordBits] = 1 << ((unix.SIGTTOU - 1) % wordBits)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before) != nil {
		return // it cannot fail
	}
	_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, unix.Getpgrp()) // EIO, ENOTTY: it is not ours any more
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)        // as above
}

// wordBits is the size of one word of a set of signals.
const wordBits = 64 >> (^uint(0)>>63 ^ 1)

// leaveTerminal gives up our controlling terminal, so that the leader of a new session can take it. The kernel sends SIGHUP
// and SIGCONT to the foreground group for that, which are nothing that the child should hear of (Yelp/dumb-init#136).
func (t *terminal) leave(now time.Time) {
	if unix.IoctlSetInt(0, unix.TIOCNOTTY, 0) == nil {
		t.hangUps = now.Add(hangUpsWithin)
	}
}

// hangUpsWithin is how long the two signals may take to arrive.
const hangUpsWithin = 100 * time.Millisecond

// mainStopped does what follows when the main child was stopped. Stopped from the terminal, it waits for somebody who can put
// it into the foreground again: the shell that started us, if one did, which must see us stopped too; nobody, if we are
// PID 1, where it would never go on.
func (s *Supervisor) mainStopped(by unix.Signal) {
	t := &s.terminal
	switch by {
	case unix.SIGTTIN, unix.SIGTTOU:
		if t.early {
			t.early = false
			s.send(unix.SIGCONT, -s.mainPID)
			return
		}
	case unix.SIGTSTP:
		if s.init {
			s.send(unix.SIGCONT, -s.mainPID)
			return
		}
	default:
		return // SIGSTOP: whoever sent it can send SIGCONT
	}
	if !s.init {
		takeTerminal()
		t.stopped = true
		s.send(unix.SIGSTOP, unix.Getpid())
	}
}

// continued puts the main child into the foreground again, after a shell did that with us.
func (s *Supervisor) continued() {
	if s.terminal.stopped {
		s.terminal.stopped = false
		giveTerminal(s.mainPID) // not with `bg`: then we are in the background
		s.send(unix.SIGCONT, -s.mainPID)
	}
}
