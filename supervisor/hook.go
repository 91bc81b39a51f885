package supervisor

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/aside"
	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/reaper"
)

// hookAtMost is how long one run of the hook may take (oomd allows as long), and hookQueue how many kills wait for theirs.
const (
	hookAtMost = 5 * time.Second
	hookQueue  = 16
)

// hook runs a program for each OOM kill, one at a time. Its start is done aside, since a program may be on a disk that hangs.
type hook struct {
	path    string
	thread  *aside.Thread // nil without a hook
	wake    int           // eventfd: somebody was started
	started chan hookStart
	queue   []hookCall
	state   hookState
	pid     int
	endsAt  time.Time // zero while none runs
	lost    int       // kills for which there was no place
	// unknown are children that ended while a start was under way: one of them may be the hook itself.
	unknown []reaper.Exit
}

// hookState says what the hook does.
type hookState int

const (
	hookIdle hookState = iota
	hookStarting
	hookRunning
	hookKilled // its time was over
)

// hookCall is one run to be made.
type hookCall struct {
	event     []byte
	variables []string
}

type hookStart struct {
	pid int
	err error
}

// newHook returns a hook, whose thread exists already; p wakes the loop once it was started.
func newHook(path string, p *poller) (hook, error) {
	h := hook{path: path, thread: aside.New(1), started: make(chan hookStart, 1)}
	var err error
	if h.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return hook{}, os.NewSyscallError("eventfd2", err)
	}
	return h, p.add(h.wake, unix.EPOLLIN|unix.EPOLLET)
}

// busy reports whether a run is under way or waits.
func (h *hook) busy() bool { return h.state != hookIdle || len(h.queue) > 0 }

// tellHook has the hook run for a kill.
func (s *Supervisor) tellHook(now time.Time, call hookCall) {
	h := &s.hook
	switch {
	case h.thread == nil:
	case len(h.queue) == hookQueue:
		if h.lost++; h.lost == 1 {
			s.report.Warning(now, report.Warning{Text: fmt.Sprintf("hook: more than %d OOM kills wait for it; it will not be run for all", hookQueue)})
		}
	default:
		h.queue = append(h.queue, call)
		s.nextHook(now)
	}
}

// nextHook starts the run that waits first, if none is under way.
func (s *Supervisor) nextHook(now time.Time) {
	h := &s.hook
	if h.state != hookIdle || len(h.queue) == 0 || s.watch.still || s.state == ended {
		return // still: to start a program takes memory; ended: in a hurry, it would outlive us
	}
	call := h.queue[0]
	h.queue = h.queue[1:]
	h.state, h.endsAt = hookStarting, now.Add(hookAtMost)
	h.thread.Do(func() {
		pid, err := startHook(h.path, call)
		h.started <- hookStart{pid, err}
		_, _ = unix.Write(h.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it fails when there is a wake-up already
	})
}

// startHook executes the program with the event on its standard input, which is a pipe that holds all of it. The names in an
// event are chosen by processes: they reach the program as data, and no shell.
func startHook(path string, call hookCall) (pid int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return 0, os.NewSyscallError("pipe2", err)
	}
	defer func() {
		_ = unix.Close(ends[0]) // the child has its own
		_ = unix.Close(ends[1])
	}()
	if _, err := unix.Write(ends[1], call.event); err != nil {
		return 0, os.NewSyscallError("write", err)
	}
	var none, ours unix.Sigset_t // what this thread has blocked is not for the program
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &none, &ours); err != nil {
		return 0, os.NewSyscallError("rt_sigprocmask", err)
	}
	defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &ours, nil) }() // as it was
	pid, err = syscall.ForkExec(path, []string{path}, &syscall.ProcAttr{
		Env: append(os.Environ(), call.variables...), Files: []uintptr{uintptr(ends[0]), 2, 2},
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("cannot execute %q: %w", path, err)
	}
	return pid, nil
}

// hookStarted takes over what became of a start.
func (s *Supervisor) hookStarted(now time.Time) {
	h := &s.hook
	select {
	case start := <-h.started:
		unknown := h.unknown
		h.unknown = nil
		if start.err != nil {
			s.hookDone(now, start.err.Error())
			return
		}
		h.pid, h.state = start.pid, hookRunning
		for _, exit := range unknown {
			if exit.PID == h.pid {
				s.hookEnded(now, exit)
				return
			}
		}
	default:
	}
}

// hookElapsed ends a run whose time is over.
func (s *Supervisor) hookElapsed(now time.Time) {
	h := &s.hook
	if h.endsAt.IsZero() || now.Before(h.endsAt) {
		return
	}
	h.endsAt = time.Time{}
	if h.state == hookRunning {
		h.state = hookKilled
		s.send(unix.SIGKILL, -h.pid)
	}
}

// isHook reports whether a child that ended is the hook, or remembers it if it may turn out to be.
func (s *Supervisor) isHook(exit reaper.Exit) bool {
	h := &s.hook
	switch h.state {
	case hookStarting:
		if len(h.unknown) < hookQueue {
			h.unknown = append(h.unknown, exit)
		}
	case hookRunning, hookKilled:
		return exit.PID == h.pid
	case hookIdle:
	}
	return false
}

// hookEnded ends a run.
func (s *Supervisor) hookEnded(now time.Time, exit reaper.Exit) {
	fault := ""
	switch {
	case s.hook.state == hookKilled:
		fault = fmt.Sprintf("it was killed after %s", hookAtMost)
	case exit.Status.Signaled():
		fault = "it was ended by " + signalName(exit.Status.Signal())
	case exit.Status.ExitStatus() != 0:
		fault = fmt.Sprintf("it exited with %d", exit.Status.ExitStatus())
	}
	s.hookDone(now, fault)
}

func (s *Supervisor) hookDone(now time.Time, fault string) {
	h := &s.hook
	if fault != "" {
		s.report.Warning(now, report.Warning{Text: "hook: " + fault})
	}
	h.state, h.pid, h.endsAt = hookIdle, 0, time.Time{}
	if s.nextHook(now); h.state == hookIdle {
		s.settle(now)
	}
}

// hookVariables are the facts of a kill for the hook's environment.
func hookVariables(e report.OOMKill, commandLine string) []string {
	variables := []string{"OOMINIT_EVENT=oom_kill"}
	add := func(name, value string) {
		if value != "" {
			variables = append(variables, "OOMINIT_EVENT_"+name+"="+value)
		}
	}
	size := func(name string, value uint64) {
		if value > 0 {
			add(name, strconv.FormatUint(value, 10))
		}
	}
	if v := e.Victim; v != nil {
		add("PID", strconv.Itoa(v.PID))
		add("PARENT_PID", strconv.Itoa(v.ParentPID))
		add("COMM", v.Comm)
		add("EXE", v.Exe)
		add("COMMAND_LINE", commandLine)
		if v.UIDKnown {
			add("UID", strconv.FormatUint(uint64(v.UID), 10))
		}
		size("RESIDENT_BYTES", v.ResidentBytes)
	}
	add("ROLE", e.Role)
	add("ORIGIN", e.Origin)
	add("CERTAINTY", e.Certainty)
	add("LIMIT", e.Limit)
	size("MEMORY_LIMIT_BYTES", e.Memory.LimitBytes)
	size("MEMORY_USAGE_BYTES", e.Memory.UsageBytes)
	size("OOM_KILLS", e.Kills)
	return variables
}
