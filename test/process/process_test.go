// Package process tries the real binary as an ordinary process and as PID 1, without a container.
package process

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// timeLimit ends what should have ended long before.
const timeLimit = 30 * time.Second

// command returns oominit with the arguments.
func command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	return program(testproc.Build(t), arguments...)
}

// program returns a program with an environment without variables of ours.
func program(name string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(name, arguments...)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "OOMINIT_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	return cmd
}

// asInit has the command run as PID 1 of a pid namespace of its own.
func asInit(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		testproc.Require(t, "cgroup", errors.New("a new pid namespace takes root"))
	}
	// The shell mounts the namespace's own /proc and becomes the program, which stays PID 1.
	script := `mount -t proc proc /proc && exec "$@"`
	wrapped := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, cmd.Args...)...)
	wrapped.Env, wrapped.Stdin, wrapped.Stdout, wrapped.Stderr = cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr
	wrapped.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS,
	}
	return wrapped
}

// run returns the exit code and what was printed.
func run(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &errs
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return wait(t, cmd), out.String(), errs.String()
}

func wait(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	kill := time.AfterFunc(timeLimit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !kill.Stop() {
		t.Fatalf("%q did not end within %s", cmd.Args, timeLimit)
	}
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// An exit value with a meaning of its own hung catatonit on 127 (openSUSE/catatonit#5), so all are tried.
func TestAllExitCodes(t *testing.T) {
	for code := range 256 {
		got, stdout, stderr := run(t, command(t, "--", "/bin/sh", "-c", "exit "+strconv.Itoa(code)))
		if got != code || stdout != "" || stderr != "" {
			t.Errorf("exit code %d for %d; stdout %q, stderr %q", got, code, stdout, stderr)
		}
	}
}

// WEXITSTATUS of a status that has none gave 0 for a killed main (phusion/baseimage-docker#583).
func TestSignaledMain(t *testing.T) {
	for _, sig := range []int{1, 2, 9, 15, 11} {
		if code, _, _ := run(t, command(t, "--", "/bin/sh", "-c", fmt.Sprintf("kill -%d $$", sig))); code != 128+sig {
			t.Errorf("signal %d: exit code %d", sig, code)
		}
	}
}

func TestStartFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	marker := filepath.Join(dir, "started")
	for name, test := range map[string]struct {
		arguments []string
		code      int
		stderr    string
	}{
		"missing":             {[]string{"no-such-command"}, 127, `"no-such-command": not found in PATH`},
		"missing path":        {[]string{dir + "/none"}, 127, "no such file"},
		"missing interpreter": {[]string{write("interpreter", "#!/no/such\n", 0o755)}, 127, "interpreter"},
		"not executable":      {[]string{write("plain", "x", 0o644)}, 126, "permission denied"},
		"a directory":         {[]string{dir}, 126, "permission denied"},
		"no command":          {nil, 125, "no command given"},
		"unknown flag":        {[]string{"--polici=stop", "touch", marker}, 125, `did you mean "--policy"?`},
		"bad value":           {[]string{"--policy=st", "touch", marker}, 125, `"st" is not allowed`},
		"unwritable log":      {[]string{"--log-output=/no/such/dir/log", "touch", marker}, 125, "cannot open"},
	} {
		code, stdout, stderr := run(t, command(t, test.arguments...))
		if code != test.code || stdout != "" || !strings.Contains(stderr, test.stderr) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %d, one line with %q", name, code, stdout, stderr, test.code, test.stderr)
		}
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the command was started in spite of a fault")
	}
	// A script without #! is run by sh, as execvp(3) does.
	script := write("script", "echo \"$1\"; exit 7\n", 0o755)
	if code, stdout, _ := run(t, command(t, script, "hello")); code != 7 || stdout != "hello\n" {
		t.Errorf("script without #!: exit code %d, stdout %q", code, stdout)
	}
}

// What the command inherits is what came in.
func TestInheritance(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	// golang/go#46279, runc#4265: Go raises RLIMIT_NOFILE.
	const script = `ls /proc/self/fd | wc -l; ulimit -n; pwd; env | grep -v -e ^_= -e ^SHLVL= | sort; grep -e SigPnd -e SigBlk -e SigIgn -e SigCgt -e oom /proc/self/status`
	limited := func(program ...string) []string {
		return append([]string{"/bin/sh", "-c", `ulimit -Sn 200; exec "$@"`, "sh"}, program...)
	}
	outputs := make([]string, 2)
	for i, arguments := range [][]string{
		limited("/bin/sh", "-c", script),
		limited(testproc.Build(t), "--", "/bin/sh", "-c", script),
	} {
		cmd := program(arguments[0], arguments[1:]...)
		cmd.Dir = "/usr"
		cmd.ExtraFiles = []*os.File{read, write}
		var code int
		if code, outputs[i], _ = run(t, cmd); code != 0 {
			t.Fatalf("%q: exit code %d", arguments, code)
		}
	}
	if outputs[0] != outputs[1] {
		t.Errorf("without us:\n%s\nwith us:\n%s", outputs[0], outputs[1])
	}
	if !strings.Contains(outputs[0], "\n200\n") {
		t.Errorf("the limit on descriptors was not in force: %s", outputs[0])
	}
}

// started waits for the line "ready" of the command.
func started(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return lines
}

func TestForwarding(t *testing.T) {
	for _, name := range []string{"TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT", "ALRM", "ABRT", "SEGV", "PWR", "63"} {
		sig := unix.SignalNum("SIG" + name)
		if name == "63" {
			sig = 63
		}
		script := fmt.Sprintf(`trap 'echo got; exit 3' %s; trap 'echo on; trap "" 64' 64; echo ready; while :; do sleep 0.05; done`, name)
		cmd := command(t, "--", "/bin/sh", "-c", script)
		lines := started(t, cmd)
		// The last one to be caught: from here on, all are.
		if line := signalUntil(t, cmd, 64, lines); line != "on\n" {
			t.Fatalf("%s: the command printed %q", name, line)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		line, _ := lines.ReadString('\n')
		for line == "on\n" { // it was sent until the answer came
			line, _ = lines.ReadString('\n')
		}
		if line != "got\n" {
			t.Errorf("%s: the command printed %q", name, line)
		}
		if code := wait(t, cmd); code != 3 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

// signalUntil sends the signal until the command answers: the less urgent signals are caught right after its start.
func signalUntil(t *testing.T, cmd *exec.Cmd, sig unix.Signal, lines *bufio.Reader) string {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		line, _ := lines.ReadString('\n')
		answer <- line
	}()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(timeLimit)
	for {
		_ = cmd.Process.Signal(sig) // it may have ended
		select {
		case line := <-answer:
			return line
		case <-again.C:
		case <-deadline:
			t.Fatalf("no answer to %v", sig)
		}
	}
}

// golang/go#37942, runc#3368, doitintl/secrets-init#34: Go programs forwarded the SIGURG of their own runtime. The control: SIGUSR1 arrives.
func TestSIGURGStaysHere(t *testing.T) {
	cmd := command(t, "--", "/bin/sh", "-c", `trap 'echo urg' URG; trap 'echo usr1; exit 0' USR1; echo ready; while :; do sleep 0.05; done`)
	lines := started(t, cmd)
	for range 20 {
		if err := cmd.Process.Signal(unix.SIGURG); err != nil {
			t.Fatal(err)
		}
	}
	if line := signalUntil(t, cmd, unix.SIGUSR1, lines); line != "usr1\n" {
		t.Errorf("the command got %q first", line)
	}
	wait(t, cmd)
}

// A parent that ignored SIGCHLD makes tini and catatonit hang.
func TestParentIgnoredSIGCHLD(t *testing.T) {
	// dash cannot pass an ignored SIGCHLD on, so env(1) of coreutils does.
	env, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(env, "--ignore-signal=CHLD", testproc.Build(t), "--", "/bin/sh", "-c", "exit 5")
	if code, _, stderr := run(t, cmd); code != 5 {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// fullPipe returns a pipe that takes not one byte more.
func fullPipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	fd := int(write.Fd()) // Fd makes it blocking
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := unix.Write(fd, make([]byte, 4096)); err != nil {
			break
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return read, write
}

func TestStdoutThatNobodyReads(t *testing.T) {
	read, full := fullPipe(t)
	closed := func() *os.File {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		t.Cleanup(func() { w.Close() })
		return w
	}()
	disk, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	for name, stdout := range map[string]*os.File{"full pipe": full, "closed pipe": closed, "full disk": disk} {
		cmd := command(t, "--log-level=debug", "--", "/bin/sh", "-c", "(exit 1); kill -9 $$")
		cmd.Stdout = stdout
		begun := time.Now()
		if code, _, stderr := run(t, cmd); code != 137 || stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", name, code, stderr)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
	_ = read
}

func TestAllStandardStreamsClosed(t *testing.T) {
	for _, closing := range []string{"<&-", ">&-", "2>&-", "<&- >&- 2>&-"} {
		cmd := program("/bin/sh", "-c", fmt.Sprintf(`exec "$0" --log-level=debug -- /bin/sh -c 'exit 6' %s`, closing), testproc.Build(t))
		if code, _, _ := run(t, cmd); code != 6 {
			t.Errorf("%s: exit code %d", closing, code)
		}
	}
}

// PID 1 reaps orphans, tens of thousands of which fill the pids cgroup otherwise (elastic/docs#2982, DUMB#344); the control, a
// shell that execs cat, leaves them zombies.
func TestOrphansAreReaped(t *testing.T) {
	const orphans = 200
	script := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do (: & ); i=$((i+1)); done
n=0; while grep -qs '^State:.Z' /proc/[0-9]*/status && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.02; done
grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l`, orphans)
	cmd := asInit(t, command(t, "--", "/bin/sh", "-c", script))
	if code, stdout, stderr := run(t, cmd); code != 0 || strings.TrimSpace(stdout) != "0" {
		t.Errorf("exit code %d, zombies %q, stderr %q", code, stdout, stderr)
	}
	control := asInit(t, exec.Command("/bin/sh", "-c", "("+script+") & exec cat"))
	stdin, err := control.StdinPipe() // cat, which reaps nobody, ends when this is closed
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := control.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := control.Start(); err != nil {
		t.Fatal(err)
	}
	zombies, _ := bufio.NewReader(stdout).ReadString('\n')
	stdin.Close()
	wait(t, control)
	if n, err := strconv.Atoi(strings.TrimSpace(zombies)); err != nil || n == 0 {
		t.Errorf("the control shows %q zombies: this test proves nothing", zombies)
	}
}

// moby#27514: the container ends with main, whoever else lives.
func TestEndsWithMain(t *testing.T) {
	begun := time.Now()
	cmd := asInit(t, command(t, "--", "/bin/sh", "-c", "sleep 60 & exit 4"))
	if code, _, _ := run(t, cmd); code != 4 || time.Since(begun) > 20*time.Second {
		t.Errorf("exit code %d after %s", code, time.Since(begun))
	}
}

// Threads and descriptors must not grow with the work, and the binary must stay small.
func TestBudgets(t *testing.T) {
	info, err := os.Stat(testproc.Build(t))
	if err != nil {
		t.Fatal(err)
	}
	if budget := int64(26 << 20 / 10); info.Size() > budget { // docs/performance.md says why it is not 2.5 MiB
		t.Errorf("the binary has %d bytes; the budget is %d", info.Size(), budget)
	}
	cmd := command(t, "--", "/bin/sh", "-c", `echo ready; read x; i=0; while [ $i -lt 500 ]; do (: & ); i=$((i+1)); done; echo worked; read x`)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := started(t, cmd)
	before := census(t, cmd.Process.Pid)
	fmt.Fprintln(stdin, "go")
	if line, err := lines.ReadString('\n'); line != "worked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	after := census(t, cmd.Process.Pid)
	stdin.Close()
	wait(t, cmd)
	if after.threads > before.threads+1 || after.threads > 12 {
		t.Errorf("threads: %d before, %d after", before.threads, after.threads)
	}
	if after.descriptors > before.descriptors+64 { // a pidfd for who is alive just now
		t.Errorf("descriptors: %d before, %d after", before.descriptors, after.descriptors)
	}
}

type counts struct{ threads, descriptors int }

func census(t *testing.T, pid int) counts {
	t.Helper()
	count := func(dir string) int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, dir))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	return counts{count("task"), count("fd")}
}

// A healthy container prints not one byte more than without us.
func TestSilence(t *testing.T) {
	const script = `echo out; echo err >&2; sleep 0.3 & wait; (kill -9 $$) & exec sleep 0.2`
	var outputs [2][2]string
	var codes [2]int
	codes[0], outputs[0][0], outputs[0][1] = run(t, exec.Command("/bin/sh", "-c", script))
	codes[1], outputs[1][0], outputs[1][1] = run(t, command(t, "--", "/bin/sh", "-c", script))
	if outputs[0] != outputs[1] || codes[0] != -1 || codes[1] != 137 {
		t.Errorf("without us %q, with us %q; exit codes %v", outputs[0], outputs[1], codes)
	}
}

// What came in ignored stays ignored, here and in the command, as nohup(1) wants it: SIGHUP and SIGINT.
func TestIgnoredStaysIgnored(t *testing.T) {
	// Whoever runs the tests may have others ignored.
	const show = `grep SigIgn /proc/self/status | sed 's/.*\(..\)$/\1/'`
	for script, want := range map[string]string{
		`trap '' HUP INT; exec "$@"`: "03\n",
		`trap - HUP INT; exec "$@"`:  "00\n", // the control
	} {
		cmd := program("/bin/sh", "-c", script, "sh", testproc.Build(t), "--", "/bin/sh", "-c", show)
		if code, out, errs := run(t, cmd); code != 0 || out != want {
			t.Errorf("%s: exit code %d, %q, %q", script, code, out, errs)
		}
	}
}
