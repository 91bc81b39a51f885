package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// latencyRounds is how many OOM kills are timed.
const latencyRounds = 50

const memoryMount = "/sys/fs/cgroup/memory"

// latency measures from the moment that the kernel has counted a kill until oominit's event can be read. The counter is
// watched by a busy loop; its own time is the error.
func latency(programs []initProgram, _ int) (row, error) {
	r := row{what: "from the kernel's count to the event (v1)", cells: blanks(programs), budget: "p99 15 ms", met: noBudget}
	if !exists(filepath.Join(memoryMount, "memory.oom_control")) {
		r.cells[0] = "no v1 memory controller"
		return r, nil
	}
	var values []float64
	for range latencyRounds {
		took, err := killOnce(programs[0])
		if err != nil {
			return r, err
		}
		values = append(values, float64(took.Microseconds())/1000)
	}
	slices.Sort(values)
	worst := values[len(values)-1]
	r.cells[0] = fmt.Sprintf("median %.1f ms, worst of %d %.1f ms", median(values), latencyRounds, worst)
	r.met = judge(worst <= 15)
	return r, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func killOnce(p initProgram) (time.Duration, error) {
	cgroup, err := os.MkdirTemp(memoryMount, "oominit-bench-")
	if err != nil {
		return 0, err
	}
	defer func() {
		for range 500 { // the last process may still be on its way out
			if os.Remove(cgroup) == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if err := os.WriteFile(cgroup+"/memory.limit_in_bytes", []byte("64M"), 0); err != nil {
		return 0, err
	}
	cmd := asInit(append([]string{"/bin/sh", "-c", `echo 0 >"$0/cgroup.procs"; exec "$@"`, cgroup},
		p.command("/bin/sh", "-c", "sleep 0.1; tail /dev/zero 2>/dev/null; sleep 0.2")...))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	kill := time.AfterFunc(timeLimit, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	event := make(chan time.Time, 1)
	var output strings.Builder // read once the channel is closed
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			output.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), `"event":"oom_kill"`) {
				event <- time.Now()
			}
		}
		close(event)
	}()
	counter, err := os.Open(cgroup + "/memory.oom_control")
	if err != nil {
		return 0, err
	}
	defer func() { _ = counter.Close() }()
	var text [256]byte
	var killed time.Time
	for begun := time.Now(); killed.IsZero(); {
		n, err := counter.ReadAt(text[:], 0)
		if n == 0 && err != nil {
			return 0, err
		}
		if strings.Contains(string(text[:n]), "oom_kill 1") {
			killed = time.Now()
		} else if time.Since(begun) > timeLimit {
			return 0, fmt.Errorf("no OOM kill")
		}
		time.Sleep(50 * time.Microsecond)
	}
	at, seen := <-event
	_ = cmd.Wait() // 137
	if !seen {
		return 0, fmt.Errorf("an OOM kill without an event: %v\n%s", cmd.ProcessState, output.String())
	}
	return max(0, at.Sub(killed)), nil
}
