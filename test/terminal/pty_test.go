// Package terminal tries the real binary on a pseudo-terminal: as PID 1, as the leader of a session, as a job of an
// interactive shell, and in a container of Docker's.
package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m, testcgroup.Isolate) }

// timeLimit ends what should have ended long before.
const timeLimit = 30 * time.Second

// pty is a pseudo-terminal (pty(7)) with a person at it: the test.
type pty struct {
	t      *testing.T
	master *os.File
	slave  *os.File

	mu   sync.Mutex
	text []byte
	seen int // how much of it was expected already
	more chan struct{}
}

func newPTY(t *testing.T) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		testproc.Require(t, "pty", fmt.Errorf("no pseudo-terminals: %w", err))
	}
	t.Cleanup(func() { master.Close() })
	p := &pty{t: t, master: master, more: make(chan struct{}, 1)}
	var n int
	p.control(func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	if p.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		testproc.Require(t, "pty", fmt.Errorf("no pseudo-terminals: %w", err))
	}
	t.Cleanup(func() {
		p.slave.Close()
		if t.Failed() {
			t.Logf("on the terminal:\n%q", p.all())
		}
	})
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := p.master.Read(buffer)
			if err != nil {
				return // closed by the test's end
			}
			p.mu.Lock()
			p.text = append(p.text, buffer[:n]...)
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
	}()
	return p
}

// control does something with the master's descriptor, which stays non-blocking.
func (p *pty) control(do func(fd int) error) {
	p.t.Helper()
	raw, err := p.master.SyscallConn()
	if err == nil {
		var result error
		err = raw.Control(func(fd uintptr) { result = do(int(fd)) })
		err = errors.Join(err, result)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pty) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.text)
}

// expect waits for the text behind what was expected before, and returns what came in between.
func (p *pty) expect(text string) (before string) {
	p.t.Helper()
	deadline := time.After(timeLimit)
	for {
		p.mu.Lock()
		i := bytes.Index(p.text[p.seen:], []byte(text))
		if i >= 0 {
			before = string(p.text[p.seen : p.seen+i])
			p.seen += i + len(text)
		}
		p.mu.Unlock()
		if i >= 0 {
			return before
		}
		select {
		case <-p.more:
		case <-deadline:
			p.t.Fatalf("no %q on the terminal", text)
		}
	}
}

// keys types.
func (p *pty) keys(text string) {
	p.t.Helper()
	if _, err := p.master.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

// foreground returns the process group that has the terminal, as we see its number.
func (p *pty) foreground() (group int) {
	p.t.Helper()
	p.control(func(fd int) (err error) {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return group
}

// until waits for a state that nobody tells of.
func (p *pty) until(what string, is func() bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(timeLimit); !is(); <-tick.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("never came true: %s", what)
		}
	}
}

func (p *pty) resize(rows, columns uint16) {
	p.t.Helper()
	p.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
}

// start starts the program as the leader of a session whose terminal this is. An environment of ours does not reach it.
func (p *pty) start(program ...string) *exec.Cmd {
	p.t.Helper()
	return p.startAs(&syscall.SysProcAttr{}, program...)
}

// startInit starts it as PID 1 of a new pid namespace too, as an engine does.
func (p *pty) startInit(program ...string) *exec.Cmd {
	p.t.Helper()
	if os.Geteuid() != 0 {
		testproc.Require(p.t, "cgroup", errors.New("a new pid namespace takes root"))
	}
	return p.startAs(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS},
		append([]string{"/bin/sh", "-c", `mount -t proc proc /proc && exec "$@"`, "sh"}, program...)...)
}

func (p *pty) startAs(attributes *syscall.SysProcAttr, program ...string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(program[0], program[1:]...)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "OOMINIT_") && !strings.HasPrefix(entry, "PS1=") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, "PS1=prompt>", "TERM=dumb", "HISTFILE=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.slave, p.slave, p.slave
	attributes.Setsid, attributes.Setctty = true, true
	cmd.SysProcAttr = attributes
	if err := cmd.Start(); err != nil {
		testproc.Require(p.t, "cgroup", fmt.Errorf("cannot start %q: %w", program, err))
	}
	p.t.Cleanup(func() {
		if cmd.ProcessState == nil { // the test failed before its end
			_ = unix.Kill(cmd.Process.Pid, unix.SIGKILL)
			_ = cmd.Wait()
		}
	})
	return cmd
}

// wait returns the exit code.
func (p *pty) wait(cmd *exec.Cmd) int {
	p.t.Helper()
	kill := time.AfterFunc(timeLimit, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // the exit code says it
	if !kill.Stop() {
		p.t.Fatalf("%q did not end within %s", cmd.Args, timeLimit)
	}
	return cmd.ProcessState.ExitCode()
}
