package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timeLimit ends a trial that hangs. In user-mode Linux one takes some seconds.
const timeLimit = time.Minute

// event is what the trials look at in a line of oominit's.
type event struct {
	Event   string `json:"event"`
	Process struct {
		PID int `json:"pid"`
	} `json:"process"`
	Origin    string `json:"origin"`
	Certainty string `json:"certainty"`
	read      time.Time
	line      string
}

// outcome is what came of a trial.
type outcome struct {
	trial
	code   int
	pids   map[string]int // of the scene's processes by name, as they are in the container
	kills  []kernelKill   // of ours
	events []event
	output string
	// initKilled says that the kernel took oominit itself.
	initKilled bool
}

// place is where the cgroups of the trials are made.
type place struct {
	v2      bool
	parent  string // directory
	mount   string // where a container sees its cgroup
	limit   string
	counter string // file that counts, as the container sees it
}

func findPlace() (place, error) {
	const v1 = "/sys/fs/cgroup/memory"
	if os.Geteuid() != 0 {
		return place{}, errors.New("memory cgroups take root")
	}
	if _, err := os.Stat(v1 + "/memory.oom_control"); err == nil {
		return place{parent: v1, mount: v1, limit: "memory.limit_in_bytes", counter: v1 + "/memory.oom_control"}, nil
	}
	const v2 = "/sys/fs/cgroup"
	text, err := os.ReadFile(v2 + "/cgroup.subtree_control")
	if err == nil && strings.Contains(string(text), "memory") {
		return place{v2: true, parent: v2, mount: v2, limit: "memory.max", counter: v2 + "/memory.events"}, nil
	}
	return place{}, errors.New("no memory cgroup can be made")
}

// limitBytes leaves room for the neighbours. User-mode Linux, where v2 is tried on a v1 machine, takes some 0.3 ms for each page.
func (t trial) limitBytes(p place) int {
	_, crowded := t.settings["neighbours"]
	switch {
	case t.fast || p.v2 && !crowded:
		return 24 << 20
	default:
		return 64 << 20
	}
}

// run makes a container for the trial and returns what came of it.
func (t trial) run(p place, log *kernelLog, program, scene, dir string, random *rand.Rand) (o outcome, err error) {
	o.trial = t
	cgroup, err := os.MkdirTemp(p.parent, "oominit-trial-")
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, remove(cgroup)) }()
	if err := os.WriteFile(filepath.Join(cgroup, p.limit), []byte(strconv.Itoa(t.limitBytes(p))), 0); err != nil {
		return o, err
	}
	if p.v2 {
		_ = os.WriteFile(filepath.Join(cgroup, "memory.swap.max"), []byte("0"), 0) // there without swap too, or not at all
	}
	truth := filepath.Join(dir, fmt.Sprintf("truth%d", t.number))
	if err := os.WriteFile(truth, nil, 0o600); err != nil {
		return o, err
	}
	defer func() { _ = os.Remove(truth) }()
	log.kills() // what others did before

	script := `echo 0 >"$0/cgroup.procs" && mount -t proc proc /proc && mount --bind "$0" ` + p.mount +
		` && mount -o remount,bind,ro ` + p.mount + ` && exec "$@"`
	if p.v2 { // the cgroup namespace is made after the move, so that its root is the container's cgroup
		script = `echo 0 >"$0/cgroup.procs" && exec unshare --cgroup sh -c 'mount -t proc proc /proc && umount ` + p.mount +
			` && mount -t cgroup2 -o ro cgroup2 ` + p.mount + ` && exec "$@"' sh "$@"`
	}
	arguments := append([]string{"-c", script, cgroup, program, "--log-level=debug", "--command-line=off", "--"}, t.arguments(scene, truth, p.counter, random)...)
	cmd := exec.Command("/bin/sh", arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "OOMINIT_") })
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return o, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return o, err
	}
	if err := cmd.Start(); err != nil {
		return o, err
	}
	kill := time.AfterFunc(timeLimit, func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	entered := make(chan error, 1)
	for lines.Scan() {
		line := lines.Text()
		var e event
		if line == "ready" {
			go func() {
				entered <- t.enterFrom(cgroup, cmd.Process.Pid, scene, truth)
				_ = in.Close() // main may end
			}()
		} else if json.Unmarshal([]byte(line), &e) == nil && e.Event != "" {
			e.read, e.line = time.Now(), line
			o.events = append(o.events, e)
		}
		o.output += line + "\n"
	}
	_ = cmd.Wait() // the status says it
	if !kill.Stop() {
		return o, fmt.Errorf("%s: did not end within %s\n%s%s", t.name, timeLimit, o.output, errs.String())
	}
	if t.enter {
		if err := <-entered; err != nil {
			return o, err
		}
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		o.code, o.initKilled = 128+int(status.Signal()), true
	} else {
		o.code = cmd.ProcessState.ExitCode()
	}
	if errs.Len() > 0 {
		return o, fmt.Errorf("%s: %s", t.name, errs.String())
	}
	return o, o.learnTruth(truth, log)
}

// enterFrom runs the hog as a session that comes from outside, and waits for its end.
func (t trial) enterFrom(cgroup string, pid int, scene, truth string) error {
	cmd := exec.Command("/bin/sh", "-c", `echo 0 >"$0/cgroup.procs" && exec nsenter -t "$1" -p -m -- "$2" hog truth="$3" name="$4"`,
		cgroup, strconv.Itoa(pid), scene, truth, hex(t.hogs[0]))
	var errs strings.Builder
	cmd.Stderr = &errs
	_ = cmd.Run() // it is killed
	if errs.Len() > 0 && !strings.Contains(errs.String(), "Killed") {
		return fmt.Errorf("entering: %s", errs.String())
	}
	return nil
}

// learnTruth reads what the scene wrote of itself and whom the kernel killed.
func (o *outcome) learnTruth(file string, log *kernelLog) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	o.pids = map[string]int{}
	for line := range strings.Lines(string(text)) {
		var name []byte
		var pid int
		if _, err := fmt.Sscanf(line, "%x %d", &name, &pid); err == nil {
			o.pids[string(name)] = pid
		}
	}
	for _, e := range o.events {
		if e.Event == "started" {
			if _, known := o.pids[o.main]; !known {
				o.pids[o.main] = e.Process.PID
			}
		}
	}
	for _, kill := range log.kills() {
		if _, ours := o.pids[kill.comm]; ours {
			o.kills = append(o.kills, kill)
		}
	}
	return nil
}

func remove(cgroup string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.Remove(cgroup)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}
