package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/uml"
)

// umlTimeLimit ends a user-mode Linux that hangs; a trial takes about a second in it.
const umlTimeLimit = 20 * time.Minute

// runInUML has this program run again in a user-mode Linux, with the same flags but -uml, and prints what it prints.
func runInUML() error {
	if err := uml.Missing(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "oominit-uml-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	arguments := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool { return strings.TrimLeft(a, "-") == "uml" })
	for i, a := range arguments {
		arguments[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	// The host's /dev is not this kernel's.
	script := fmt.Sprintf("mount -t devtmpfs devtmpfs /dev\ncd '%s'\nTMPDIR=%s %s %s >%s/out 2>%s/err\necho $? >%s/code\n",
		here, dir, self, strings.Join(arguments, " "), dir, dir, dir)
	ctx, cancel := context.WithTimeout(context.Background(), umlTimeLimit)
	defer cancel()
	log, err := uml.Run(ctx, dir, script, "exec "+self+" -poweroff")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, log)
	}
	for name, to := range map[string]*os.File{"out": os.Stdout, "err": os.Stderr} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if _, err := to.Write(text); err != nil {
			return err
		}
	}
	if code, err := os.ReadFile(filepath.Join(dir, "code")); err != nil || strings.TrimSpace(string(code)) != "0" {
		return errors.New("the trials in user-mode Linux failed")
	}
	return nil
}

// poweroff ends the machine, and refuses to be anything but the first process of a user-mode Linux.
func poweroff() error {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !strings.Contains(string(text), "User Mode Linux") || os.Getpid() != 1 {
		return errors.New("this is not the init of a user-mode Linux")
	}
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
