package supervisor

import (
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/report"
)

// Each caught signal costs a switch to a thread of the Go runtime and back (enableSignal in runtime/sigqueue.go, Go
// 1.26), which adds up to milliseconds for all of them. So those that a Go program would die of by default, and that
// people send, are caught before the main child starts, and the others right after.
var firstSignals = []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT}

// otherSignals are the rest of what can be caught, but SIGCHLD, which is the reaper's, and SIGURG, with which the Go
// runtime preempts its own threads (golang/go#37942). The fault signals are among them: the kernel's own become a crash
// whatever is caught, and one that somebody sends must not end PID 1 with a stack trace.
func otherSignals() []os.Signal {
	others := []os.Signal{
		// First those that a Go program dies of.
		unix.SIGABRT, unix.SIGTRAP, unix.SIGSYS, unix.SIGSTKFLT, unix.SIGILL, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCONT, unix.SIGTSTP, unix.SIGPIPE, unix.SIGALRM,
		unix.SIGTTIN, unix.SIGTTOU, unix.SIGVTALRM, unix.SIGXCPU, unix.SIGXFSZ, unix.SIGIO, unix.SIGPWR, unix.SIGPROF,
	}
	const firstRealTime, last = 35, 64 // 32 to 34 are the C libraries' own, and Go's runtime leaves them alone
	for n := firstRealTime; n <= last; n++ {
		others = append(others, unix.Signal(n))
	}
	return others
}

// signalQueue is how many received signals wait for the loop. Signals of one kind coalesce in the runtime, so there
// is a place for each kind.
const signalQueue = 65

func catchFirstSignals() chan os.Signal {
	signals := make(chan os.Signal, signalQueue)
	for _, sig := range firstSignals {
		// What came in ignored (nohup) stays ignored, here and in the child. Go tells of SIGHUP and SIGINT only: the others
		// it has overwritten by now.
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// forwarded reports whether a received signal is passed on. SIGTTIN and SIGTTOU are about our own use of the terminal.
func forwarded(sig unix.Signal) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGTTIN, unix.SIGTTOU:
		return false
	default:
		return true
	}
}

// target returns the argument of kill(2) that reaches the scope.
func (s Scope) target(mainPID int, init bool) int {
	switch s {
	case ScopeGroup:
		return -mainPID
	case ScopeAll:
		// Only PID 1 may use -1: elsewhere it would reach everybody else's processes too.
		if init {
			return -1
		}
		return -mainPID
	case ScopeChild:
	}
	return mainPID
}

// signalReceived forwards a signal. While the policy stops the container, the child gets what others send all the same.
func (s *Supervisor) signalReceived(sig unix.Signal) {
	if forwarded(sig) && s.state != settling {
		s.send(sig, s.config.SignalScope.target(s.mainPID, s.init))
	}
}

// send signals a process or group. That it is gone is no fault (ESRCH); that it has become another user's is one that
// must not matter (EPERM, krallin/tini#9).
func (s *Supervisor) send(sig unix.Signal, target int) {
	if err := unix.Kill(target, sig); err != nil && err != unix.ESRCH {
		s.report.Warning(time.Now(), report.Warning{Text: fmt.Sprintf("cannot send %s to %d: %v", signalName(sig), target, err)})
	}
}
