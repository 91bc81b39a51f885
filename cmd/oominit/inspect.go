package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// inspector is the program that has the subcommands. It stands beside this one, so that PID 1 stays small.
const inspector = "oominit-inspect"

// The exit codes where the inspector cannot be executed, as for a command.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

// inspects reports whether the arguments ask for a subcommand instead of a command. After "--" a command may have any name.
func inspects(arguments []string) bool {
	return len(arguments) > 0 && (arguments[0] == "explain" || arguments[0] == "check")
}

// inspect executes the inspector in place of this program. It returns only if that cannot be done.
func inspect(arguments, environment []string, stderr io.Writer) (exitCode int) {
	// Not os.Executable, with which this program is 4 KB larger.
	var self [unix.PathMax]byte
	n, err := unix.Readlink("/proc/self/exe", self[:])
	if err != nil {
		complain(stderr, fmt.Errorf("cannot find %s, which is looked for beside this program: /proc/self/exe: %w", inspector, err))
		return exitNotFound
	}
	directory := string(self[:n])
	program := directory[:strings.LastIndexByte(directory, '/')+1] + inspector
	err = unix.Exec(program, append([]string{inspector}, arguments...), environment)
	if errors.Is(err, unix.ENOENT) {
		complain(stderr, fmt.Errorf("the subcommand %s needs the program %s, which is not there: looked for %q; "+
			"a command of that name is started with: oominit -- %s", arguments[0], inspector, program, arguments[0]))
		return exitNotFound
	}
	complain(stderr, fmt.Errorf("cannot execute %q: %w", program, err))
	return exitNotExecutable
}
