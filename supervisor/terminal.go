package supervisor

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is what we know of the one at our standard input.
type terminal struct {
	// job says that a shell above us may stop and continue us: a PID 1 and the leader of a session have none.
	job bool
	// ours says that it is our controlling terminal, and that the main child leads a process group of its own.
	ours bool
	// given says that we made that group the foreground one.
	given bool
	// stopped says that we stopped ourselves with the main child.
	stopped bool
	// hangUps is until when a SIGHUP and a SIGCONT are our own doing.
	hangUps time.Time
}

// leader reports whether we lead a session.
func leader() bool {
	session, err := unix.Getsid(0)
	return err == nil && session == os.Getpid()
}

// foreground returns the process group that has the terminal at stdin; the error says that it is not our controlling one.
func foreground() (group int, err error) { return unix.IoctlGetInt(0, unix.TIOCGPGRP) }

// give makes the child's process group the foreground one, if we have the terminal ourselves. The child may have touched it
// before: then it was stopped, and is continued when the reaper sees that.
func (t *terminal) give(child int) {
	if group, err := foreground(); err == nil && group == unix.Getpgrp() {
		t.given = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, child) == nil
	}
}

// take makes our own process group the foreground one again, if another one is by our doing. A shell that started us may have
// taken the terminal to itself meanwhile: from there it must not be taken. From the background it takes a blocked SIGTTOU
// (tty_check_change in drivers/tty/tty_jobctrl.c, Linux 6.18).
func (t *terminal) take() {
	if !t.given {
		return
	}
	t.given = false
	group, err := foreground()
	if above, aboveErr := unix.Getpgid(os.Getppid()); err != nil || t.job && aboveErr == nil && group == above {
		return
	}
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

// leave gives up the terminal at stdin, so that the leader of a new session can take it, and reports whether it is free now. If
// it was our session's, the kernel sends SIGHUP and SIGCONT to the foreground group for that, which are nothing that the child
// should hear of (Yelp/dumb-init#136). It stays with a session that somebody else leads, such as a shell's, and with root's
// privilege a new one would take it from there.
func (t *terminal) leave(now time.Time) (free bool) {
	if !leader() {
		return false
	}
	if _, err := foreground(); err != nil && unix.IoctlSetInt(0, unix.TIOCSCTTY, 0) != nil {
		return false // it is no terminal, or another session's
	}
	if unix.IoctlSetInt(0, unix.TIOCNOTTY, 0) != nil {
		return false
	}
	t.hangUps = now.Add(hangUpsWithin)
	return true
}

// hangUpsWithin is how long the two signals may take to arrive.
const hangUpsWithin = 100 * time.Millisecond

// mainStopped does what follows when the main child was stopped. Stopped from the terminal, it waits for somebody who can put
// it into the foreground again: the shell that started us, if one did, which must see us stopped too. Without one it would
// never go on.
func (s *Supervisor) mainStopped(by unix.Signal) {
	t := &s.terminal
	if t.stopped {
		return // by us, who are about to be continued
	}
	switch by {
	case unix.SIGTTIN, unix.SIGTTOU:
		t.give(s.mainPID) // a shell does not tell us if it puts us into the foreground while we run
		group, err := foreground()
		if main, mainErr := unix.Getpgid(s.mainPID); err != nil || mainErr != nil || group == main {
			s.send(unix.SIGCONT, -s.mainPID)
			return
		}
	case unix.SIGTSTP:
		if !t.job {
			s.send(unix.SIGCONT, -s.mainPID)
			return
		}
	default:
		return // SIGSTOP: whoever sent it can send SIGCONT
	}
	if t.job {
		s.stop()
	}
}

// stop stops us, so that a shell sees its job stopped.
func (s *Supervisor) stop() {
	s.terminal.take()
	s.terminal.stopped = true
	s.send(unix.SIGSTOP, unix.Getpid())
}

// continued puts the main child into the foreground, if a shell did that with us, and lets it go on.
func (s *Supervisor) continued() {
	t := &s.terminal
	if t.ours {
		t.give(s.mainPID) // not with `bg`: then we are in the background
	}
	if t.stopped {
		t.stopped = false
		s.send(unix.SIGCONT, -s.mainPID)
	}
}
