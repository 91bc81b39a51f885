package supervisor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/proctrack"
	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/internal/sigpipe"
	"github.com/oominit/oominit/policy"
	"github.com/oominit/oominit/reaper"
)

// reapAtOnce is how many children are reaped before the loop looks at other events again.
const reapAtOnce = 256

// childrenChanged reaps who has ended.
func (s *Supervisor) childrenChanged() {
	s.more = false
	listening := false // to SIGCHLD, which is caught once
	for range reapAtOnce {
		exit, err := s.reaper.Peek()
		switch {
		case err == nil:
			if s.childEnded(exit); s.state == ended {
				return
			}
		case !listening:
			// Only now, so that those who end meanwhile interrupt nobody; and then one more look, for one of them may have.
			_ = sigpipe.CatchOnce(unix.SIGCHLD) // it cannot fail for a signal that exists
			listening = true
		default:
			// ErrNoneEnded, ErrNoChildren; anything else cannot be helped, and the next SIGCHLD tries again.
			if s.terminal.ours && s.state < draining {
				if sig, stopped := s.reaper.Stopped(s.mainPID); stopped {
					s.mainStopped(sig)
				}
			}
			if err == reaper.ErrNoChildren { //nolint:errorlint // a sentinel, never wrapped
				s.on(nobodyLeft)
			}
			s.settle(time.Now())
			return
		}
	}
	s.more = true
}

// childEnded handles one zombie and reaps it.
func (s *Supervisor) childEnded(exit reaper.Exit) {
	killed := exit.Status.Signaled() && exit.Status.Signal() == unix.SIGKILL
	hook := s.isHook(exit)
	if hook && s.hook.state == hookKilled {
		killed = false // by us
	}
	var victim proctrack.Process
	if killed && s.group != nil {
		victim = s.tracker.Child(exit.PID) // while the zombie still tells
	}
	var usage unix.Rusage
	var err error
	if killed {
		usage, err = s.reaper.ReapWithUsage(exit.PID)
	} else {
		err = s.reaper.Reap(exit.PID)
	}
	if err != nil {
		s.report.Warning(time.Now(), report.Warning{Text: fmt.Sprintf("cannot reap pid %d: %v", exit.PID, err)})
	}
	s.tracker.Forget(exit.PID)
	s.reaped++
	isMain := exit.PID == s.mainPID && s.state < draining // later it is somebody else's pid
	if isMain {
		s.mainStatus = exit.Status
	} else {
		s.reportReaped(exit)
	}
	if killed && s.group != nil {
		now := time.Now()
		s.readCounters(now)
		d := s.death(victim, attribution.Killed, attribution.WaitStatus, now)
		d.Process.PeakBytes = uint64(max(usage.Maxrss, 0)) << 10 // in KiB, getrusage(2)
		s.died(now, d)
		if s.engine.Unclaimed() > 0 {
			s.tracker.Scan(now, s.observe)
			s.readCounters(now)
		}
		s.judge(now)
	}
	switch {
	case hook:
		s.hookEnded(time.Now(), exit)
	case isMain && s.config.Drain > 0:
		s.on(mainExitedFirst)
	case isMain:
		s.on(mainExited)
	}
}

// lookOnce reads the counters for the last time. Only if they moved is there a reason to look at the processes too: a
// healthy container ends without delay.
func (s *Supervisor) lookOnce(now time.Time) {
	if s.group != nil {
		s.readCounters(now)
		s.watch.closed = true
		if s.engine.Unclaimed() > 0 {
			s.look(now, true)
			return
		}
	}
	s.settle(now)
}

// settle ends the container once its main child has ended and no counted kill waits for a name.
func (s *Supervisor) settle(now time.Time) {
	if s.state != settling {
		return
	}
	if s.engine.Unclaimed() > 0 && (s.alone() || s.allCleared(now)) {
		s.conclude(now, s.engine.Finish(now)) // nobody is left who could still turn out to be the victim
	}
	if s.engine.Unclaimed() == 0 && (s.hurry || !s.hook.busy()) {
		s.on(killsExplained)
	}
}

// allCleared reports whether everybody who is left was seen alive when the victim of the last counted kill no longer could be:
// the victim is gone, and to wait for it would only give the others time. Where nobody is known, nothing is.
func (s *Supervisor) allCleared(now time.Time) bool {
	cleared := s.watch.roseAt.Add(attribution.MarkedWithin)
	return now.After(cleared) && s.tracker.Len() > 0 && s.engine.Candidates() == 0 && s.tracker.AllAliveSince(cleared)
}

// alone reports whether no process is left that we could learn anything from.
func (s *Supervisor) alone() bool {
	_, err := s.reaper.Peek()
	return err == reaper.ErrNoChildren && s.tracker.Len() == 0 //nolint:errorlint // a sentinel, never wrapped
}

func status(w unix.WaitStatus) policy.Status {
	if w.Signaled() {
		return policy.Status{Signal: int(w.Signal())}
	}
	return policy.Status{Code: w.ExitStatus()}
}
