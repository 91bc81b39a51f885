package process

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// loop is a shell's wait for signals that never misses one: sleep is not waited for, so that a trap runs at once.
const loop = `; echo ready; while :; do sleep 5 & wait $!; done`

// expect reads the next line.
func expect(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		line, _ := lines.ReadString('\n')
		answer <- line
	}()
	select {
	case line := <-answer:
		if line != want+"\n" {
			t.Fatalf("got %q, want %q", line, want)
		}
	case <-time.After(timeLimit):
		t.Fatalf("nothing was printed, want %q", want)
	}
}

func signalTo(t *testing.T, cmd *exec.Cmd, sig unix.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func TestRewrite(t *testing.T) {
	cmd := command(t, "--signal-rewrite=TERM=USR1 15:USR2 HUP= 40=INT", "--", "/bin/sh", "-c",
		`trap 'echo usr1' USR1; trap 'echo usr2' USR2; trap 'echo hup' HUP; trap 'echo term' TERM; trap 'echo int; exit 3' INT`+loop)
	lines := started(t, cmd)
	signalTo(t, cmd, unix.SIGTERM)
	expect(t, lines, "usr2") // the later pair counts
	signalTo(t, cmd, unix.SIGHUP)
	signalTo(t, cmd, 40)
	expect(t, lines, "int")
	if code := wait(t, cmd); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

// Yelp/dumb-init#173: the stop signal is held back, once; a second one ends the delay, and other signals are not held back.
func TestStopDelay(t *testing.T) {
	script := `trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM` + loop
	for name, send := range map[string][]unix.Signal{"the delay": {unix.SIGTERM}, "a second one": {unix.SIGTERM, unix.SIGTERM}} {
		delay := "300ms"
		if len(send) > 1 {
			delay = "1h"
		}
		cmd := command(t, "--stop-delay="+delay, "--", "/bin/sh", "-c", script)
		lines := started(t, cmd)
		begun := time.Now()
		for _, sig := range send {
			signalTo(t, cmd, unix.SIGUSR1)
			expect(t, lines, "usr1") // so that the signals do not coalesce
			signalTo(t, cmd, sig)
		}
		if len(send) == 1 {
			signalTo(t, cmd, unix.SIGUSR1)
			expect(t, lines, "usr1")
		}
		expect(t, lines, "term")
		if took := time.Since(begun); len(send) == 1 && took < 300*time.Millisecond {
			t.Errorf("%s: the stop signal came after %s", name, took)
		}
		if code := wait(t, cmd); code != 3 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

// tini#95, tini#167, tini#229, dumb-init#212: daemonized children got SIGKILL without a SIGTERM. s6-overlay#534: a grace that lasts although nothing
// runs.
func TestDrain(t *testing.T) {
	const daemon = `(trap 'sleep 0.1; echo drained; exit 0' TERM; echo daemon $$; while :; do sleep 0.02; done) & read x; exit 4`
	for _, asPID1 := range []bool{false, true} {
		for drain, want := range map[string]string{"1h": "drained\n", "0s": ""} {
			cmd := command(t, "--drain="+drain, "--", "/bin/sh", "-c", daemon)
			if asPID1 {
				cmd = asInit(t, cmd)
			}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			group := 0
			if line, err := lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			} else if _, err := fmt.Sscanf(line, "daemon %d\n", &group); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			in.Close()
			if drain == "0s" && !asPID1 { // nobody ends it but we
				defer func() { _ = unix.Kill(-group, unix.SIGKILL) }() // it may have ended after all
				if code := wait(t, cmd); code != 4 {
					t.Errorf("exit code %d", code)
				}
				continue
			}
			rest, _ := lines.ReadString('\n')
			if code := wait(t, cmd); code != 4 || rest != want {
				t.Errorf("drain %s, as PID 1 %v: exit code %d, %q", drain, asPID1, code, rest)
			}
		}
	}
}

// Who ignores the stop signal gets SIGKILL when the time is over, or when a second stop signal comes.
func TestDrainEscalates(t *testing.T) {
	const stubborn = `(trap 'echo asked' TERM; echo daemon; while :; do sleep 0.02; done) & read x; exit 5`
	for _, drain := range []string{"200ms", "1h"} {
		cmd := asInit(t, command(t, "--drain="+drain, "--", "/bin/sh", "-c", stubborn))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(must(cmd.StdoutPipe()))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		expect(t, lines, "daemon")
		in.Close()
		expect(t, lines, "asked") // main has ended
		if drain == "1h" {
			signalTo(t, cmd, unix.SIGTERM)
		}
		begun := time.Now()
		for err == nil {
			_, err = lines.ReadString('\n')
		}
		if code := wait(t, cmd); code != 5 || time.Since(begun) > 20*time.Second {
			t.Errorf("drain %s: exit code %d after %s", drain, code, time.Since(begun))
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestExitCodeMap(t *testing.T) {
	for script, want := range map[string]int{"kill -TERM $$": 0, "exit 143": 0, "exit 3": 255, "exit 0": 9, "exit 4": 4} {
		if code, _, _ := run(t, command(t, "--exit-code-map=143=0,3=255 0:9", "--", "/bin/sh", "-c", script)); code != want {
			t.Errorf("%s: exit code %d, want %d", script, code, want)
		}
	}
}

// As pause(2) for a pod: no command, orphans are reaped, SIGTERM ends it with 0.
func TestPause(t *testing.T) {
	for _, arguments := range [][]string{{"--pause", "--log-level=debug"}, {"--pause=true", "--log-level=debug", "--drain=5s"}} {
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
			cmd := asInit(t, command(t, arguments...))
			out := must(cmd.StdoutPipe())
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "pause mode") {
				t.Fatalf("%q, %v", line, err)
			}
			signalTo(t, cmd, unix.SIGUSR1) // means nothing
			signalTo(t, cmd, sig)
			if code := wait(t, cmd); code != 0 {
				t.Errorf("%q, %v: exit code %d", arguments, sig, code)
			}
		}
	}
}

func TestProcessGroup(t *testing.T) {
	// Fields 1, 5 and 6 of stat: the pid, the process group and the session.
	const script = `set -- $(cat /proc/$$/stat); echo $1 $5 $6`
	ours := fmt.Sprint(unix.Getpgrp())
	for group, is := range map[string]func(pid, pgrp, session string) bool{
		"own":     func(pid, pgrp, session string) bool { return pgrp == pid && session != pid },
		"session": func(pid, pgrp, session string) bool { return pgrp == pid && session == pid },
		"inherit": func(pid, pgrp, _ string) bool { return pgrp == ours && pid != pgrp },
	} {
		_, out, _ := run(t, command(t, "--process-group="+group, "--", "/bin/sh", "-c", script))
		if f := strings.Fields(out); len(f) != 3 || !is(f[0], f[1], f[2]) {
			t.Errorf("%s: pid, process group and session are %q", group, out)
		}
	}
}

// The kernel's preference goes to the command, without a privilege, and is not ours.
func TestOOMScoreAdj(t *testing.T) {
	before, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(before)))
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", "setpriv --reuid 65534 --clear-groups"} {
		arguments := append(strings.Fields(user), testproc.Build(t), "--oom-score-adj=+150", "--", "/bin/sh", "-c",
			"cat /proc/$$/oom_score_adj /proc/$PPID/oom_score_adj")
		if code, out, errs := run(t, program(arguments[0], arguments[1:]...)); code != 0 || out != fmt.Sprintf("%d\n%d\n", own+150, own) {
			t.Errorf("%s: exit code %d, %q, %q", user, code, out, errs)
		}
	}
}

// The parent ends, and nobody else tells us.
func TestParentDeathSignal(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	script := `trap 'echo told; exit 0' TERM` + loop
	parent := program("/bin/sh", "-c", `"$0" --parent-death-signal=TERM -- /bin/sh -c "$1" >"$2" & read x`, testproc.Build(t), script, pipe)
	in := must(parent.StdinPipe())
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	lines := bufio.NewReader(out)
	expect(t, lines, "ready")
	in.Close()
	wait(t, parent)
	expect(t, lines, "told")
}

// A SIGTERM that is pending when we start reaches the command, in every scope and group. Debian's tini -g and dumb-init lose
// nearly all of them: they signal a group that does not exist yet.
func TestPendingAtStart(t *testing.T) {
	perl, err := exec.LookPath("perl") // the shells put the mask of signals back
	testproc.Require(t, "peers", err)
	const tries = 25
	const send = `use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM)); kill "TERM", $$; exec @ARGV`
	// It may come before the command catches it, which ends it with 143.
	const receive = `use POSIX; $SIG{TERM} = sub { exit 3 }; sigprocmask(SIG_UNBLOCK, POSIX::SigSet->new(SIGTERM)); sleep 2; exit 4`
	count := func(init ...string) (got int) {
		for range tries {
			cmd := program(perl, append(append([]string{"-e", send}, init...), perl, "-e", receive)...)
			if code, _, _ := run(t, cmd); code == 3 || code == 128+15 {
				got++
			}
		}
		return got
	}
	for _, flags := range [][]string{
		{"--signal-scope=child"}, {"--signal-scope=group"}, {"--signal-scope=all"}, {"--signal-scope=group", "--process-group=session"},
	} {
		if got := count(append(append([]string{testproc.Build(t)}, flags...), "--")...); got != tries {
			t.Errorf("%q: %d of %d", flags, got, tries)
		}
	}
}

// Real-time signals that come faster than they are handled arrive in number.
func TestNumberOfSignals(t *testing.T) {
	const each = 500
	cmd := command(t, "--", testproc.BuildActor(t))
	cmd.Env = append(cmd.Env, testproc.HelperVariable+"=realtime", fmt.Sprintf("TESTPROC_COUNT=%d", each))
	started(t, cmd)
	for range each {
		signalTo(t, cmd, 40)
	}
	if code := wait(t, cmd); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Called as another init: its options, its exit codes, its version, and events on stderr.
func TestDropIn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tini", "docker-init", "catatonit", "dumb-init"} {
		if err := os.Symlink(testproc.Build(t), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		line, script string
		code         int
		out, errs    string
	}{
		{"tini -e 143 --", "kill -TERM $$", 0, "", ""},
		{"tini -vvs --", "echo x; exit 3", 3, "x\n", `"event":"exit"`},
		{"docker-init --version", "", 0, "tini version 0.19.0 (oominit", ""},
		{"catatonit -g --", "exit 5", 5, "", ""},
		{"dumb-init -c -r 10:12", "trap 'exit 6' USR2; kill -USR1 $PPID; sleep 5", 6, "", ""},
		{"dumb-init", "set -- $(cat /proc/$$/stat); [ $1 = $6 ] && echo leads", 0, "leads\n", ""},
		{"tini -x", "", 125, "", "unknown option of tini"},
	} {
		words := strings.Fields(test.line)
		cmd := program(filepath.Join(dir, words[0]), words[1:]...)
		if test.script != "" {
			cmd.Args = append(cmd.Args, "/bin/sh", "-c", test.script)
		}
		code, out, errs := run(t, cmd)
		if code != test.code || !strings.HasPrefix(out, test.out) || !strings.Contains(errs, test.errs) || test.errs == "" && errs != "" {
			t.Errorf("%s: exit code %d, %q, %q", test.line, code, out, errs)
		}
	}
}

// bubblewrap#146: children that were there before the start are not main.
func TestChildrenFromBefore(t *testing.T) {
	cmd := program("/bin/sh", "-c", `(exit 9) & (sleep 0.2; exit 8) & exec "$0" -- /bin/sh -c 'sleep 0.4; exit 7'`, testproc.Build(t))
	if code, _, errs := run(t, cmd); code != 7 || errs != "" {
		t.Errorf("exit code %d, %q", code, errs)
	}
}
