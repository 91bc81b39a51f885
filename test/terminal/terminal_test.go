package terminal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// places are where oominit can find itself with a terminal of its own.
var places = map[string]func(*pty, ...string) *exec.Cmd{
	"PID 1": (*pty).startInit,
	// A container that shares its pid namespace has no PID 1 of its own, and no shell with job control above.
	"leader of a session": (*pty).start,
}

// inPlaces runs the test in each of them.
func inPlaces(t *testing.T, test func(t *testing.T, p *pty, start func(program ...string) *exec.Cmd)) {
	t.Helper()
	for name, start := range places {
		t.Run(name, func(t *testing.T) {
			p := newPTY(t)
			test(t, p, func(program ...string) *exec.Cmd { return start(p, program...) })
		})
	}
}

// number reads the number behind a word that the command prints.
func (p *pty) number(word string) int {
	p.t.Helper()
	p.expect(word + "=")
	n, err := strconv.Atoi(p.expect("."))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// children returns the pids of a process's children, as we see them.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range threads { // each has those that it made
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(field); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// stateOf returns the letter of the process's state in /proc: T for a stopped one.
func stateOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "gone"
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:1]
}

// krallin/tini#19, Yelp/dumb-init#10, #51: an interactive shell as the command. Without the terminal it says that it has no
// job control, or is stopped by SIGTTIN for good.
func TestInteractiveShell(t *testing.T) {
	for _, shell := range []string{"bash --norc --noprofile --noediting -i", "dash -i"} {
		name, _, _ := strings.Cut(shell, " ")
		if _, err := exec.LookPath(name); err != nil {
			testproc.Require(t, "peers", err)
		}
		inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
			cmd := start(append([]string{testproc.Build(t), "--"}, strings.Fields(shell)...)...)
			p.expect("prompt>")
			own := p.foreground()
			p.keys("set -m; cat\n") // a job of the shell's own, stopped and continued
			p.until("the job has the terminal", func() bool { return p.foreground() != own })
			p.keys("line\n")
			p.expect("line\r\nline\r\n")
			p.keys(ctrlZ)
			p.expect("prompt>")
			p.until("the shell has the terminal", func() bool { return p.foreground() == own })
			p.keys("fg\n")
			p.until("the job has the terminal", func() bool { return p.foreground() != own })
			p.keys("again\n")
			p.expect("again\r\nagain\r\n")
			p.keys(ctrlC)
			p.expect("prompt>")
			p.until("the shell has the terminal", func() bool { return p.foreground() == own })
			p.keys("exit 7\n")
			if code := p.wait(cmd); code != 7 {
				t.Errorf("%s: exit code %d", shell, code)
			}
			if text := p.all(); strings.Contains(text, "job control") || strings.Contains(text, "tty") {
				t.Errorf("%s: the shell complains", shell)
			}
		})
	}
}

// A ^C is for the command and its group; we get none of it and forward none.
func TestInterrupt(t *testing.T) {
	inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
		cmd := start(testproc.Build(t), "--log-level=debug", "--", "/bin/sh", "-c",
			`trap 'n=$((n+1)); echo int $n; [ $n = 2 ] && exit 5' INT; echo ready; while :; do sleep 0.05; done`)
		p.expect("ready")
		p.keys(ctrlC)
		p.expect("int 1")
		p.keys(ctrlC)
		// Had the first one been forwarded too, this would be the third.
		p.expect("int 2")
		if code := p.wait(cmd); code != 5 {
			t.Errorf("exit code %d", code)
		}
		if strings.Contains(p.all(), "int 3") {
			t.Error("a ^C came twice")
		}
	})
}

// The command's group has the terminal while it runs, and ours has it again afterwards.
func TestForeground(t *testing.T) {
	for _, group := range []string{"own", "inherit"} {
		inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
			// A shell around it, which is in the same session and stays. As PID 1 it would be the init.
			cmd := start("/bin/sh", "-c", `"$@"; echo over; read x`, "sh", testproc.Build(t), "--process-group="+group, "--",
				"/bin/sh", "-c", "echo runs; read x; exit 0")
			p.expect("runs")
			outer := 0
			if pids := children(t, cmd.Process.Pid); len(pids) == 1 {
				outer = pids[0]
			} else {
				t.Fatalf("children of the shell: %v", pids)
			}
			own, err := unix.Getpgid(outer)
			if err != nil {
				t.Fatal(err)
			}
			inner := children(t, outer)
			if len(inner) != 1 {
				t.Fatalf("children of oominit: %v", inner)
			}
			want := own
			if group == "own" {
				want = inner[0]
			}
			p.until("the command has the terminal", func() bool { return p.foreground() == want })
			p.keys("\n")
			p.expect("over")
			if got := p.foreground(); got != own {
				t.Errorf("process group %d has the terminal afterwards, want %d", got, own)
			}
			p.keys("\n")
			p.wait(cmd)
		})
	}
}

// Nobody is there who could continue a command that is stopped from the terminal, so it goes on.
func TestStopWithoutShell(t *testing.T) {
	inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
		cmd := start(testproc.Build(t), "--", "perl", "-e",
			`$SIG{CONT} = sub { syswrite STDOUT, "continued\n" }; syswrite STDOUT, "ready\n";
			while (1) { $n = sysread STDIN, $x, 99; next unless defined $n; exit 3 if $n == 0; syswrite STDOUT, "got $x" }`)
		p.expect("ready")
		for _, word := range []string{"one", "two"} {
			p.keys(ctrlZ)
			p.expect("continued")
			p.keys(word + "\n")
			p.expect("got " + word)
		}
		p.keys(ctrlD)
		if code := p.wait(cmd); code != 3 {
			t.Errorf("exit code %d", code)
		}
	})
}

// A window that changes its size tells the command, once.
func TestResize(t *testing.T) {
	for _, group := range []string{"own", "session", "inherit"} {
		inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
			p.resize(24, 80)
			cmd := start(testproc.Build(t), "--process-group="+group, "--", "/bin/sh", "-c",
				`trap 'echo "size $(stty size)"' WINCH; echo "size $(stty size)"; echo ready; while read x; do :; done; exit 2`)
			p.expect("size 24 80")
			p.expect("ready")
			p.resize(50, 132)
			p.expect("size 50 132")
			// Where we are in the foreground group too, we get it as well, and forward it.
			p.keys(ctrlD)
			if code := p.wait(cmd); code != 2 {
				t.Errorf("%s: exit code %d", group, code)
			}
		})
	}
}

// The command leads a session of its own whose terminal this is, and the SIGHUP and SIGCONT that the kernel sends us for giving
// it up are nothing that it hears of (Yelp/dumb-init#136). The control: a SIGHUP that somebody sends arrives.
func TestSession(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(testproc.Build(t), dir+"/dumb-init"); err != nil {
		t.Fatal(err)
	}
	// Fields 1, 5, 6 and 8 of stat: the pid, the process group, the session and the terminal's foreground group.
	const script = `trap 'echo hup' HUP; trap 'echo cont' CONT; trap 'echo told; exit 6' USR1
set -- $(cat /proc/$$/stat); echo "pid=$1. group=$5. session=$6. foreground=$8. ready"; while :; do sleep 0.02; done`
	for _, program := range [][]string{{testproc.Build(t), "--process-group=session", "--"}, {dir + "/dumb-init"}} {
		inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
			cmd := start(append(program, "/bin/sh", "-c", script)...)
			pid := p.number("pid")
			for _, what := range []string{"group", "session", "foreground"} {
				if n := p.number(what); n != pid {
					t.Errorf("%s %d, pid %d", what, n, pid)
				}
			}
			p.expect("ready")
			if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			if before := p.expect("told"); strings.Contains(before, "hup") || strings.Contains(before, "cont") {
				t.Errorf("the command got %q", before)
			}
			if code := p.wait(cmd); code != 6 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// A SIGHUP that somebody sends reaches the leader of a session: what is not forwarded is only what we caused ourselves.
func TestSessionHangUp(t *testing.T) {
	p := newPTY(t)
	// Not a leader of a session, we cause none, and there is nothing to be kept away, from the first moment on.
	cmd := p.start("/bin/sh", "-c", `"$@"; exit $?`, "sh", testproc.Build(t), "--process-group=session", "--", "/bin/sh", "-c",
		`trap 'echo hup; exit 4' HUP; kill -HUP $PPID; while :; do sleep 0.02; done`)
	p.expect("hup")
	if code := p.wait(cmd); code != 4 {
		t.Errorf("exit code %d", code)
	}
}

// What is done to our own use of the terminal stays here: tini's child comes to life with SIGTTIN and SIGTTOU ignored, which
// catatonit's has blocked.
func TestDispositions(t *testing.T) {
	const show = `grep -e SigBlk -e SigIgn /proc/self/status; echo end`
	read := func(start func(p *pty) *exec.Cmd) string {
		p := newPTY(t)
		cmd := start(p)
		text := p.expect("end")
		p.wait(cmd)
		return text
	}
	want := read(func(p *pty) *exec.Cmd { return p.start("/bin/sh", "-c", show) })
	for name, start := range places {
		for _, group := range []string{"own", "session", "inherit"} {
			got := read(func(p *pty) *exec.Cmd {
				return start(p, testproc.Build(t), "--process-group="+group, "--", "/bin/sh", "-c", show)
			})
			if got != want {
				t.Errorf("%s, %s: got %q, want %q", name, group, got, want)
			}
		}
	}
}

// A terminal that stops whoever writes from the background (stty tostop): we are there while the command has it, and our
// events come through.
func TestEventsWithTostop(t *testing.T) {
	inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
		cmd := start(testproc.Build(t), "--log-level=debug", "--", "/bin/sh", "-c", `stty tostop; echo ready; read x; (sleep 60 & kill -9 $!); read x; exit 4`)
		p.expect("ready")
		p.keys("\n")
		p.expect(`"event":"sigkill"`)
		p.keys("\n")
		p.expect(`"event":"exit"`)
		if code := p.wait(cmd); code != 4 {
			t.Errorf("exit code %d", code)
		}
	})
}

// Standard input that is no terminal, or one that is not ours: the command runs, and the terminal stays with whom it was.
func TestOtherStdin(t *testing.T) {
	for name, redirect := range map[string]string{"a file": "</dev/null", "a pipe": "<&3 3<&-", "closed": "<&-"} {
		inPlaces(t, func(t *testing.T, p *pty, start func(...string) *exec.Cmd) {
			cmd := start("/bin/sh", "-c", `exec 3<<-EOF
				in the pipe
				EOF
				"$@" `+redirect+`; echo "code $?"; read x`, "sh", testproc.Build(t), "--", "/bin/sh", "-c",
				`trap 'echo int; exit 4' INT; echo ready; while :; do sleep 0.05; done`)
			p.expect("ready")
			if pids := children(t, cmd.Process.Pid); len(pids) == 1 {
				if own, err := unix.Getpgid(pids[0]); err != nil || own != p.foreground() {
					t.Errorf("%s: process group %d has the terminal, ours is %d (%v)", name, p.foreground(), own, err)
				}
			}
			p.keys(ctrlC) // for us, who forward it, and for the shell around us
			p.expect("int")
			p.wait(cmd)
		})
	}
}
