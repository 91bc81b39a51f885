// Package reliability tries to bring the supervisor down: the real binary as PID 1 where pids, memory, descriptors or
// processors run out, where nobody reads what it writes, and where what it relies on is missing. docs/reliability.md has
// what held and where it ends.
package reliability

import (
	"bufio"
	"bytes"
	"context"
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

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// timeLimit ends what should have ended long before.
const timeLimit = 60 * time.Second

// box is where a program runs as PID 1 of new pid and mount namespaces.
type box struct {
	memory *testcgroup.Cgroup // seen by it as a container sees its own; nil for none
	groups []string           // directories of further cgroups, entered last
	before string             // shell commands that run in the box before the program
	env    []string
	stdout *os.File // nil for lines
	flags  uintptr  // further namespaces
}

// running is a program in its box. Its pid is that of the box's PID 1, as the host sees it.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  *os.File // what the program reads
	lines  *bufio.Reader
	output strings.Builder // what was read of stdout
	errs   bytes.Buffer    // for after the end
}

// start runs the program, which is ended with the test at the latest.
func (b box) start(t *testing.T, program ...string) *running {
	t.Helper()
	if os.Geteuid() != 0 {
		testproc.Require(t, "cgroup", errors.New("a new pid namespace takes root"))
	}
	script := "mount -t proc proc /proc || exit 99\n"
	if b.memory != nil {
		script += fmt.Sprintf("echo 0 >'%s/cgroup.procs' && mount --bind '%[1]s' %[2]s && mount -o remount,bind,ro %[2]s || exit 98\n",
			b.memory.Dir, testcgroup.V1Mount)
	}
	script += b.before + "\n"
	for _, dir := range b.groups {
		script += fmt.Sprintf("echo 0 >'%s/cgroup.procs' || exit 97\n", dir)
	}
	r := &running{t: t, cmd: exec.Command("/bin/sh", append([]string{"-c", script + `exec "$@"`, "sh"}, program...)...)}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "OOMINIT_") {
			r.cmd.Env = append(r.cmd.Env, entry)
		}
	}
	r.cmd.Env = append(r.cmd.Env, b.env...)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | b.flags, Unshareflags: unix.CLONE_NEWNS,
	}
	r.cmd.Stderr = &r.errs
	r.cmd.WaitDelay = 5 * time.Second
	// What the tests were started with is not for the box.
	for fd := 3; fd < 1024; fd++ {
		unix.CloseOnExec(fd)
	}
	in, stdin := pipe(t)
	defer in.Close()
	r.cmd.Stdin, r.stdin = in, stdin
	if b.stdout != nil {
		r.cmd.Stdout = b.stdout
	} else {
		read, write := pipe(t)
		defer write.Close()
		r.cmd.Stdout, r.lines = write, bufio.NewReader(read)
	}
	if err := r.cmd.Start(); err != nil {
		testproc.Require(t, "cgroup", fmt.Errorf("cannot make namespaces: %w", err))
	}
	limit := time.AfterFunc(timeLimit+soak(), func() { _ = r.cmd.Process.Kill() })
	t.Cleanup(func() {
		limit.Stop()
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill() // it may have ended
			_ = r.cmd.Wait()
		}
	})
	return r
}

// pipe returns a pipe that the test's end closes.
func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	return read, write
}

// fill writes until a pipe takes not one byte more, and returns how many it took.
func fill(t *testing.T, pipe *os.File) (bytes int) {
	t.Helper()
	fd := int(pipe.Fd()) // Fd makes it blocking
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 4095) + "\n")
	for {
		n, err := unix.Write(fd, line)
		if err != nil {
			break
		}
		bytes += n
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return bytes
}

// shell is oominit with a shell script as its command.
func shell(t *testing.T, script string, options ...string) []string {
	t.Helper()
	return append(append([]string{testproc.Build(t)}, options...), "--", "/bin/sh", "-c", script)
}

// await reads lines until one begins like that, and returns it.
func (r *running) await(prefix string) string {
	r.t.Helper()
	for {
		line, err := r.lines.ReadString('\n')
		r.output.WriteString(line)
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSuffix(line, "\n")
		}
		if err != nil {
			_ = r.cmd.Process.Kill() // it may have ended
			_ = r.cmd.Wait()
			r.t.Fatalf("no line %q: %v; %v\n%s%s", prefix, err, r.cmd.ProcessState, r.output.String(), r.errs.String())
		}
	}
}

// say writes a line to the program's stdin.
func (r *running) say(line string) {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.stdin, line); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) signal(sig unix.Signal) {
	r.t.Helper()
	if err := unix.Kill(r.cmd.Process.Pid, sig); err != nil {
		r.t.Fatalf("cannot send signal %d: %v", sig, err)
	}
}

// end waits for the end and returns the exit code, 128 + n for signal n, and what was printed on stdout.
func (r *running) end() (code int, stdout string) {
	r.t.Helper()
	if r.lines != nil {
		_, _ = r.lines.WriteTo(&r.output) // until all who could write are gone
	}
	_ = r.cmd.Wait() // the state says it
	status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		r.t.Fatal("no wait status")
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), r.output.String()
	}
	return status.ExitStatus(), r.output.String()
}

// kills are the oom_kill events among the output.
func kills(t *testing.T, output string) []testproc.Event {
	t.Helper()
	return testproc.Named(testproc.Events(t, output), "oom_kill")
}

// census counts the threads and descriptors of PID 1.
func (r *running) census() (threads, descriptors int) {
	r.t.Helper()
	count := func(dir string) int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", r.cmd.Process.Pid, dir))
		if err != nil {
			r.t.Fatal(err)
		}
		return len(entries)
	}
	return count("task"), count("fd")
}

// watching counts the descriptors with which PID 1 watches processes: pidfds and stat files.
func (r *running) watching() (n int) {
	r.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		file, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && (file == "anon_inode:[pidfd]" || strings.HasPrefix(file, "/proc/") && strings.HasSuffix(file, "/stat")) {
			n++
		}
	}
	return n
}

// anonymousPages is how much memory PID 1 has that is no file's, in pages of 4 KiB.
func (r *running) anonymousPages() int {
	r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\nAnonymous:")
	var kilobytes int
	if _, err := fmt.Sscan(rest, &kilobytes); !found || err != nil {
		r.t.Fatalf("%v: %s", err, text)
	}
	return kilobytes / 4
}

// newGroup makes a cgroup of a v1 controller that the test's end removes, and writes its files.
func newGroup(t *testing.T, controller string, files map[string]int) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join("/sys/fs/cgroup", controller), "oominit-test-")
	if err != nil {
		testproc.Require(t, "cgroup", fmt.Errorf("no %s cgroup can be made: %w", controller, err))
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		// The last process may still be on its way out.
		if testproc.Poll(ctx, func() bool { err = os.Remove(dir); return err == nil }) != nil {
			t.Errorf("cannot remove the cgroup: %v", err)
		}
	})
	for name, value := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strconv.Itoa(value)), 0); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// until asks every few milliseconds until the answer is yes.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeLimit)
	defer cancel()
	if err := testproc.Poll(ctx, done); err != nil {
		t.Fatalf("never: %s: %v", what, err)
	}
}

// peer returns the path of another init, or skips the test.
func peer(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	testproc.Require(t, "peers", err)
	return path
}
