package testproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/sigpipe"
)

// HelperVariable is the environment variable that turns a test binary, or the actor, into one of the helpers.
const HelperVariable = "TESTPROC_HELPER"

// helpers are what a process can be told to be. Each returns the exit code; arguments come from the environment, because
// the command line belongs to the test.
var helpers map[string]func() int

func init() {
	helpers = map[string]func() int{
		"counter":  counter,
		"realtime": realtime,
		"hog":      hog,
		"parent":   parent,
		"waiter":   waiter,
		"killer":   killer,
		"pid1":     pid1,
		"orphans":  orphans,
		"poweroff": poweroff,
		"refuse":   refuse,
	}
}

// Main runs the tests, or the helper that the environment names, and ends the process. It is the body of a TestMain.
// Each of around is called before the tests, and what it returns after them.
func Main(m *testing.M, around ...func() (undo func())) {
	if name := os.Getenv(HelperVariable); name != "" {
		os.Exit(Run(name))
	}
	var undo []func()
	for _, begin := range around {
		undo = append(undo, begin())
	}
	code := m.Run()
	for _, end := range undo {
		end()
	}
	removeBuilt()
	os.Exit(code)
}

// Run is the helper of that name; 99 is the exit code of a helper that could not do what it is for.
func Run(name string) int {
	helper, ok := helpers[name]
	if !ok {
		return fail(fmt.Errorf("no helper %q", name))
	}
	return helper()
}

func fail(err error) int {
	fmt.Fprintf(os.Stderr, "testproc %s: %v\n", os.Getenv(HelperVariable), err)
	return 99
}

// number is the value of an environment variable, or otherwise if it is unset.
func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// realtime says "ready" and ends when signal 40 came TESTPROC_COUNT times. os/signal would lose some of them.
func realtime() int {
	fd, err := sigpipe.Open()
	if err == nil {
		err = sigpipe.Catch(40)
	}
	if err != nil {
		return fail(err)
	}
	fmt.Println("ready")
	for left := number("TESTPROC_COUNT", 1); left > 0; {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil && err != unix.EINTR {
			return fail(err)
		}
		left -= len(sigpipe.Read(make([]byte, 0, 512)))
	}
	return 0
}

// hog takes memory, 1 MiB at a time, until it is killed. With TESTPROC_MIB it stops there, says so and waits.
func hog() int {
	// The name is for the event to tell; without it the pid still does.
	_ = os.WriteFile("/proc/self/comm", []byte("hog"), 0)
	fmt.Printf("hog %d\n", os.Getpid())
	const step = 1 << 20
	for mib := 0; mib != number("TESTPROC_MIB", -1); mib++ {
		memory, err := unix.Mmap(-1, 0, step, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return fail(err)
		}
		for i := 0; i < step; i += os.Getpagesize() {
			memory[i] = 1
		}
	}
	fmt.Println("full")
	return innocent()
}

// innocent does nothing until it gets a SIGTERM, and then ends with 0.
func innocent() int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	<-stop
	return 0
}

// command is this program again as another helper.
func command(helper string, env ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(env, HelperVariable+"="+helper)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

// parent runs TESTPROC_HOGS hogs (1), one after the other, reaps each and does not mind.
func parent() int {
	for range number("TESTPROC_HOGS", 1) {
		// How it ended is what oominit has to find out.
		_ = command("hog").Run()
	}
	return 0
}

// waiter is a parent that goes on until it gets a SIGTERM, which it survives if TESTPROC_STUBBORN is set.
func waiter() int {
	if os.Getenv("TESTPROC_STUBBORN") != "" {
		signal.Ignore(unix.SIGTERM)
		parent()
		<-time.After(time.Hour) // an empty select would be a deadlock, and an end
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	parent()
	<-stop
	fmt.Println("stopped")
	return 0
}

// counter counts SIGUSR1. For each line of its stdin it says how many came so far; on SIGTERM it says the total, and ends
// with 7 once its stdin is closed.
func counter() int {
	signals, asked := make(chan os.Signal, 1<<10), make(chan bool)
	signal.Notify(signals, unix.SIGUSR1, unix.SIGTERM)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			asked <- true
		}
		close(asked)
	}()
	fmt.Println("ready")
	for counted := 0; ; {
		select {
		case sig := <-signals:
			if sig == unix.SIGTERM {
				fmt.Println("total", counted)
				continue
			}
			counted++
		case _, open := <-asked:
			if !open {
				return 7
			}
			fmt.Println("counted", counted)
		}
	}
}

// orphans forks TESTPROC_ORPHANS (1) children that end at once, and ends without having reaped them.
func orphans() int {
	for range number("TESTPROC_ORPHANS", 1) {
		// Go cannot fork; these children only exit, on a stack that is a copy.
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			return fail(errno)
		}
		if pid == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0) // it does not return
		}
	}
	return 0
}

// killer kills a hog that holds some memory with SIGKILL, reaps it and ends with 0.
func killer() int {
	cmd := command("hog", "TESTPROC_MIB=8")
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "full" {
		fmt.Println(lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		return fail(err)
	}
	// It was killed, and that is an error.
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != unix.SIGKILL {
		return fail(fmt.Errorf("the hog ended otherwise: %v", cmd.ProcessState))
	}
	return 0
}

// pid1 is started in new pid and mount namespaces. It enters the cgroup directory TESTPROC_CGROUP, mounts /proc, and, if
// TESTPROC_CONTAINER_VIEW is set, that directory read-only where a container sees its memory cgroup. Then it executes its
// arguments as the helper TESTPROC_THEN.
func pid1() int {
	cgroup := os.Getenv("TESTPROC_CGROUP")
	if err := os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte("0"), 0); err != nil {
		return fail(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fail(fmt.Errorf("cannot make mounts private: %w", err))
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fail(fmt.Errorf("cannot mount /proc: %w", err))
	}
	if view := os.Getenv("TESTPROC_CONTAINER_VIEW"); view != "" {
		if err := unix.Mount(cgroup, view, "", unix.MS_BIND, ""); err != nil {
			return fail(fmt.Errorf("cannot bind %s: %w", view, err))
		}
		if err := unix.Mount("", view, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fail(fmt.Errorf("cannot make %s read-only: %w", view, err))
		}
	}
	env := []string{HelperVariable + "=" + os.Getenv("TESTPROC_THEN")}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, HelperVariable+"=") {
			env = append(env, variable)
		}
	}
	return fail(syscall.Exec(os.Args[1], os.Args[1:], env))
}

// poweroff ends the machine it runs on: it is for the init of a user-mode Linux, and refuses to be anything else.
func poweroff() int {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !strings.Contains(string(text), "User Mode Linux") || os.Getpid() != 1 {
		return fail(fmt.Errorf("this is not the init of a user-mode Linux"))
	}
	unix.Sync()
	return fail(unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}
