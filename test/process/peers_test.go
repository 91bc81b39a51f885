package process

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// openSUSE/catatonit#4, pid1-rs#20: SIGCHLDs coalesce, and whoever reaped one child for each of them hung, or missed that main
// was among them. ramr/go-reaper#2, #11, coder/coder#22866: a second wait stole main's status. So main ends in the middle of
// many others, with a status of its own each time.
func TestMainEndsAmongMany(t *testing.T) {
	const rounds = 5
	for _, asPID1 := range []bool{true, false} {
		for round := range rounds {
			cmd := command(t, "--", "/bin/sh", "-c", fmt.Sprintf(`i=0; while [ $i -lt 40 ]; do (: & sh -c 'exit 1' &); i=$((i+1)); done; exit %d`, 100+round))
			if asPID1 {
				cmd = asInit(t, cmd)
			}
			if code, stdout, stderr := run(t, cmd); code != 100+round || stdout != "" || stderr != "" {
				t.Errorf("as PID 1 %v: exit code %d, want %d; %q, %q", asPID1, code, 100+round, stdout, stderr)
			}
		}
	}
}

// krallin/tini#9: a child that has become another user's cannot be signalled, and that took the container down.
func TestForwardingRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		testproc.Require(t, "cgroup", fmt.Errorf("to give up CAP_KILL takes root"))
	}
	cmd := program("setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill", testproc.Build(t), "--",
		"setpriv", "--reuid", "65534", "--clear-groups", "/bin/sh", "-c", `trap 'echo got; exit 3' TERM; echo ready; read x; exit 6`)
	in := must(cmd.StdinPipe())
	lines := started(t, cmd)
	signalTo(t, cmd, unix.SIGTERM)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"event":"warning"`) || !strings.Contains(line, "cannot send SIGTERM") {
		t.Errorf("%q, %v", line, err)
	}
	in.Close()
	if code := wait(t, cmd); code != 6 {
		t.Errorf("exit code %d", code)
	}
}

// sapcc/helm-charts#11680: a SIGTERM for the whole group ended a parent's children before the parent could drain them. The
// control: with the scope `group` they get it.
func TestStopSignalIsForMainAlone(t *testing.T) {
	const script = `trap 'echo main; kill -USR1 $!; wait $!; exit 3' TERM; trap 'echo ready' USR2
(trap 'echo child' TERM; trap 'over=1' USR1; kill -USR2 $$; while [ -z "$over" ]; do sleep 0.02; done) & while :; do wait $!; done`
	for scope, want := range map[string]string{"child": "main", "group": "child main"} {
		cmd := command(t, "--signal-scope="+scope, "--", "/bin/sh", "-c", script)
		lines := started(t, cmd)
		signalTo(t, cmd, unix.SIGTERM)
		var got []string
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			got = append(got, strings.TrimSpace(line))
		}
		if code := wait(t, cmd); code != 3 {
			t.Errorf("%s: exit code %d", scope, code)
		}
		if text := strings.Join(got, " "); text != want && (scope == "child" || text != "main child") {
			t.Errorf("%s: %q, want %q", scope, text, want)
		}
	}
}

// rdkcentral/Dobby#456: kill(-1) by somebody who is not PID 1 reaches strangers. As the first process of the namespace a shell
// sees to it that no stranger is hit who is not meant to be.
func TestStrangersAreSpared(t *testing.T) {
	const script = `sleep 60 & stranger=$!
"$0" --signal-scope=all --drain=1s -- /bin/sh -c 'trap "echo told; exit 3" USR1; echo ready; while :; do sleep 0.02; done' &
init=$!; read x; kill -USR1 $init; wait $init; echo "code $?"
kill -0 $stranger && echo alive; kill -9 $stranger`
	cmd := asInit(t, program("/bin/sh", "-c", script, testproc.Build(t)))
	in := must(cmd.StdinPipe())
	lines := started(t, cmd)
	fmt.Fprintln(in, "go")
	for _, want := range []string{"told", "code 3", "alive"} {
		expect(t, lines, want)
	}
	in.Close()
	wait(t, cmd)
}

// just-containers/s6-overlay#578: a read-only root without /run. Yelp/dumb-init#96: another user than root. Neither prints a
// byte, and orphans are reaped.
func TestUnprivilegedAndReadOnly(t *testing.T) {
	const script = `(: &); touch /oominit-test 2>/dev/null && exit 9; exit 5`
	for name, before := range map[string]string{
		"read-only": `mount -o remount,bind,ro / && mount -t tmpfs -o ro none /run && exec "$@"`,
		"user":      `exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`,
		"both":      `mount -o remount,bind,ro / && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`,
	} {
		cmd := asInit(t, program("/bin/sh", "-c", before, "sh", testproc.Build(t), "--", "/bin/sh", "-c", script))
		if code, stdout, stderr := run(t, cmd); code != 5 || stdout != "" || stderr != "" {
			t.Errorf("%s: exit code %d, %q, %q", name, code, stdout, stderr)
		}
	}
}

// krallin/tini#120, #141, docker-library/docker#580: not to be PID 1 is ordinary, as where containers share a pid namespace: no
// warning, and orphans are ours nevertheless. elastic/docs#2982, DUMB#344: zombies that nobody reaps fill the pids cgroup.
func TestNotPID1(t *testing.T) {
	cmd := command(t, "--", "/bin/sh", "-c", `(sh -c 'read x; ps -o ppid= -p $$' <&3 & ) 3<&0; echo ready; exec sleep 60`)
	in := must(cmd.StdinPipe())
	lines := started(t, cmd)
	fmt.Fprintln(in, "go")
	line, err := lines.ReadString('\n')
	if strings.TrimSpace(line) != fmt.Sprint(cmd.Process.Pid) {
		t.Errorf("the orphan's parent is %q, ours is %d (%v)", line, cmd.Process.Pid, err)
	}
	signalTo(t, cmd, unix.SIGTERM)
	rest, _ := bufio.NewReader(lines).ReadString(0)
	if code := wait(t, cmd); code != 128+15 || rest != "" {
		t.Errorf("exit code %d, %q", code, rest)
	}
}
