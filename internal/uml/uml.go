// Package uml boots a user-mode Linux with the host's root as its file system: a kernel with cgroup v2 on a machine whose
// own has v1. It serves the tests only.
package uml

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Missing returns why no user-mode Linux can be booted here, or nil.
func Missing() error {
	if os.Geteuid() != 0 {
		return errors.New("the host's root as a file system takes root")
	}
	_, err := exec.LookPath("linux.uml")
	return err
}

// prologue mounts what a container host has. Standard output and errors go to a file beside the script.
const prologue = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
exec >%[1]s/init.log 2>&1
set -x
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
`

// Run boots with a shell script as the first process, in dir, whose path must hold no links, and waits for the end. The
// script ends the machine with `exec poweroff`, a command that it is given, after its last line. The error tells whether
// it came so far; the log is what the script and its commands printed.
func Run(ctx context.Context, dir, script, poweroff string) (log string, err error) {
	file := filepath.Join(dir, "init")
	text := fmt.Sprintf(prologue, dir) + script + fmt.Sprintf("\necho done >%s/done\n%s\n", dir, poweroff)
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "linux.uml", "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rw",
		"init="+file, "con=null", "con0=null,fd:1", "uml_dir="+dir)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	// It has many processes of its own: a group of their own can be ended as one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	printed, _ := os.ReadFile(filepath.Join(dir, "init.log")) // without it there is nothing to show
	if len(printed) == 0 {
		return "", fmt.Errorf("linux.uml did not reach its init: %w: %s", err, lastLine(console.String()))
	}
	if _, statErr := os.Stat(filepath.Join(dir, "done")); statErr != nil {
		return string(printed), fmt.Errorf("user-mode Linux did not finish: %w\n%s", err, console.String())
	}
	return string(printed), nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
