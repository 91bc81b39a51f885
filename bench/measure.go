package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timeLimit ends whatever hangs.
const timeLimit = 60 * time.Second

// idleFor is how long an init that does nothing is watched.
const idleFor = 3 * time.Second

// settled is when an init is idle: what it does once after the start is over.
const settled = 2 * time.Second

func size(programs []initProgram, _ int) (row, error) {
	r := row{what: "binary", budget: "2.5 MiB, static"}
	for i, p := range programs {
		info, err := os.Stat(p.path)
		if err != nil {
			r.cells = append(r.cells, "-")
			continue
		}
		r.cells = append(r.cells, fmt.Sprintf("%.2f MiB", float64(info.Size())/(1<<20)))
		if i == 0 {
			r.met = judge(info.Size() <= 5<<19)
		}
	}
	return r, nil
}

// asInit returns the command as PID 1 of a new pid namespace with its own /proc.
func asInit(command []string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", `mount -t proc proc /proc && exec "$@"`, "sh"}, command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS}
	return cmd
}

// limited starts and waits, and kills what takes too long.
func limited(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := time.AfterFunc(timeLimit, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	return cmd.Wait()
}

// idle starts each program with a sleeping command and calls look with its pid once it is settled.
func idle(programs []initProgram, look func(i, pid int) error) error {
	for i, p := range programs {
		if p.path == "" {
			continue
		}
		cmd := asInit(p.command("sleep", "60"))
		if err := cmd.Start(); err != nil {
			return err
		}
		time.Sleep(settled)
		err := look(i, cmd.Process.Pid)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if err != nil {
			return err
		}
	}
	return nil
}

// field returns a number of /proc/PID/status.
func field(file, name string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}

func memory(programs []initProgram, _ int) (row, error) {
	r := row{what: "resident memory, idle", cells: blanks(programs), budget: "3.0 MB"}
	err := idle(programs, func(i, pid int) error {
		kib, err := field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")
		r.cells[i] = fmt.Sprintf("%.2f MB", float64(kib)/1000)
		if i == 0 {
			r.met = judge(kib <= 3000)
		}
		return err
	})
	return r, err
}

func wakeUps(programs []initProgram, _ int) (row, error) {
	r := row{what: "context switches a second, idle", cells: blanks(programs), budget: "4 on v1"}
	err := idle(programs, func(i, pid int) error {
		before, err := switches(pid)
		if err != nil {
			return err
		}
		time.Sleep(idleFor)
		after, err := switches(pid)
		rate := float64(after-before) / idleFor.Seconds()
		r.cells[i] = fmt.Sprintf("%.1f", rate)
		if i == 0 {
			// A wake-up of the timer takes the runtime's thread and the loop's: up to two switches each.
			r.met = judge(rate <= 10)
		}
		return err
	})
	return r, err
}

// switches returns the voluntary context switches of all threads.
func switches(pid int) (sum int, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, task := range tasks {
		n, err := field(task, "voluntary_ctxt_switches")
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, err
}

func blanks(programs []initProgram) []string {
	cells := make([]string, len(programs))
	for i := range cells {
		cells[i] = "-"
	}
	return cells
}

// byTurns measures each program once a round, and returns the values of each in milliseconds.
func byTurns(programs []initProgram, rounds int, measure func(initProgram) (time.Duration, error)) ([][]float64, error) {
	values := make([][]float64, len(programs))
	for range rounds {
		for i, p := range programs {
			if p.path == "" {
				continue
			}
			took, err := measure(p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			values[i] = append(values[i], float64(took.Microseconds())/1000)
		}
	}
	return values, nil
}

// compared writes the medians with their ratio to tini's, and holds oominit's ratio to the budget.
func compared(r row, values [][]float64, format string, atMost float64) row {
	tini := median(values[1])
	for i := range values {
		cell := "-"
		if len(values[i]) > 0 {
			cell = withRatio(median(values[i]), tini, format)
		}
		r.cells = append(r.cells, cell)
	}
	if tini > 0 {
		r.met = judge(median(values[0])/tini <= atMost)
	}
	return r
}

func start(programs []initProgram, rounds int) (row, error) {
	values, err := byTurns(programs, rounds, func(p initProgram) (time.Duration, error) {
		command := p.command("/bin/true")
		cmd := exec.Command(command[0], command[1:]...)
		begun := time.Now()
		err := limited(cmd)
		return time.Since(begun), err
	})
	if err != nil {
		return row{}, err
	}
	return compared(row{what: "`INIT -- true`, whole process", budget: "2.0 × tini"}, values, "%.2f ms", 2.0), nil
}

// firstByte measures until the command's first output arrives: its exec, and its own start, which is the same for all.
func firstByte(programs []initProgram, rounds int) (row, error) {
	values, err := byTurns(programs, rounds, func(p initProgram) (time.Duration, error) {
		command := p.command("/bin/echo", "x")
		cmd := exec.Command(command[0], command[1:]...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			return 0, err
		}
		begun := time.Now()
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		_, err = out.Read(make([]byte, 1))
		took := time.Since(begun)
		_ = cmd.Wait() // the byte is what counts
		return took, err
	})
	if err != nil {
		return row{}, err
	}
	return compared(row{what: "until the first byte of `echo`", budget: "1.5 × tini"}, values, "%.2f ms", 1.5), nil
}

const (
	orphans       = 20_000
	reapingRounds = 3
)

// reaping measures how long it takes until the init has reaped orphans that all became its children at once.
func reaping(programs []initProgram, _ int) (row, error) {
	self, err := os.Executable()
	if err != nil {
		return row{}, err
	}
	values, err := byTurns(programs, reapingRounds, func(p initProgram) (time.Duration, error) {
		cmd := asInit(p.command(self, "make-orphans", strconv.Itoa(orphans)))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := limited(cmd); err != nil {
			return 0, err
		}
		return time.ParseDuration(strings.TrimSpace(out.String()))
	})
	if err != nil {
		return row{}, err
	}
	fastest := 0.0
	for _, v := range values[1:] {
		if m := median(v); m > 0 && (fastest == 0 || m < fastest) {
			fastest = m
		}
	}
	r := compared(row{what: "reaping 20,000 orphans", budget: "the fastest peer"}, values, "%.0f ms", 1)
	r.met = judge(fastest == 0 || median(values[0]) <= fastest*1.02) // 2 % is below the noise
	return r, nil
}

// makeOrphans is a command for an init. It has a child make zombies and end, so that all of them become the init's at
// one moment, and prints how long it takes until the last one is gone.
func makeOrphans(arguments []string) int {
	n, err := strconv.Atoi(arguments[0])
	if err != nil {
		return 2
	}
	if len(arguments) > 1 {
		first, last := 0, 0
		for range n {
			pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
			if errno != 0 {
				fmt.Fprintln(os.Stderr, "cannot fork:", errno)
				return 1
			}
			if pid == 0 {
				_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
			}
			if first == 0 {
				first = int(pid)
			}
			last = int(pid)
		}
		fmt.Println(first, last)
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // until the measurement begins
		return 0
	}
	cmd := exec.Command("/proc/self/exe", "make-orphans", arguments[0], "child")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 1
	}
	if err := cmd.Start(); err != nil {
		return 1
	}
	var first, last int
	if _, err := fmt.Fscan(out, &first, &last); err != nil {
		fmt.Fprintln(os.Stderr, "the child said nothing:", err)
		return 1
	}
	begun := time.Now()
	_ = in.Close() // it ends
	if err := cmd.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "the child:", err)
		return 1
	}
	for pid := last; pid >= first; { // the init reaps in the order of birth, so the last is looked at first
		if zombie(pid) {
			if time.Since(begun) > timeLimit/2 {
				fmt.Fprintln(os.Stderr, "not reaped:", pid)
				return 1
			}
			time.Sleep(200 * time.Microsecond)
			continue
		}
		pid--
	}
	fmt.Println(time.Since(begun))
	return 0
}

// zombie reports whether the pid is a zombie's. Threads, ours and the init's, have their ids from the same row.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && bytes.Contains(text, []byte(") Z "))
}

// threads counts oominit's before and after it reaped many orphans.
func threads(programs []initProgram, _ int) (row, error) {
	r := row{what: "threads, idle", cells: blanks(programs), budget: "constant, 16 with the command"}
	err := idle(programs, func(i, pid int) error {
		n, err := field(fmt.Sprintf("/proc/%d/status", pid), "Threads")
		r.cells[i] = strconv.Itoa(n)
		if i == 0 {
			r.met = judge(n < 16)
		}
		return err
	})
	return r, err
}
