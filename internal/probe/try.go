package probe

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/check"
	"github.com/oominit/oominit/internal/proctrack"
)

// patience is how long one step of a trial may take.
const patience = 3 * time.Second

// stranger is the user whose process a trial takes for that of another one: nobody, as Debian and the kernel have it.
const stranger = 65534

const proc = "/proc"

var (
	works   = check.Trial{Works: true}
	untried = func(err error) check.Trial { return check.Trial{Untried: true, Reason: err.Error()} }
	fails   = func(format string, a ...any) check.Trial { return check.Trial{Reason: fmt.Sprintf(format, a...)} }
)

// Try fills in what can be known of the end of a process, by making processes and killing them. They are this program again,
// whose main function has to call Act.
func Try(f *check.Facts) {
	own := newTrial(os.Geteuid())
	f.Evidence = own.evidence
	f.Process.RaiseOOMScoreAdj = own.raise
	if os.Geteuid() != 0 {
		f.Evidence.ProcExitCodeOther = untried(errors.New("this user cannot start a process of another one"))
		f.Proc.Others = f.Evidence.ProcExitCodeOther
		return
	}
	other := newTrial(stranger)
	f.Evidence.ProcExitCodeOther, f.Proc.Others = other.evidence.ProcExitCode, other.seen
}

// trial is one round: a parent and its child, of which one is killed after the other.
type trial struct {
	evidence check.Evidence
	raise    check.Trial
	seen     check.Trial

	parent        int
	toParent      *os.File
	fromParent    *bufio.Reader
	said          *os.File
	child, pidfd  int
	newestAtStart int
}

// newTrial plays a round with a child of the user.
func newTrial(uid int) *trial {
	t := &trial{pidfd: -1}
	err := t.start(uid)
	if err != nil {
		e := &t.evidence
		for _, each := range []*check.Trial{&e.WaitStatus, &e.ProcExitCode, &e.PidfdOpen, &e.PidfdExitStatus, &e.NewestPID, &t.raise, &t.seen} {
			*each = untried(err)
		}
	} else {
		t.play()
	}
	t.end()
	return t
}

// start makes the two processes.
func (t *trial) start(uid int) error {
	input, toParent, err := os.Pipe()
	if err != nil {
		return err
	}
	t.toParent = toParent
	defer func() { _ = input.Close() }() // the parent has it
	fromParent, output, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }() // as above
	t.fromParent, t.said = bufio.NewReader(fromParent), fromParent
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }() // as above
	t.newestAtStart, _ = proctrack.Newest(proc)
	t.parent, err = syscall.ForkExec("/proc/self/exe", []string{actorName, roleParent, strconv.Itoa(uid)},
		&syscall.ProcAttr{Files: []uintptr{input.Fd(), output.Fd(), null.Fd()}})
	if err != nil {
		return fmt.Errorf("cannot start a process: %w", err)
	}
	line, err := t.hear()
	if err != nil {
		return err
	}
	t.child, err = strconv.Atoi(line)
	return err
}

// hear returns the next line that the parent says.
func (t *trial) hear() (string, error) {
	if err := t.said.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	line, err := t.fromParent.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("a process that was started for the trial does not answer: %w", err)
	}
	line = strings.TrimSuffix(line, "\n")
	if said, found := strings.CutPrefix(line, "error "); found {
		return "", errors.New(said)
	}
	return line, nil
}

func (t *trial) play() {
	e := &t.evidence
	e.NewestPID = t.newest()
	t.raise = raiseOOMScoreAdj(t.child)
	if _, ok := proctrack.ReadSeen(proc, t.child); ok {
		t.seen = works
	} else {
		t.seen = fails("/proc does not show the process")
	}
	if fd, err := unix.PidfdOpen(t.child, 0); err == nil {
		t.pidfd, e.PidfdOpen = fd, works
	} else {
		e.PidfdOpen = fails("pidfd_open: %v", err)
	}
	if err := unix.Kill(t.child, unix.SIGKILL); err != nil {
		e.ProcExitCode = untried(fmt.Errorf("cannot kill a process: %w", err))
		e.PidfdExitStatus = e.ProcExitCode
	} else {
		e.ProcExitCode = t.exitCode()
		e.PidfdExitStatus = t.exitStatus()
	}
	e.WaitStatus = t.waitStatus()
}

// newest tries whether the child's birth shows. It may have company that was born later.
func (t *trial) newest() check.Trial {
	newest, ok := proctrack.Newest(proc)
	switch {
	case !ok:
		return fails("/proc/loadavg cannot be read or has no newest pid")
	case newest < t.child && newest >= t.newestAtStart:
		return fails("/proc/loadavg says %d is the newest pid after %d was born: something has replaced it (lxcfs)", newest, t.child)
	}
	return works // smaller than before: the pids have wrapped in between
}

// exitCode waits for the child to be a zombie and reads its exit code in /proc.
func (t *trial) exitCode() check.Trial {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		seen, ok := proctrack.ReadSeen(proc, t.child)
		switch {
		case !ok:
			return fails("/proc does not show the process")
		case !seen.Zombie:
			continue
		case seen.ExitCode.Signaled() && seen.ExitCode.Signal() == unix.SIGKILL:
			return works
		case !seen.Open:
			return fails("/proc/PID/stat hides the exit code: this process may not ptrace the other")
		}
		return fails("/proc/PID/stat shows %d for a process that was killed: before Linux 5.17 a zombie's is not shown", int(seen.ExitCode))
	}
	return untried(errors.New("a process does not end"))
}

// exitStatus has the parent reap the child, and asks the pidfd then.
func (t *trial) exitStatus() check.Trial {
	if t.pidfd < 0 {
		return fails("there is no pidfd to be asked")
	}
	if _, err := t.toParent.WriteString("r"); err != nil {
		return untried(err)
	}
	if _, err := t.hear(); err != nil {
		return untried(err)
	}
	t.child = 0
	switch status, ok := proctrack.ExitStatus(t.pidfd); {
	case !ok:
		return fails("a pidfd does not tell the status of a process that somebody else reaped")
	case !status.Signaled() || status.Signal() != unix.SIGKILL:
		return fails("a pidfd tells %d of a process that was killed", int(status))
	}
	return works
}

// waitStatus kills the parent, which is a child of this program.
func (t *trial) waitStatus() check.Trial {
	if err := unix.Kill(t.parent, unix.SIGKILL); err != nil {
		return untried(err)
	}
	status, err := reap(t.parent, time.Now().Add(patience))
	t.parent = 0
	switch {
	case err != nil:
		return untried(err)
	case !status.Signaled() || status.Signal() != unix.SIGKILL:
		return fails("wait says %d of a process that was killed", int(status))
	}
	return works
}

// end leaves nobody. A child whose parent is gone ends by itself, since its input does.
func (t *trial) end() {
	if t.parent > 0 {
		_ = unix.Kill(t.parent, unix.SIGKILL)           // it may have ended
		_, _ = reap(t.parent, time.Now().Add(patience)) // nothing more can be done
	}
	if t.pidfd >= 0 {
		_ = unix.Close(t.pidfd) // holds no data
	}
	for _, file := range []*os.File{t.toParent, t.said} {
		_ = file.Close() // as above; one that was never opened is nil, which Close refuses
	}
}

// raiseOOMScoreAdj tries on the child what OOMINIT_OOM_SCORE_ADJ does.
func raiseOOMScoreAdj(pid int) check.Trial {
	file := fmt.Sprintf("%s/%d/oom_score_adj", proc, pid)
	text, err := os.ReadFile(file)
	if err != nil {
		return fails("%v", err)
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fails("%s holds %q", file, text)
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(min(now+1, 1000))), 0); err != nil {
		return fails("%v", err)
	}
	return works
}
