package supervisor

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/internal/sigpipe"
)

// catchable are the signals that reach us: all but SIGKILL and SIGSTOP, which nobody can catch, SIGURG, with which Go's
// runtime preempts its own threads (golang/go#37942), 32 and 33, which C libraries use among their own threads, and SIGTTIN and
// SIGTTOU: a job that a terminal stops in the background is stopped by them, whatever its command's process group is, and a
// write that a handler interrupts would be restarted for ever.
func catchable() []unix.Signal {
	const last = 64
	signals := make([]unix.Signal, 0, last)
	for sig := unix.Signal(1); sig <= last; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGURG, unix.SIGTTIN, unix.SIGTTOU, 32, 33:
		default:
			signals = append(signals, sig)
		}
	}
	return signals
}

// catchSignals catches all of them and returns the descriptor that becomes readable when one came. What came in ignored
// (nohup) stays ignored, here and in the child.
func catchSignals() (fd int, err error) {
	fd, err = sigpipe.Open()
	if err != nil {
		return -1, err
	}
	signals := catchable()
	for _, sig := range signals {
		catch := sigpipe.Catch
		if sig == unix.SIGCHLD {
			catch = sigpipe.CatchOnce // ignored or not: our parent's idea of its children is not ours of our own
		}
		if err := catch(sig); err != nil && !errors.Is(err, sigpipe.ErrIgnored) {
			return -1, fmt.Errorf("cannot catch %s: %w", signalName(sig), err)
		}
	}
	sigpipe.Unblock(signals)
	return fd, nil
}

// signalsReceived handles the signals that came since the last call, and reports whether SIGCHLD was among them.
func (s *Supervisor) signalsReceived() (childrenChanged bool) {
	for _, number := range sigpipe.Read(s.signals[:0]) {
		if sig := unix.Signal(number); sig == unix.SIGCHLD {
			childrenChanged = true
		} else {
			s.signalReceived(sig, time.Now())
		}
	}
	return childrenChanged
}

// signalReceived does with one signal what the state of things asks for.
func (s *Supervisor) signalReceived(sig unix.Signal, now time.Time) {
	stop := sig == unix.SIGTERM || sig == s.config.StopSignal
	switch {
	case (sig == unix.SIGHUP || sig == unix.SIGCONT) && now.Before(s.terminal.hangUps):
	case s.config.Pause:
		if stop || sig == unix.SIGINT {
			s.on(mainExited)
		}
	case s.state == draining || s.state == purging:
		if stop {
			s.on(stopAgain)
		} else if s.config.SignalScope != ScopeChild {
			s.forward(sig)
		}
	case s.state == settling:
		if stop {
			s.hurry = true
			s.settle(now)
		}
	case stop && s.config.StopDelay > 0 && s.state == running && s.delayed == 0:
		s.delayed, s.delayEnds = sig, now.Add(s.config.StopDelay)
	case stop && s.delayed != 0:
		s.forwardDelayed()
	default:
		if sig == unix.SIGCONT {
			s.continued()
		}
		s.forward(sig)
		if to, rewritten := s.config.Rewrite[sig]; sig == unix.SIGTSTP && s.terminal.job && (!rewritten || to != Drop) {
			// ^Z, and the main child is not in the group that has the terminal, or not alone. The shell waits for us.
			s.stop()
		}
	}
}

// forwardDelayed ends the delay of a stop signal.
func (s *Supervisor) forwardDelayed() {
	sig := s.delayed
	s.delayed, s.delayEnds = 0, time.Time{}
	s.config.StopDelay = 0 // it was one delay before the end, not one for each signal
	s.forward(sig)
}

// forward sends a signal to whom it is for, rewritten if the configuration says so.
func (s *Supervisor) forward(sig unix.Signal) {
	if to, ok := s.config.Rewrite[sig]; ok {
		sig = to
	}
	if sig != Drop {
		s.forwarded++
		s.send(sig, s.config.SignalScope.target(s.mainPID, s.init))
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

// send signals a process or group. That it is gone is no fault (ESRCH); that it has become another user's is one that
// must not matter (EPERM, krallin/tini#9).
func (s *Supervisor) send(sig unix.Signal, target int) {
	if err := unix.Kill(target, sig); err != nil && err != unix.ESRCH {
		s.report.Warning(time.Now(), report.Warning{Text: fmt.Sprintf("cannot send %s to %d: %v", signalName(sig), target, err)})
	}
}
