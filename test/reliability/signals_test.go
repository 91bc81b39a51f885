package reliability

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// Signals of one kind that are not taken yet are one signal for the kernel, so that the command counts fewer than were sent.
// The last of all, a SIGTERM behind a hundred thousand others, arrives, and what came before it does so before it.
func TestSignalsInBursts(t *testing.T) {
	const bursts, size = 100, 1000
	actor := testproc.BuildActor(t)
	r := box{env: []string{testproc.HelperVariable + "=counter"}}.start(t, testproc.Build(t), "--", actor)
	r.await("ready")
	threads, descriptors := r.census()
	begun := time.Now()
	counted := 0
	for range bursts {
		for range size {
			r.signal(unix.SIGUSR1)
		}
		before := counted
		until(t, "the command counts one more", func() bool {
			r.say("")
			_, err := fmt.Sscanf(r.await("counted"), "counted %d", &counted)
			return err == nil && counted > before
		})
	}
	sent := time.Now()
	for range size {
		r.signal(unix.SIGUSR1)
	}
	r.signal(unix.SIGTERM)
	if _, err := fmt.Sscanf(r.await("total"), "total %d", &counted); err != nil {
		t.Fatal(err)
	}
	took := time.Since(sent)
	after, descriptorsAfter := r.census()
	r.stdin.Close()
	code, _ := r.end()
	t.Logf("%d of %d counted in %s; SIGTERM took %s behind %d others", counted, (bursts+1)*size, time.Since(begun).Round(time.Millisecond), took.Round(time.Millisecond), size)
	if code != 7 || counted < bursts || after != threads || descriptorsAfter > descriptors+4 {
		t.Errorf("exit code %d, %d counted; %d threads and %d descriptors, then %d and %d; %q", code, counted, threads, descriptors, after, descriptorsAfter, r.errs.String())
	}
}

// What the command sends to PID 1: SIGKILL and SIGSTOP from inside do nothing, SIGTERM comes back to it.
func TestSignalsFromInside(t *testing.T) {
	const script = `trap 'exit 7' TERM; kill -KILL 1; kill -STOP 1; kill -STOP 1; kill -KILL 1; echo alive; kill -TERM 1; while :; do :; done`
	r := box{}.start(t, shell(t, script)...)
	if code, out := r.end(); code != 7 || out != "alive\n" || r.errs.Len() > 0 {
		t.Errorf("exit code %d, %q, %q", code, out, r.errs.String())
	}
	// The control: from outside, both do what they are for.
	r = box{}.start(t, shell(t, "echo ready; while :; do :; done")...)
	r.await("ready")
	r.signal(unix.SIGSTOP)
	until(t, "PID 1 is stopped", func() bool { return strings.HasPrefix(r.state(), "T") })
	r.signal(unix.SIGKILL)
	if code, _ := r.end(); code != 137 {
		t.Errorf("exit code %d after a SIGKILL from outside", code)
	}
}

// state is the letter of proc_pid_stat(5).
func (r *running) state() string {
	r.t.Helper()
	for line := range strings.Lines(readFile(r.t, fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))) {
		if state, found := strings.CutPrefix(line, "State:\t"); found {
			return state
		}
	}
	r.t.Fatal("no state")
	return ""
}

// pendingScript tells whether a SIGTERM has reached it, once a SIGUSR1 has: handled, or pending where the signal came in
// blocked.
const pendingScript = `asked= termed=; trap asked=1 USR1; trap termed=1 TERM; echo ready
while [ -z "$asked" ]; do :; done
[ -n "$termed" ] && exit 43
while read -r key value; do case $key:$value in SigPnd:*4???|ShdPnd:*4???) exit 43;; esac; done <"/proc/$$/status"
exit 9`

// pending starts an init as PID 1 with a SIGTERM that was blocked and is pending, and reports whether it reached the command.
// With ignoring, whoever executes the init ignores SIGCHLD too.
func pending(t *testing.T, ignoring bool, init ...string) bool {
	t.Helper()
	env, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	program := []string{env, "--block-signal=TERM", "/bin/sh", "-c", `kill -TERM $$; exec "$@"`, "sh", env}
	if ignoring {
		program = append(program, "--ignore-signal=CHLD")
	}
	r := box{}.start(t, append(append(program, init...), "/bin/sh", "-c", pendingScript)...)
	for line := ""; line != "ready\n"; {
		if line, err = r.lines.ReadString('\n'); err != nil {
			break // it died of the signal, which is an arrival too
		}
	}
	if err == nil {
		r.signal(unix.SIGUSR1)
	}
	switch code, _ := r.end(); code {
	case 43, 128 + int(unix.SIGTERM):
		return true
	case 9:
		return false
	default:
		t.Fatalf("%q: exit code %d, %q", init, code, r.errs.String())
		return false
	}
}

// A SIGTERM that was sent before we were executed, and is pending because whoever executes us has it blocked, reaches the
// command every time, whoever gets what is forwarded and although SIGCHLD came in ignored. Inits that forward to a process
// group lose some of them, before there is the group.
func TestSIGTERMPending(t *testing.T) {
	const tries = 25
	count := func(ignoring bool, init ...string) (arrived int) {
		for range tries {
			if pending(t, ignoring, init...) {
				arrived++
			}
		}
		t.Logf("%d of %d: %v", arrived, tries, init)
		return arrived
	}
	for _, scope := range []string{"child", "group", "all"} {
		if n := count(true, testproc.Build(t), "--signal-scope="+scope, "--"); n != tries {
			t.Errorf("scope %s: %d of %d arrived", scope, n, tries)
		}
	}
	// They hang with SIGCHLD ignored. How many they lose is chance, so that it is only written down.
	lost := 0
	for _, init := range [][]string{{"tini", "-g", "--"}, {"tini", "--"}, {"dumb-init", "--"}, {"dumb-init", "-c", "--"}, {"catatonit", "--"}} {
		lost += tries - count(false, append([]string{peer(t, init[0])}, init[1:]...)...)
	}
	if lost == 0 {
		t.Error("no init has lost a signal: this test proves nothing")
	}
}
