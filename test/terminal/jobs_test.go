package terminal

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// shell is an interactive one with job control.
type shell struct {
	*pty
	cmd *exec.Cmd
}

// inShells runs the test in the shells that there are.
func inShells(t *testing.T, test func(t *testing.T, s shell)) {
	t.Helper()
	for name, arguments := range map[string][]string{
		"bash": {"bash", "--norc", "--noprofile", "--noediting", "-i"}, "dash": {"dash", "-i"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				testproc.Require(t, "peers", err)
			}
			p := newPTY(t)
			s := shell{p, p.start(arguments...)}
			s.expect("prompt>")
			s.keys("set -m; PS1='$? next>'; alias o='" + testproc.Build(t) + "'\n")
			s.next("0 next>")
			test(t, s)
			s.keys("exit 9\n")
			if code := s.wait(s.cmd); code != 9 {
				t.Errorf("the shell ended with %d", code)
			}
		})
	}
}

// next waits for the prompt, which has the last exit code, and for the shell to have the terminal.
func (s shell) next(prompt string) {
	s.t.Helper()
	s.expect(prompt)
	s.until("the shell has the terminal", func() bool { return s.foreground() == s.cmd.Process.Pid })
}

// only returns the only child of a process.
func (s shell) only(pid int) int {
	s.t.Helper()
	var pids []int
	s.until(fmt.Sprintf("%d has one child", pid), func() bool {
		pids = children(s.t, pid)
		return len(pids) == 1
	})
	return pids[0]
}

// noticesStop waits until the job is stopped and the shell knows: before, fg would not continue it.
func (s shell) noticesStop(job int) {
	s.t.Helper()
	s.until("it is stopped", func() bool { return stateOf(job) == "T" })
	s.until("the shell has noticed", func() bool {
		s.keys("jobs\n")
		return strings.Contains(s.expect("next>"), "Stopped")
	})
}

// job returns the pids of oominit and its command, which has the terminal.
func (s shell) job() (init, main int) {
	s.t.Helper()
	init = s.only(s.cmd.Process.Pid)
	main = s.only(init)
	s.until("the command has the terminal", func() bool { return s.foreground() == main })
	return init, main
}

// A job is stopped with its command by ^Z, and goes on with it.
func TestJob(t *testing.T) {
	inShells(t, func(t *testing.T, s shell) {
		s.keys("o cat\n")
		init, main := s.job()
		s.keys("one\n")
		s.expect("one\r\none\r\n")
		for range 3 {
			s.keys(ctrlZ)
			s.next("next>")
			if a, b := stateOf(init), stateOf(main); a != "T" || b != "T" {
				t.Errorf("states of oominit and the command: %s, %s", a, b)
			}
			s.keys("fg\n")
			s.until("the command has the terminal", func() bool { return s.foreground() == main })
			s.keys("two\n")
			s.expect("two\r\ntwo\r\n")
		}
		s.keys(ctrlD)
		s.next("0 next>")
		s.keys("o sh -c 'exit 3'\n")
		s.next("3 next>")
		s.keys("o cat\n")
		s.job()
		s.keys(ctrlC)
		s.next("130 next>")
	})
}

// In the background a job that reads the terminal stops, the shell says so, and fg lets it read.
func TestBackgroundRead(t *testing.T) {
	for name, begin := range map[string]func(s shell){
		"started there": func(s shell) { s.keys("o cat &\n") },
		"put there": func(s shell) {
			s.keys("o cat\n")
			s.job()
			s.keys(ctrlZ)
			s.next("next>")
			s.keys("bg\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inShells(t, func(t *testing.T, s shell) {
				begin(s)
				s.next("next>")
				init := s.only(s.cmd.Process.Pid)
				s.noticesStop(init)
				if s.foreground() != s.cmd.Process.Pid {
					t.Errorf("the shell has lost the terminal")
				}
				s.keys("echo shell lives\n")
				s.expect("\nshell lives\r\n")
				s.next("next>")
				s.keys("fg\n")
				s.job()
				s.keys("line\n")
				s.expect("line\r\nline\r\n")
				s.keys(ctrlD)
				s.next("0 next>")
			})
		})
	}
}

// A job that ends in the background leaves the terminal to the shell, and so does one that is put there by SIGSTOP.
func TestBackgroundEnd(t *testing.T) {
	for name, stop := range map[string]func(s shell, init int){
		"^Z":      func(s shell, _ int) { s.keys(ctrlZ) },
		"SIGSTOP": func(_ shell, init int) { _ = unix.Kill(init, unix.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			inShells(t, func(t *testing.T, s shell) {
				fifo := filepath.Join(t.TempDir(), "fifo")
				if err := unix.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
				s.keys("o sh -c 'read x <" + fifo + "; exit 0'\n")
				init, _ := s.job()
				stop(s, init)
				s.next("next>")
				s.keys("bg\n")
				s.next("next>")
				s.keys("echo x >" + fifo + "\n")
				s.next("next>")
				s.until("the job has ended", func() bool { return stateOf(init) == "gone" || stateOf(init) == "Z" })
				if s.foreground() != s.cmd.Process.Pid {
					t.Error("the shell has lost the terminal")
				}
				s.keys("echo still $((40+2))\n")
				s.expect("still 42")
				s.next("next>")
			})
		})
	}
}

// With fg, a shell tells a job that runs in the background nothing: it gets the terminal, and its command at its next read.
func TestForegroundWhileRunning(t *testing.T) {
	inShells(t, func(t *testing.T, s shell) {
		fifo := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		s.keys("o sh -c 'read x <" + fifo + "; read y; echo got $y; exit 5' &\n")
		s.next("next>")
		init := s.only(s.cmd.Process.Pid)
		s.only(init) // the command runs
		s.keys("fg\n")
		s.until("the job has the terminal", func() bool { return s.foreground() != s.cmd.Process.Pid })
		release, err := exec.Command("sh", "-c", "echo x >"+fifo).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, release)
		}
		s.until("the command has the terminal", func() bool { return s.foreground() != init })
		s.keys("line\n")
		s.expect("got line")
		s.next("5 next>")
	})
}

// The command is not in the group that has the terminal: ^Z is for us, who stop with it.
func TestJobWithoutTerminal(t *testing.T) {
	for name, line := range map[string]string{
		"stdin is none": "o sh -c 'trap \"echo int; exit 4\" INT; echo ready; while :; do sleep 0.05; done' </dev/null\n",
		"session":       "o --process-group=session -- sh -c 'trap \"echo int; exit 4\" INT; echo ready; while :; do sleep 0.05; done'\n",
		"inherit":       "o --process-group=inherit -- sh -c 'trap \"echo int; exit 4\" INT; echo ready; while :; do sleep 0.05; done'\n",
	} {
		t.Run(name, func(t *testing.T) {
			inShells(t, func(t *testing.T, s shell) {
				s.keys(strings.Replace(line, "echo ready", "echo rea''dy", 1))
				s.expect("ready")
				init := s.only(s.cmd.Process.Pid)
				s.keys(ctrlZ)
				s.next("next>")
				if state := stateOf(init); state != "T" {
					t.Errorf("state of oominit: %s", state)
				}
				s.keys("fg\n")
				s.until("the job has the terminal", func() bool { return s.foreground() == init })
				s.keys(ctrlC)
				s.expect("int\r\n")
				s.next("4 next>")
			})
		})
	}
}

// A job in the background that complains of its options stops where the terminal wants that (stty tostop), as any other does.
func TestFaultInBackground(t *testing.T) {
	inShells(t, func(_ *testing.T, s shell) {
		s.keys("stty tostop; o --bogus true &\n")
		s.next("next>")
		init := s.only(s.cmd.Process.Pid)
		s.noticesStop(init)
		s.keys("fg\n")
		s.expect("unknown flag")
		s.next("125 next>")
	})
}
