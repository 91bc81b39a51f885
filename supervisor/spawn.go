package supervisor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/policy"
)

// StartError says that the main child could not be started.
type StartError struct {
	// Code is the exit code for it: 126, 127 or 125.
	Code int
	Err  error
}

// Error returns the reason with the command named.
func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *StartError) Unwrap() error { return e.Err }

// defaultPath serves where PATH is not set, as with execvp(3).
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// spawn starts the command and returns its pid. What it inherits is what we came with: descriptors, directory, environment,
// signal mask; Go puts back the RLIMIT_NOFILE that its runtime raised (golang/go#46279) and the default actions of the signals
// that were caught. It returns once the command is executed, and thus in its process group: a signal for the group that is
// sent right after cannot be lost. With takeTerminal, the one at stdin becomes the controlling one of its new session.
func spawn(command []string, group Group, takeTerminal bool) (pid int, err error) {
	name := command[0]
	var denied error
	for _, file := range candidates(name) {
		pid, err = forkExec(file, command, group, takeTerminal)
		switch {
		case err == nil:
			return pid, nil
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
			if _, statErr := os.Stat(file); statErr == nil {
				return 0, &StartError{policy.ExitNotFound,
					fmt.Errorf("cannot execute %q: it is there, but the interpreter or loader that it names is not", file)}
			}
		case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR):
			denied = fmt.Errorf("cannot execute %q: %w", file, err)
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
			return 0, &StartError{policy.ExitFailure, fmt.Errorf("cannot fork to execute %q: %w", file, err)}
		default:
			return 0, &StartError{policy.ExitNotExecutable, fmt.Errorf("cannot execute %q: %w", file, err)}
		}
	}
	if denied != nil {
		return 0, &StartError{policy.ExitNotExecutable, denied}
	}
	if strings.Contains(name, "/") {
		return 0, &StartError{policy.ExitNotFound, fmt.Errorf("cannot execute %q: no such file", name)}
	}
	return 0, &StartError{policy.ExitNotFound, fmt.Errorf("cannot execute %q: not found in PATH (%s)", name, searchPath())}
}

// candidates returns the files that the name may stand for, as execvp(3) would try them.
func candidates(name string) []string {
	if name == "" {
		return nil
	}
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var files []string
	for dir := range strings.SplitSeq(searchPath(), ":") {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		// Only spares a fork for each directory without it; whether it can be executed, the kernel says.
		if unix.Access(file, unix.F_OK) == nil {
			files = append(files, file)
		}
	}
	return files
}

func searchPath() string {
	if path, ok := os.LookupEnv("PATH"); ok {
		return path
	}
	return defaultPath
}

func forkExec(file string, command []string, group Group, takeTerminal bool) (int, error) {
	attributes := &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: group == GroupOwn, Setsid: group == GroupSession, Setctty: takeTerminal},
	}
	pid, err := syscall.ForkExec(file, command, attributes)
	if takeTerminal && errors.Is(err, unix.EPERM) { // it has become another session's
		attributes.Sys.Setctty = false
		pid, err = syscall.ForkExec(file, command, attributes)
	}
	if errors.Is(err, unix.ENOEXEC) {
		// A script without #!: execvp(3) gives it to sh, and so do the other inits.
		return syscall.ForkExec("/bin/sh", append([]string{"/bin/sh", file}, command[1:]...), attributes)
	}
	return pid, err
}

// raiseOOMScoreAdj adds to our own oom_score_adj, so that the main child is born with it, and returns what undoes it. Setting
// the child's after its birth would miss the children that it has by then. Lowering it again needs no privilege as long as it
// was raised without one (proc_oom_score_adj in fs/proc/base.c, Linux 6.18, keeps the lowest value that is allowed).
func raiseOOMScoreAdj(by int) (undo func(), err error) {
	const file, most = "/proc/self/oom_score_adj", 1000
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("cannot read %q of %s: %w", text, file, err)
	}
	write := func(value int) error { return os.WriteFile(file, strconv.AppendInt(nil, int64(value), 10), 0) }
	if err := write(min(now+by, most)); err != nil {
		return nil, err
	}
	return func() { _ = write(now) }, nil // it was allowed before
}
