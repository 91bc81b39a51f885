// Package supervisor is PID 1: it starts the main child, forwards signals to it, reaps everybody, and sees to it that
// no OOM kill goes unnoticed.
//
// One goroutine owns all state. Everything else sends it events: signals, the reaper's wake-up, descriptors that became
// ready, a timer. The data goes one way: memcg, reaper and proctrack tell what happened, attribution says who it was,
// policy what follows, report writes it down. After the main child has started nothing is fatal, and nothing that can
// block is done here.
package supervisor

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/memcg"
	"github.com/oominit/oominit/internal/proctrack"
	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/policy"
	"github.com/oominit/oominit/reaper"
)

// Supervisor is made by New and used for one Run.
type Supervisor struct {
	config Config
	init   bool // we are PID 1

	signals chan os.Signal
	reaper  *reaper.Reaper
	poller  *poller // nil if there is nothing to poll
	timer   *time.Timer
	again   chan struct{} // more children are to be reaped than one round takes

	group   *memcg.Group // nil where nothing can be counted
	tracker *proctrack.Tracker
	engine  attribution.Engine
	report  *report.Reporter

	state      state
	mainPID    int
	mainStatus unix.WaitStatus
	harshest   policy.Action
	kills      uint64
	killedByUs bool // SIGKILL was sent to the main child's group
	gaveTTY    bool
	graceEnds  time.Time
	watch      watch
}

// New returns a Supervisor that already catches the signals that matter. It is the first thing to call in main: a
// signal before it would meet the Go runtime's own idea of it.
func New() *Supervisor {
	return &Supervisor{signals: catchFirstSignals(), init: os.Getpid() == 1, again: make(chan struct{}, 1)}
}

// Run starts the command and returns the exit code of the container when it is time to end. The error is a *StartError
// if the command could not be started.
func (s *Supervisor) Run(config Config) (exitCode int, err error) {
	s.config = config
	// Two at a time suffice for the loop and a thread beside it; more would only cost memory on large machines. It
	// also ends the runtime's own periodic look at the CPU limit (Go 1.25), which would wake us for nothing.
	if runtime.GOMAXPROCS(0) != 2 {
		runtime.GOMAXPROCS(2)
	}
	threadsReserved := reserveThreads(spareThreads) // beside the opening of files
	s.report = report.New(config.Report)
	s.reaper = reaper.New()
	var subreaperErr error
	if !s.init {
		subreaperErr = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	unsupported := s.openSources()
	threadsReserved()

	s.mainPID, err = spawn(config.Command)
	if err != nil {
		return err.(*StartError).Code, err //nolint:errorlint,forcetypeassert // spawn returns nothing else
	}
	s.gaveTTY = giveTerminal(s.mainPID)
	s.tracker.SetMain(s.mainPID)
	go signal.Notify(s.signals, otherSignals()...)

	now := time.Now()
	s.timer = time.NewTimer(time.Hour)
	if subreaperErr != nil {
		s.report.Warning(now, report.Warning{Text: fmt.Sprintf("cannot become a subreaper: %v; orphans are reaped elsewhere", subreaperErr)})
	}
	if unsupported != "" {
		s.report.Unsupported(now, report.Unsupported{Reason: unsupported})
	}
	s.reportStarted(now)
	if s.group != nil && !s.watch.polled {
		s.watch.tickAt = now.Add(tickAtEdge)
		s.watch.busyUntil = now.Add(busyFor)
	}
	return s.loop(), nil
}

// openSources opens everything that is needed to see OOM kills, and returns why that cannot be done, if so.
func (s *Supervisor) openSources() (unsupported string) {
	group, err := memcg.Open("/")
	if err != nil {
		return err.Error()
	}
	s.watch.last, err = group.Counters()
	if err != nil {
		return err.Error()
	}
	s.group = group
	s.tracker, err = proctrack.New("/proc")
	if err != nil {
		s.tracker = nil // a kill is still counted, and main's children are still seen
	}
	if s.poller, err = newPoller(); err == nil {
		if fd, ok := group.PollFD(); ok {
			s.watch.polled = s.poller.add(fd, unix.EPOLLPRI) == nil
		}
		if fd, ok := s.tracker.PollFD(); ok {
			_ = s.poller.add(fd, unix.EPOLLIN) // without it, ends are noticed with the counter
		}
		err = s.poller.start()
	}
	if err != nil {
		s.poller, s.watch.polled = nil, false // then the timer does it
	}
	return ""
}

// loop handles events until the container has ended, and returns the exit code.
func (s *Supervisor) loop() int {
	var ready chan struct{}
	if s.poller != nil {
		ready = s.poller.ready
	}
	// A child may have ended before SIGCHLD was looked for.
	s.childrenChanged()
	for s.state != ended {
		s.armTimer(time.Now())
		select {
		case sig := <-s.signals:
			if number, ok := sig.(unix.Signal); ok {
				s.signalReceived(number)
			}
		case <-s.reaper.Wake():
			s.childrenChanged()
		case <-s.again:
			s.childrenChanged()
		case <-ready:
			now := time.Now()
			if !s.watch.polled {
				s.busy(now) // a program starts, or a process ended
			}
			s.look(now, s.watch.polled)
			s.poller.handled()
		case <-s.timer.C:
			s.timeElapsed(time.Now())
		}
	}
	code, reason := policy.ExitCode(status(s.mainStatus), s.harshest, s.config.ExitCode)
	s.reportExit(time.Now(), code, reason)
	s.report.Flush(flushAtMost)
	return code
}

// flushAtMost bounds how long a reader that stalls can delay the end of the container.
const flushAtMost = 250 * time.Millisecond

// on carries out what the event means in the present state.
func (s *Supervisor) on(e event) {
	var do effect
	s.state, do = next(s.state, e)
	switch do {
	case nothing:
	case sendStop:
		s.send(s.config.StopSignal, s.config.SignalScope.target(s.mainPID, s.init))
		s.graceEnds = time.Now().Add(s.config.GracePeriod)
	case sendKill:
		s.killedByUs = true
		s.graceEnds = time.Time{}
		s.send(unix.SIGKILL, -s.mainPID)
		s.send(unix.SIGKILL, s.mainPID) // it may have left its process group
	case lookOnce:
		s.graceEnds = time.Time{}
		s.lookOnce(time.Now())
	}
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

// reapAtOnce is how many children are reaped before the loop looks at other events again.
const reapAtOnce = 256

// childrenChanged reaps who has ended.
func (s *Supervisor) childrenChanged() {
	for range reapAtOnce {
		exit, err := s.reaper.Peek()
		if err != nil {
			// ErrNoneEnded, ErrNoChildren; anything else cannot be helped, and the next SIGCHLD tries again.
			s.continueStopped()
			s.settle(time.Now())
			return
		}
		s.childEnded(exit)
		if s.state == ended {
			return
		}
	}
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// continueStopped wakes a main child that touched the terminal before it was given it.
func (s *Supervisor) continueStopped() {
	if s.gaveTTY && s.reaper.StoppedByTerminal(s.mainPID) {
		s.gaveTTY = false
		s.send(unix.SIGCONT, -s.mainPID)
	}
}

// childEnded handles one zombie and reaps it.
func (s *Supervisor) childEnded(exit reaper.Exit) {
	killed := exit.Status.Signaled() && exit.Status.Signal() == unix.SIGKILL
	var victim proctrack.Process
	if killed && s.group != nil {
		victim = s.tracker.Child(exit.PID) // while the zombie still tells
	}
	usage, err := s.reaper.Reap(exit.PID)
	if err != nil {
		s.report.Warning(time.Now(), report.Warning{Text: fmt.Sprintf("cannot reap pid %d: %v", exit.PID, err)})
	}
	s.tracker.Forget(exit.PID)
	if exit.PID == s.mainPID && s.state != settling {
		s.mainStatus = exit.Status
	}
	if killed && s.group != nil {
		now := time.Now()
		s.readCounters(now)
		d := s.death(victim, attribution.Killed, attribution.WaitStatus, now)
		d.Process.PeakBytes = uint64(max(usage.Maxrss, 0)) << 10 // in KiB, getrusage(2)
		s.engine.Died(d)
		if s.engine.Unclaimed() > 0 {
			s.tracker.Scan(now, s.observe)
		}
		s.judge(now)
	}
	if exit.PID == s.mainPID {
		s.on(mainExited)
	}
}

// lookOnce reads the counters for the last time. Only if they moved is there a reason to look at the processes too: a
// healthy container ends without delay.
func (s *Supervisor) lookOnce(now time.Time) {
	if s.group != nil {
		s.readCounters(now)
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
	if s.engine.Unclaimed() > 0 && s.alone() {
		s.conclude(now, s.engine.Finish(now)) // nobody is left who could still turn out to be the victim
	}
	if s.engine.Unclaimed() == 0 {
		s.on(killsExplained)
	}
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
