// Package supervisor is PID 1: it starts the main child, forwards signals to it, reaps everybody, and sees to it that
// no OOM kill goes unnoticed.
//
// One goroutine owns all state, and waits at one place for all that can happen: signals, descriptors that became ready, a
// timer. The data goes one way: memcg, reaper and proctrack tell what happened, attribution says who it was,
// policy what follows, report writes it down. After the main child has started nothing is fatal, and nothing that can
// block is done here.
package supervisor

import (
	"fmt"
	"os"
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

	signalFD int
	signals  [256]byte // what is read of them at once
	reaper   reaper.Reaper
	poller   *poller
	alarm    *alarm
	more     bool // more children are to be reaped than one round takes

	group   *memcg.Group // nil where nothing can be counted
	tracker *proctrack.Tracker
	engine  attribution.Engine
	policy  *policy.Engine
	report  *report.Reporter

	state      state
	mainPID    int
	mainStatus unix.WaitStatus
	harshest   policy.Action
	decidedBy  report.DecidedBy // the kill from which the harshest action follows
	kills      uint64
	killedByUs bool // SIGKILL was sent to the main child's group, or to those who were left
	terminal   terminal
	graceEnds  time.Time
	delayed    unix.Signal // a stop signal that is held back; 0 without
	delayEnds  time.Time
	rehearseAt time.Time // zero once it is done
	rehearsals int       // that found no room
	trimAt     time.Time // as above
	watch      watch
	execs      execs
	recorder   recorder
	recordAt   time.Time // zero where we do not wake up for it
	hook       hook
	hurry      bool // a stop signal came after all was over: the hook is not waited for
	metricsAt  time.Time
	reaped     uint64
	forwarded  uint64
}

// New returns a Supervisor that already catches signals. It is the first thing to call in main: a signal before it would
// meet the Go runtime's own idea of it. The error says that there are too few file descriptors to be had even for that.
func New() (*Supervisor, error) {
	s := &Supervisor{init: os.Getpid() == 1}
	var err error
	s.signalFD, err = catchSignals()
	if err == nil {
		s.poller, err = newPoller()
	}
	if err == nil {
		err = s.poller.add(s.signalFD, unix.EPOLLIN)
	}
	return s, err
}

// Run starts the command and returns the exit code of the container when it is time to end. The error is a *StartError
// if the command could not be started.
func (s *Supervisor) Run(config Config) (exitCode int, err error) {
	s.config = config
	threadsReserved := reserveThreads(spareThreads) // beside the opening of files
	s.policy = policy.NewEngine(config.Rules, config.Policy)
	s.report = report.New(config.Report)
	var subreaperErr error
	if !s.init {
		subreaperErr = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	if config.ParentDeathSignal != 0 {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(config.ParentDeathSignal), 0, 0, 0) // only a number that is no signal fails
	}
	var hookErr error
	if config.Hook != "" {
		s.hook, hookErr = newHook(config.Hook, s.poller)
	}
	// To fork takes a pipe. Where descriptors are few, it is the watching that goes without.
	release, _ := holdDescriptors(s.signalFD, 2) // if they are not to be had, spawn says so
	unsupported := s.openSources()
	release()
	threadsReserved(s.report.Bound, s.tracker.Bound)
	// From here on one at a time: with more, every wake-up of one thread wakes another, which looks for work, finds none, and
	// may need a thread that is not there. It also ends the runtime's own periodic look at the CPU limit (Go 1.25).
	runtime.GOMAXPROCS(1)
	threadsMade()

	if err := s.startMain(); err != nil {
		return err.Code, err
	}
	now := time.Now()
	s.tracker.SetMain(s.mainPID, now)
	if s.group != nil {
		s.watch.openRest(s.group)
	}

	if subreaperErr != nil {
		s.report.Warning(now, report.Warning{Text: fmt.Sprintf("cannot become a subreaper: %v; orphans are reaped elsewhere", subreaperErr)})
	}
	if hookErr != nil {
		s.report.Warning(now, report.Warning{Text: fmt.Sprintf("the hook cannot be run: %v", hookErr)})
	}
	if unsupported != "" {
		s.report.Unsupported(now, report.Unsupported{Reason: unsupported})
	}
	s.reportStarted(now)
	s.alarm = newAlarm(s.poller)
	s.rehearseAt, s.trimAt = now.Add(rehearseAfter), now.Add(trimAfter)
	if s.group != nil {
		s.watch.rhythm.start(now, s.watch.polled)
		s.execs.from = now.Add(execsAfter)
		if config.RecordEvery > 0 {
			s.recordAt = now.Add(config.RecordEvery)
		}
	}
	s.writeMetrics(now)
	return s.loop(), nil
}

// startMain starts the main child, unless there is none.
func (s *Supervisor) startMain() *StartError {
	if s.config.Pause {
		return nil
	}
	if s.config.OOMScoreAdj != 0 {
		undo, err := raiseOOMScoreAdj(s.config.OOMScoreAdj)
		if err != nil {
			s.report.Warning(time.Now(), report.Warning{Text: fmt.Sprintf("cannot raise the command's oom_score_adj: %v", err)})
		} else {
			defer undo()
		}
	}
	s.terminal.job = !s.init && !leader()
	take := s.config.Group == GroupSession && s.terminal.leave(time.Now())
	pid, err := spawn(s.config.Command, s.config.Group, take)
	if err != nil {
		return err.(*StartError) //nolint:errorlint,forcetypeassert // spawn returns nothing else
	}
	s.mainPID = pid
	if s.config.Group == GroupOwn {
		_, err := foreground()
		s.terminal.ours = err == nil
		s.terminal.give(pid)
	}
	return nil
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
	s.tracker.SetCgroup(group.Version == memcg.V1, group.CountedPath())
	if fd, ok := group.PollFD(); ok {
		s.watch.polled = s.poller.add(fd, unix.EPOLLPRI) == nil // without, the timer does it
	}
	if fd, ok := s.tracker.PollFD(); ok {
		// Edge-triggered: while we hold still, ends wait in the set. Without it they are noticed with the counter.
		_ = s.poller.add(fd, unix.EPOLLIN|unix.EPOLLET)
	}
	return ""
}

// loop handles events until the container has ended, and returns the exit code.
func (s *Supervisor) loop() int {
	// A child may have ended before SIGCHLD was looked for.
	for s.childrenChanged(); s.state != ended; {
		s.setAlarm(time.Now())
		// The statuses of children come first: they are the best evidence.
		stirred := s.poller.wait(s.signalFD, !s.more)
		if s.signalsReceived() || s.more {
			s.childrenChanged()
		}
		if stirred && s.state != ended {
			s.woken(time.Now())
		}
	}
	s.terminal.take()
	code, reason := policy.ExitCode(status(s.mainStatus), s.config.ExitCodes, s.harshest, s.config.ExitCode)
	s.reportExit(time.Now(), code, reason)
	s.writeMetrics(time.Now())
	if s.hook.pid > 0 { // only after a stop signal; it would outlive us where we are not PID 1
		s.send(unix.SIGKILL, -s.hook.pid)
	}
	s.report.Flush(flushAtMost)
	return code
}

// woken does what the alarm or a descriptor that became ready asks for.
func (s *Supervisor) woken(now time.Time) {
	s.hookStarted(now)
	if s.alarm.took(now) {
		s.timeElapsed(now)
		return
	}
	if s.group != nil {
		s.watch.rhythm.stirred(now)
		s.look(now, s.watch.polled)
	}
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
	case stopRest:
		s.stopRest()
	case killRest:
		s.killRest()
	case lookOnce:
		s.graceEnds = time.Time{}
		s.lookOnce(time.Now())
	}
}
